"""Samples in batches, made by other processes while the network trains."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .dataset import Shuffled
from .degradation.levels import LEVELS
from .errors import TrainerError
from .heap import keep_freed
from .sample import Sample, Samples
from .stages import Stage


@dataclass(frozen=True)
class Batch:
    """Samples of one size."""

    given: Tensor
    """float32 (batch, frames, 3, height, width) in [0, 1]."""
    target: Tensor
    """uint8 (batch, frames, 3, ...); float32 in [0, 1] once it is where it is used."""
    failures: int
    """How many encodings failed on the way."""

    def on(self, device: torch.device) -> Self:
        """Where it is used. Colours cross the bus as bytes."""
        given, target = (each.to(device, non_blocking=True) for each in (self.given, self.target))
        return replace(self, given=given, target=target.float() / LEVELS)

    def pin_memory(self) -> Self:  # called by the loader
        return replace(self, given=self.given.pin_memory(), target=self.target.pin_memory())


def batches(samples: Samples, settings: Stage, *, step: int, rank: int, ranks: int, pinned: bool) -> Iterator[Batch]:
    """Batches from a step on, without end: which ones, depends on seed, step and rank only."""
    begin = step * settings.batch * ranks
    loader: DataLoader[Batch] = DataLoader(
        samples,  # type: ignore[arg-type]  # it asks for nothing else of a Dataset
        settings.batch,
        sampler=Shuffled(len(samples), settings.seed, rank=rank, ranks=ranks, begin=begin),
        num_workers=settings.workers,
        collate_fn=_together,
        pin_memory=pinned,
        worker_init_fn=_begin,
        # A fork would inherit the locks of this process's threads, and its open files.
        multiprocessing_context="spawn" if settings.workers else None,
    )
    supply = iter(loader)
    while True:
        try:
            yield next(supply)
        except TrainerError as error:
            raise type(error)(_said(error)) from error


def _together(samples: Sequence[Sample]) -> Batch:
    given, target = (torch.stack([getattr(sample, name) for sample in samples]) for name in ("given", "target"))
    return Batch(given, target, sum(sample.failures for sample in samples))


def _said(error: TrainerError) -> str:
    """The message: what comes from another process has its traceback in front."""
    return str(error).rstrip().rpartition(f"{type(error).__module__}.{type(error).__qualname__}: ")[2]


def _begin(_worker: int) -> None:
    keep_freed()
    if sys.platform != "win32":
        # Ctrl-C and SIGTERM go to a whole group of processes: the one that trains decides when its workers end.
        os.setpgrp()
