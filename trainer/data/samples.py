"""Training samples: the input of a network, and the frames that it should return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from .uint8 import Frames

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

    def digests(self) -> dict[str, str]:
        """Return for each clip, by name, a text that tells it from others by its content."""
        ...


@runtime_checkable
class StepSamples(Samples, Protocol):
    """Samples that also depend on the training step they are for."""

    def at_step(self, position: Position, step: int) -> Sample:
        """Return a sample for a step, a pure function of both."""
        ...


type Encode = Callable[[], tuple[Frames, int]]
"""The last part of a sample, for any thread of the CPU: returns the 8-bit frames of `Sample.input`, and `failures`."""
type Finish = Callable[[Any], tuple[Tensor, list[Encode]]]
"""Computes a batch that was drawn, on a device: returns its targets there, and what is left to do for each input."""


@runtime_checkable
class DrawnSamples(Samples, Protocol):
    """Samples that are made in two parts: drawn one by one in any process, then finished on a device, as a batch."""

    def draw(self, position: Position, step: int) -> Any:
        """Draw a sample for a step."""
        ...

    def collate(self, drawn: Sequence[Any]) -> Any:
        """Return a batch of drawn samples. It can pin its memory."""
        ...

    def finish_on(self, device: torch.device) -> Finish:
        """Return what finishes batches on a device."""
        ...
