"""What a network is given, and what it should make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

type Position = tuple[int, int]
"""Epoch, and index within it."""


@dataclass(frozen=True)
class Sample:
    """A clip twice: LR and HQ frames, to train a network that upscales; pseudo-HQ and LQ ones for an operator."""

    given: Tensor
    """float32 (frames, 3, height, width) in [0, 1], R, G, B, values of 8 bits."""
    target: Tensor
    """uint8 (frames, 3, ...), as the network is to make it."""
    failures: int = 0
    """How many encodings failed on the way."""


class Samples(Protocol):
    """A dataset; each sample is a pure function of its position."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: Position) -> Sample: ...

    def check(self) -> None:
        """Look at every picture, without decoding it.

        Raises:
            TrainerError: one cannot be used.
        """
        ...

    def lengths(self) -> dict[str, int]:
        """How many pictures each clip has, by name: what tells whether they are the same clips."""
        ...
