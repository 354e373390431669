"""Batches of samples, as a training step takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ..data.uint8 import UINT8_MAX


@dataclass(frozen=True)
class Batch:
    """Samples of one size."""

    input: Tensor
    """float32 (batch, frames, 3, height, width) in [0, 1]."""
    target: Tensor
    """uint8 (batch, frames, 3, ...); after `to`, float32 in [0, 1]. Of a teacher, whatever the losses compare."""
    failures: int
    """Number of encodings that failed and were replaced by another."""

    def to(self, device: torch.device) -> Self:
        """Move the batch to a device. Targets are copied as they are and converted there."""
        inputs, targets = (each.to(device, non_blocking=True) for each in (self.input, self.target))
        unit = UINT8_MAX if targets.dtype == torch.uint8 else 1
        return replace(self, input=inputs, target=targets.float() / unit)

    def split(self, count: int) -> list[Self]:
        """Return `count` parts of the same size."""
        pairs = zip(self.input.chunk(count), self.target.chunk(count), strict=True)
        return [replace(self, input=inputs, target=targets) for inputs, targets in pairs]

    def pin_memory(self) -> Self:
        """Move the batch to pinned memory. The data loader calls this."""
        return replace(self, input=self.input.pin_memory(), target=self.target.pin_memory())
