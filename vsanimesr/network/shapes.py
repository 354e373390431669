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
_SCALE = re.compile(r"(?:conv|body)_s([124])_first\.")


@dataclass(frozen=True)
class Shape:
    """Widths and depth of a network. The defaults are those of the released weights.

    Args:
        features: channels of every layer between the first convolution and the fusion, and of the hidden state.
        blocks: residual blocks at full, half and quarter size, in descending order.
        fusion: channels between the two convolutions of the fusion. None is twice those of the state, as in the
            released networks; the attribute is None too if this number is given.

    Raises:
        ValueError: a scale has more blocks than the next finer one, or there are no channels.
    """

    features: int = FEATURES
    blocks: tuple[int, int, int] = BLOCKS
    fusion: int | None = None

    def __post_init__(self) -> None:
        if not self.blocks[0] >= self.blocks[1] >= self.blocks[2] >= 0:
            given, known = list(self.blocks), list(BLOCKS)
            raise ValueError(f"blocks={given} has more at a coarse scale than at a finer one; use for example {known}")
        if self.features < 1:
            raise ValueError(f"features={self.features} leaves no channels; use for example {FEATURES}")
        if self.fusion is not None and self.fusion < 1:
            raise ValueError(f"fusion={self.fusion} leaves no channels; use 1 or more, or None for the usual number")
        if self.fusion == 2 * self.state_channels:
            object.__setattr__(self, "fusion", None)  # so that networks of one shape have equal shapes

    @property
    def state_channels(self) -> int:
        """Channels of the recurrent state: the folded SR frame and the hidden state."""
        return SR_CHANNELS + self.features

    @property
    def input_channels(self) -> int:
        """Input channels of the first convolution: prev, cur, next, then the recurrent state."""
        return 3 * COLOURS + self.state_channels

    @property
    def fusion_channels(self) -> int:
        """Channels between the two convolutions of the fusion."""
        return 2 * self.state_channels if self.fusion is None else self.fusion

    @property
    def convolutions(self) -> dict[str, tuple[int, int]]:
        """Input and output channels of each convolution, in the order of the released files. All kernels are 3x3."""
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
        convolutions["fusion.0"] = (3 * features, self.fusion_channels)
        convolutions["fusion.2"] = (self.fusion_channels, self.state_channels)
        return convolutions

    @property
    def layer_macs(self) -> dict[str, float]:
        """Multiply-accumulates of each convolution for each LR pixel. One at half size has a quarter of the pixels."""
        return {
            name: 9 * inputs * outputs / (int(match[1]) ** 2 if (match := _SCALE.match(name)) else 1)
            for name, (inputs, outputs) in self.convolutions.items()
        }

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all convolutions with weights for each LR pixel; 1,127,232 in the released networks.

        It is rounded: with an odd number of features, the coarse scales do not come out even.
        """
        return round(sum(self.layer_macs.values()))

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Return the key and shape of each tensor of a state dict, in the order of the released files (50 tensors)."""
        shapes: dict[str, tuple[int, ...]] = {}
        for name, (inputs, outputs) in self.convolutions.items():
            shapes[f"{PREFIX}{name}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{PREFIX}{name}.bias"] = (outputs,)
        return shapes


RELEASED_SHAPE = Shape()


def shape_of(tensors: Mapping[str, tuple[int, ...]]) -> Shape:
    """Return the shape of the network that these tensors belong to; the most similar one for a damaged state dict."""
    # A width has several sources, because one of the tensors may be missing.
    features = _side(tensors, "conv_s1_first.0.bias") or _side(tensors, "conv_s1_first.0.weight") or FEATURES
    fusion = (
        _side(tensors, "fusion.0.bias") or _side(tensors, "fusion.0.weight") or _side(tensors, "fusion.2.weight", 1)
    )
    found = [match for key in tensors if (match := _BLOCK.match(key))]
    # A damaged key may hold any number, so the number of tensors is the limit.
    full, half, quarter = (
        min(max((int(match[2]) + 1 for match in found if match[1] == scale), default=0), len(tensors))
        for scale in "124"
    )
    try:
        return Shape(features, (full, half, quarter), fusion)
    except ValueError:
        return RELEASED_SHAPE


def _side(tensors: Mapping[str, tuple[int, ...]], name: str, axis: int = 0) -> int | None:
    """Return a side of a tensor; None if it is missing or has no such side."""
    sides = tensors.get(f"{PREFIX}{name}", ())
    return sides[axis] if axis < len(sides) else None
