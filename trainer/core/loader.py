"""Loads samples in batches, in worker processes, while the network trains."""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.random import SeedSequence
from torch.utils.data import DataLoader, Dataset, Sampler

from vsanimesr.machine import cores

from ..data.samples import DrawnSamples, Position, Sample, Samples, StepSamples
from ..errors import TrainerError
from .ahead import finish_ahead
from .batch import Batch
from .config import RunConfig

_log = logging.getLogger(__name__)

MOST_AUTOMATIC_WORKERS = 16
"""Processes that load samples if `workers` is `auto`, at most."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc refuses more
_KEPT_BYTES = 256 << 20
"""Free memory that glibc keeps at most."""


def load_batches(
    samples: Samples, settings: RunConfig, *, step: int, rank: int, ranks: int, device: torch.device
) -> Generator[Batch]:
    """Yield the batches of a run's steps. Seed, step and rank alone decide which samples are in them.

    Close the generator when no more are wanted: threads may work ahead.

    Args:
        step: the step that the first batch is for.
        rank: number of this process among all that train.
        ranks: number of processes that train.
        device: where the network trains.
    """
    positions = ShuffledSampler(
        len(samples), settings.seed, rank=rank, ranks=ranks, begin=step * settings.batch * ranks
    )
    count = (settings.steps - step) * settings.batch  # so no worker is at work at the end
    workers = worker_count(settings.workers, device)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # `worker_count` says so
        loader: DataLoader[Any] = DataLoader(
            _Positioned(samples),
            settings.batch,
            sampler=_with_steps(islice(positions, count), step, settings.batch),
            num_workers=workers,
            collate_fn=samples.collate if isinstance(samples, DrawnSamples) else _collate,
            pin_memory=device.type == "cuda",
            worker_init_fn=_prepare_worker,
            # A fork would inherit the locks of this process's threads, and its open files.
            multiprocessing_context="spawn" if workers else None,
        )
        loaded = _without_traceback(iter(loader))
    if isinstance(samples, DrawnSamples):
        yield from finish_ahead(loaded, samples.finish_on(device), device, cores_per_process())
    else:
        yield from loaded


class _Positioned(Dataset[Any]):
    """Samples by position and step: what a worker makes of them."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, place: tuple[Position, int]) -> Any:
        position, step = place
        if isinstance(self._samples, DrawnSamples):
            return self._samples.draw(position, step)
        if isinstance(self._samples, StepSamples):
            return self._samples.at_step(position, step)
        return self._samples[position]


def _with_steps(positions: Iterable[Position], first: int, batch: int) -> Iterator[tuple[Position, int]]:
    """Yield positions with the step that each is for."""
    for n, position in enumerate(positions):
        yield position, first + n // batch


def _without_traceback(batches: Iterator[Any]) -> Iterator[Any]:
    while True:
        try:
            yield next(batches)
        except StopIteration:
            return
        except TrainerError as error:
            raise type(error)(_strip_traceback(error)) from error


def worker_count(workers: int | Literal["auto"], device: torch.device) -> int:
    """Return the number of processes that load samples, for each process that trains.

    Training on a CPU takes so long that few of them keep up, and all cores have work.
    """
    cores = cores_per_process()
    if workers == "auto":
        return min(max(cores - 1, 1), MOST_AUTOMATIC_WORKERS) if device.type == "cuda" else max(cores // 4, 1)
    if workers > cores:
        _log.warning("workers=%d are more than the %d cores for them; workers=auto sets what fits", workers, cores)
    return workers


def cores_per_process() -> int:
    """Return the number of cores for each process that trains on this machine."""
    return max(cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)


def _collate(samples: Sequence[Sample]) -> Batch:
    inputs = torch.stack([sample.input for sample in samples])
    targets = torch.stack([sample.target for sample in samples])
    return Batch(inputs, targets, sum(sample.failures for sample in samples))


def _strip_traceback(error: TrainerError) -> str:
    """Return the message of an error. An error from a worker process has its traceback in front of the message."""
    return str(error).rstrip().rpartition(f"{type(error).__module__}.{type(error).__qualname__}: ")[2]


def _prepare_worker(_worker: int) -> None:
    tune_malloc()
    # A worker ends at once, without the end of its interpreter. That stops threads where they are, and the one that
    # sends a batch may be inside PyTorch: then C++ aborts the process, and the training process prints a traceback.
    atexit.register(os._exit, 0)
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
