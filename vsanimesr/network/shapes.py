"""Widths, blocks and tensor shapes of the network, without its weights and without any library.

Source: docs/paper-and-release.md, 1.1, 1.2 and appendix A.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

SCALE = 4
MULTIPLE = 4  # LR sides are padded to a multiple of this, for two convolutions of stride 2
FEATURES = 64
BLOCKS = (5, 3, 2)  # residual blocks at full, half and quarter LR size
COLOURS = 3
SR_CHANNELS = COLOURS * SCALE**2  # an SR frame folded to LR size

PREFIX = "recurrent_cell."

_BLOCK = re.compile(re.escape(PREFIX) + r"body_s([124])_first\.(\d{1,4})\.")


@dataclass(frozen=True)
class Shape:
    """Width and depth of a network. The defaults are those of the released weights.

    Args:
        features: channels of every layer between the first convolution and the fusion, and of the hidden state.
        blocks: residual blocks at full, half and quarter size, in descending order.

    Raises:
        ValueError: a scale has more blocks than the next finer one.
    """

    features: int = FEATURES
    blocks: tuple[int, int, int] = BLOCKS

    def __post_init__(self) -> None:
        if not self.blocks[0] >= self.blocks[1] >= self.blocks[2] >= 0:
            given, known = list(self.blocks), list(BLOCKS)
            raise ValueError(f"blocks={given} has more at a coarse scale than at a finer one; use for example {known}")

    @property
    def state_channels(self) -> int:
        """Channels of the recurrent state: the folded SR frame and the hidden state."""
        return SR_CHANNELS + self.features

    @property
    def input_channels(self) -> int:
        """Input channels of the first convolution: prev, cur, next, then the recurrent state."""
        return 3 * COLOURS + self.state_channels

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Return the key and shape of each tensor of a state dict, in the order of the released files (50 tensors)."""
        features = self.features
        convolutions = {
            "conv_s1_first.0": (self.input_channels, features),
            "conv_s2_first.0": (features, features),
            "conv_s4_first.0": (features, features),
        }
        for scale, blocks in zip((1, 2, 4), self.blocks, strict=True):
            for block in range(blocks):
                for conv in (1, 2):
                    convolutions[f"body_s{scale}_first.{block}.conv{conv}"] = (features, features)
        convolutions["fusion.0"] = (3 * features, 2 * self.state_channels)
        convolutions["fusion.2"] = (2 * self.state_channels, self.state_channels)
        shapes: dict[str, tuple[int, ...]] = {}
        for name, (inputs, outputs) in convolutions.items():
            shapes[f"{PREFIX}{name}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{PREFIX}{name}.bias"] = (outputs,)
        return shapes


RELEASED_SHAPE = Shape()


def shape_of(tensors: Mapping[str, tuple[int, ...]]) -> Shape:
    """Return the shape of the network that these tensors belong to; the most similar one for a damaged state dict."""
    features, *_ = tensors.get(f"{PREFIX}conv_s1_first.0.bias") or (FEATURES,)
    found = [match for key in tensors if (match := _BLOCK.match(key))]
    # A damaged key may hold any number, so the number of tensors is the limit.
    full, half, quarter = (
        min(max((int(match[2]) + 1 for match in found if match[1] == scale), default=0), len(tensors))
        for scale in "124"
    )
    try:
        return Shape(features, (full, half, quarter))
    except ValueError:
        return RELEASED_SHAPE
