"""Facts about the network that need neither its weights nor a library: widths, blocks, and the shape of every tensor.

Source: facts 1.1, 1.2 and appendix A.
"""

from __future__ import annotations

SCALE = 4
MULTIPLE = 4  # two stride-2 convolutions: LR sides are padded to a multiple of this
FEATURES = 64
BLOCKS = (5, 3, 2)  # residual blocks at full, half and quarter LR size
COLOURS = 3
SR_CHANNELS = COLOURS * SCALE**2  # an SR frame folded to LR size
STATE_CHANNELS = SR_CHANNELS + FEATURES
INPUT_CHANNELS = 3 * COLOURS + STATE_CHANNELS  # prev, cur, next, then the recurrent state

PREFIX = "recurrent_cell."


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """The key and shape of each of the 50 tensors of a state dict, in the order of the released files."""
    convolutions = {
        "conv_s1_first.0": (INPUT_CHANNELS, FEATURES),
        "conv_s2_first.0": (FEATURES, FEATURES),
        "conv_s4_first.0": (FEATURES, FEATURES),
    }
    for scale, blocks in zip((1, 2, 4), BLOCKS, strict=True):
        for block in range(blocks):
            for conv in (1, 2):
                convolutions[f"body_s{scale}_first.{block}.conv{conv}"] = (FEATURES, FEATURES)
    convolutions["fusion.0"] = (3 * FEATURES, 2 * STATE_CHANNELS)
    convolutions["fusion.2"] = (2 * STATE_CHANNELS, STATE_CHANNELS)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (inputs, outputs) in convolutions.items():
        shapes[f"{PREFIX}{name}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"{PREFIX}{name}.bias"] = (outputs,)
    return shapes
