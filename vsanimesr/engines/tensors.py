"""The tensors of one step: what every engine on a GPU has to find in the network that it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..graph import GraphPrecision, padded
from ..network import COLOURS, FEATURES, SCALE, SR_CHANNELS

WINDOW = ("prev", "cur", "next")
STATE = ("sr", "hidden")

_ITEM_BYTES: dict[GraphPrecision, int] = {"fp32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Tensor:
    """The shape and type of a tensor that goes into or comes out of the network."""

    shape: tuple[int, ...]
    type: GraphPrecision

    @property
    def bytes(self) -> int:
        """How large it is."""
        return math.prod(self.shape) * _ITEM_BYTES[self.type]


def step_tensors(width: int, height: int, precision: GraphPrecision, features: int = FEATURES) -> dict[str, Tensor]:
    """The inputs and outputs of `graph.build_graph` by name, for LR frames of a size.

    Args:
        features: of the network, which are the channels of its hidden state.
    """
    lr = Tensor((1, COLOURS, height, width), "fp32")
    sr = Tensor((1, SR_CHANNELS, padded(height), padded(width)), precision)
    hidden = Tensor((1, features, padded(height), padded(width)), precision)
    frame = Tensor((1, COLOURS, SCALE * height, SCALE * width), "fp32")
    return {**dict.fromkeys(WINDOW, lr), "sr": sr, "hidden": hidden, "frame": frame, "sr_out": sr, "hidden_out": hidden}
