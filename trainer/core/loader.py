"""Loads samples in batches, in worker processes, while the network trains."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.random import SeedSequence
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from ..data.samples import Position, Sample, Samples
from ..data.uint8 import UINT8_MAX
from ..errors import TrainerError
from .config import RunConfig

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc refuses more
_KEPT_BYTES = 256 << 20
"""Free memory that glibc keeps at most."""


@dataclass(frozen=True)
class Batch:
    """Samples of one size."""

    input: Tensor
    """float32 (batch, frames, 3, height, width) in [0, 1]."""
    target: Tensor
    """uint8 (batch, frames, 3, ...); after `to`, float32 in [0, 1]."""
    failures: int
    """Number of encodings that failed and were replaced by another."""

    def to(self, device: torch.device) -> Self:
        """Move the batch to a device. Targets are copied as bytes and converted there."""
        inputs, targets = (each.to(device, non_blocking=True) for each in (self.input, self.target))
        return replace(self, input=inputs, target=targets.float() / UINT8_MAX)

    def pin_memory(self) -> Self:
        """Move the batch to pinned memory. The data loader calls this."""
        return replace(self, input=self.input.pin_memory(), target=self.target.pin_memory())


def load_batches(
    samples: Samples, settings: RunConfig, *, step: int, rank: int, ranks: int, pin_memory: bool
) -> Iterator[Batch]:
    """Yield batches without end. Seed, step and rank alone decide which samples are in them.

    Args:
        step: the step that the first batch is for.
        rank: number of this process among all that train.
        ranks: number of processes that train.
    """
    loader: DataLoader[Batch] = DataLoader(
        samples,  # type: ignore[arg-type]  # the loader needs nothing else of a Dataset
        settings.batch,
        sampler=ShuffledSampler(
            len(samples), settings.seed, rank=rank, ranks=ranks, begin=step * settings.batch * ranks
        ),
        num_workers=settings.workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        worker_init_fn=_prepare_worker,
        # A fork would inherit the locks of this process's threads, and its open files.
        multiprocessing_context="spawn" if settings.workers else None,
    )
    iterator = iter(loader)
    while True:
        try:
            yield next(iterator)
        except TrainerError as error:
            raise type(error)(_strip_traceback(error)) from error


def _collate(samples: Sequence[Sample]) -> Batch:
    inputs = torch.stack([sample.input for sample in samples])
    targets = torch.stack([sample.target for sample in samples])
    return Batch(inputs, targets, sum(sample.failures for sample in samples))


def _strip_traceback(error: TrainerError) -> str:
    """Return the message of an error. An error from a worker process has its traceback in front of the message."""
    return str(error).rstrip().rpartition(f"{type(error).__module__}.{type(error).__qualname__}: ")[2]


def _prepare_worker(_worker: int) -> None:
    tune_malloc()
    if sys.platform != "win32":
        # Ctrl-C and SIGTERM go to a whole process group. The training process decides when its workers end.
        os.setpgrp()


class ShuffledSampler(Sampler[Position]):
    """Positions of the samples of one rank, without end. Every epoch holds each index once, in another order.

    Args:
        length: length of the dataset.
        seed: seed of the orders.
        rank: number of this process among all that train.
        ranks: number of processes that train.
        begin: number of positions, of all ranks together, to skip: a resumed run continues there.
    """

    def __init__(self, length: int, seed: int, *, rank: int = 0, ranks: int = 1, begin: int = 0) -> None:
        self._length = length
        self._seed = seed
        self._rank, self._ranks = rank, ranks
        self._begin = begin

    def __iter__(self) -> Iterator[Position]:
        n = self._begin + self._rank
        epoch, order = -1, np.empty(0, np.int64)
        while True:
            if n // self._length != epoch:
                epoch = n // self._length
                order = np.random.default_rng(SeedSequence((self._seed, epoch))).permutation(self._length)
            yield epoch, int(order[n % self._length])
            n += self._ranks


def tune_malloc() -> None:
    """Let this process keep the memory that its tensors free. Only glibc can be told so; elsewhere nothing happens.

    Each operator of a degradation allocates a few MB and frees them. Depending on its other allocations, glibc may
    return them to the system. The system then clears them page by page at the next allocation, and a blur takes three
    times as long.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
