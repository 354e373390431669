"""Measurements on all cores: worker processes share the work, as the workers of a training run do."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch

from trainer.core.loader import tune_malloc
from vsanimesr.machine import cores

from .settings import Settings
from .timing import Results, time_interleaved

type Task = Callable[[int], object]
"""Does one piece of work. The argument is its number."""


def time_in_processes(
    tasks: Mapping[str, Task], count: int, settings: Settings, prepare: Callable[..., None], *arguments: object
) -> tuple[Results, str]:
    """Time tasks, one worker process per core.

    Args:
        count: pieces of work per process and measurement.
        prepare: is called once in each process with `arguments`.

    Returns:
        Seconds per piece of work, and a text about the measurement for a table's note.
    """
    total = count * cores()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores(), context, initializer=_prepare, initargs=(prepare, arguments)) as workers:

        def run(task: Task, pieces: int) -> None:
            list(workers.map(task, range(pieces)))

        candidates = {name: partial(run, task) for name, task in tasks.items()}
        results = time_interleaved(candidates, total, settings.rounds)
    return results, f"{cores()} processes. Medians of {settings.rounds} rounds of {total}."


def _prepare(prepare: Callable[..., None], arguments: tuple[object, ...]) -> None:
    tune_malloc()  # as a training worker does
    torch.set_num_threads(1)
    prepare(*arguments)
