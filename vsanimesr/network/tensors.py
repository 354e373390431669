"""Names, shapes and types of the inputs and outputs of one step, for backends on a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .graph import GraphPrecision, padded_size
from .shapes import COLOURS, FEATURES, SCALE, SR_CHANNELS

WINDOW = ("prev", "cur", "next")
STATE = ("sr", "hidden")

_ITEM_BYTES: dict[GraphPrecision, int] = {"fp32": 4, "bf16": 2, "fp16": 2}
_STATE: dict[GraphPrecision, GraphPrecision] = {"int8": "fp16", "fp8": "fp16"}
"""Precisions of the state, where it is not that of the convolutions."""


@dataclass(frozen=True)
class Tensor:
    """Shape and type of an input or output of the network."""

    shape: tuple[int, ...]
    type: GraphPrecision
    channels_last: bool = False
    """Whether the channels of a pixel are next to each other in memory, instead of the pixels of a channel."""

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * _ITEM_BYTES[self.type]


def step_tensors(
    width: int, height: int, precision: GraphPrecision, features: int = FEATURES, *, channels_last: bool = False
) -> dict[str, Tensor]:
    """Return the inputs and outputs of `graph.build_graph` by name, for LR frames of this size; with int8, of the
    graph for GPUs.

    Args:
        features: channels of the network's hidden state.
        channels_last: layout of the state, as in `Tensor`. Frames are planar.
    """
    lr = Tensor((1, COLOURS, height, width), "fp32")
    kept = _STATE.get(precision, precision)
    sr = Tensor((1, SR_CHANNELS, padded_size(height), padded_size(width)), kept, channels_last)
    hidden = Tensor((1, features, padded_size(height), padded_size(width)), kept, channels_last)
    frame = Tensor((1, COLOURS, SCALE * height, SCALE * width), "fp32")
    return {**dict.fromkeys(WINDOW, lr), "sr": sr, "hidden": hidden, "frame": frame, "sr_out": sr, "hidden_out": hidden}
