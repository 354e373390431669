"""Processes that measure videos and write clips, each task on its own: one that fails stops no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from typing import Self

import cv2
import torch

from vsanimesr.errors import AnimeSRError

from ..errors import DatasetError

type Advance = Callable[[int], None]
type Work[T, R] = Callable[[T, Advance], R]
"""Does a task; calls its second argument with the number of frames done since the last call. A function of a module."""

POLL = 0.2
"""Seconds between two looks at the progress."""


@dataclass(frozen=True)
class Failure:
    """Why a task failed."""

    reason: str


class Workers:
    """Processes that are started when they are needed, and kept until the end: each takes seconds to start.

    They end at once after an error or Ctrl-C, and when this process dies: what they write is whole or not there.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._context = multiprocessing.get_context("spawn")  # threads of libraries do not survive a fork
        self._pool: ProcessPoolExecutor | None = None
        self._steps: SimpleQueue[int] = self._context.SimpleQueue()
        self._their_end, self._our_end = self._context.Pipe(duplex=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            self._our_end.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._our_end.close()
        self._their_end.close()
        self._steps.close()

    def run_all[T, R](self, work: Work[T, R], tasks: Sequence[T], advance: Advance) -> list[R | Failure]:
        """Do tasks, in this process if there is one job or one task, and return what they give, in their order.

        Raises:
            DatasetError: a process was ended from outside.
        """
        if self._jobs == 1 or len(tasks) <= 1:
            return [_attempt(work, task, advance) for task in tasks]
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._jobs, self._context, _start, (self._steps, self._their_end))
        try:
            with _deaf():  # submitting starts processes
                futures = [self._pool.submit(_attempt_there, work, task) for task in tasks]
            _follow(futures, self._steps, advance)
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise DatasetError(
                "a process was ended, perhaps for lack of memory; what is done is kept: run the same command again, "
                "with fewer --jobs"
            ) from error


def _follow[R](futures: Sequence[Future[R]], steps: SimpleQueue[int], advance: Advance) -> None:
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, POLL, FIRST_COMPLETED)
        while not steps.empty():
            advance(steps.get())
        for each in done:
            each.result()  # raises if the process has died


def _attempt[T, R](work: Work[T, R], task: T, advance: Advance) -> R | Failure:
    try:
        return work(task, advance)
    except AnimeSRError as error:
        return Failure(str(error))
    except Exception as error:  # of a library, at a file that is damaged in a new way: the others go on
        return Failure(f"{task} failed ({type(error).__name__}: {error}); leave it out")


_steps: SimpleQueue[int] | None = None
"""In a process of the pool: where progress goes."""


def _start(steps: SimpleQueue[int], life: Connection) -> None:
    global _steps
    _steps = steps
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the other process ends this one
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _end_with(life: Connection) -> None:
    """End this process when the other end of a pipe is closed, which the system does for a process that is killed."""
    with suppress(EOFError, OSError):
        life.recv()
    os._exit(1)


@contextmanager
def _deaf() -> Iterator[None]:
    """Hold Ctrl-C back. Processes that are started meanwhile never hear it, also before they are told to ignore it."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _attempt_there[T, R](work: Work[T, R], task: T) -> R | Failure:
    assert _steps is not None
    return _attempt(work, task, _Batches(_steps))


class _Batches:
    """Sends progress now and then. The pipe holds little, and a process that waits for it does not measure."""

    SIZE = 25

    def __init__(self, steps: SimpleQueue[int]) -> None:
        self._steps = steps
        self._count = 0

    def __call__(self, count: int) -> None:
        self._count += count
        if self._count >= self.SIZE:
            self._steps.put(self._count)
            self._count = 0
