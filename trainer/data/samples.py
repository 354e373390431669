"""Training samples: the input of a network, and the frames that it should return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

type Position = tuple[int, int]
"""Epoch, and index within the epoch."""


@dataclass(frozen=True)
class Sample:
    """A clip in two versions: LR and HQ for a network that upscales, pseudo-HQ and LQ for an operator."""

    input: Tensor
    """float32 (frames, 3, height, width) in [0, 1], R, G, B, 8-bit values."""
    target: Tensor
    """uint8 (frames, 3, ...), the frames that the network should return."""
    failures: int = 0
    """Number of encodings that failed and were replaced by another."""


class Samples(Protocol):
    """A dataset. Each sample is a pure function of its position."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: Position) -> Sample: ...

    def check(self) -> None:
        """Look at every frame without decoding it.

        Raises:
            TrainerError: a frame cannot be used.
        """
        ...

    def lengths(self) -> dict[str, int]:
        """Return the number of frames of each clip, by name. It tells whether a resumed run has the same clips."""
        ...
