"""A measure of pictures that needs no weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainer.losses.metrics import Lpips


class MeanDifference(Lpips):
    """The mean absolute difference, in place of LPIPS."""

    def __init__(self) -> None:
        nn.Module.__init__(self)  # without the weights of LPIPS
        self.parameter = nn.Parameter(torch.zeros(1))  # has the device

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        return self.distance(self.features(sr), self.features(hq))

    def features(self, frames: Tensor) -> Sequence[Tensor]:
        return [frames]

    def distance(self, sr: Sequence[Tensor], hq: Sequence[Tensor]) -> Tensor:
        return (sr[0] - hq[0]).abs().mean((1, 2, 3))
