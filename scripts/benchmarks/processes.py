"""Turns that are shared out among processes, one for each core: as the workers of a training run share out samples."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch

from trainer.heap import keep_freed

from .machine import cores
from .rounds import Samples, per_frame, taken
from .settings import Settings

type Way = Callable[[int], object]
"""Does a piece of work; pieces have numbers."""


def shared_out(
    ways: Mapping[str, Way], each: int, settings: Settings, prepare: Callable[..., None], *given: object
) -> tuple[Samples, str]:
    """Have ways take turns, each on all cores.

    Args:
        each: pieces of work in a turn, for each process.
        prepare: called in each process with what is given, before anything else is.

    Returns:
        Seconds per piece; and what a table's note should tell about them.
    """
    count = each * cores()
    processes = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores(), processes, initializer=_prepare, initargs=(prepare, given)) as workers:

        def run(way: Way, pieces: int) -> None:
            list(workers.map(way, range(pieces)))

        samples = taken({name: per_frame(partial(run, way), count) for name, way in ways.items()}, settings.rounds)
    return samples, f"{cores()} processes. Medians of {settings.rounds} rounds of {count}."


def _prepare(prepare: Callable[..., None], given: tuple[object, ...]) -> None:
    keep_freed()  # as a worker does
    torch.set_num_threads(1)
    prepare(*given)
