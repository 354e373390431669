"""Processes that make chunks, and what to do if one dies."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from ..errors import AnimeSRError, JobError, OptionError
from . import worker
from .manifest import Record

ATTEMPTS = 2
"""How often a chunk is begun whose process dies."""
POLL = 0.2  # seconds between two looks at how far the work is


class Process:
    """A process for one call at a time. If it dies, the next call starts another."""

    def __init__(self, log: Path, gpu: str | None = None) -> None:
        self._log = log
        self._gpu = gpu
        self._executor: ProcessPoolExecutor | None = None
        self._pid: int | None = None

    def submit[T](self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Call a function in the process.

        Raises:
            JobError: the process cannot start.
        """
        if self._executor is not None:
            with suppress(BrokenProcessPool):  # it died since the last call
                return self._executor.submit(function, *arguments)
            self.stop()
        return self._start().submit(function, *arguments)

    def call[T](self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in the process, and wait for what it returns.

        Raises:
            JobError: the process died.
        """
        try:
            return _wait_for(self.submit(function, *arguments))
        except BrokenProcessPool:
            self.stop()
            raise JobError(f"{_DIED}, see {self._log}") from None

    def stop(self) -> None:
        """End the process at once."""
        if self._executor is None:
            return
        for child in multiprocessing.active_children():  # one that is dead is not among them: its number may be reused
            if child.pid == self._pid:
                child.kill()
                child.join(5)  # Windows keeps its files until it has ended
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(1, context, worker.start, (str(self._log), self._gpu))
        self._pid = None
        try:
            # Nothing is given to a process that could not be ended: it would finish a chunk before it listens.
            self._pid = _wait_for(self._executor.submit(os.getpid))
        except BrokenProcessPool:
            self.stop()
            raise JobError(f"a worker process cannot start, see {self._log}") from None
        return self._executor


def _wait_for[T](future: Future[T]) -> T:
    """Return the result of a call. Windows hears Ctrl-C only between two waits."""
    while not future.done():
        wait([future], POLL)
    return future.result()


_DIED = "a worker process died (out of memory, or ended by the system or by someone)"


class Pool:
    """Several processes, of which each makes one chunk at a time.

    Args:
        gpus: numbers of GPUs, one for each process; without them, `workers` processes see all.
    """

    def __init__(self, workers: int, log: Path, gpus: Sequence[int] = ()) -> None:
        self.processes = (
            [Process(log, gpu) for gpu in _visible(gpus)] if gpus else [Process(log) for _ in range(workers)]
        )
        self._log = log

    @property
    def size(self) -> int:
        """The number of chunks that are made at once."""
        return len(self.processes)

    def call[T](self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in one of the processes, and wait for what it returns.

        Raises:
            JobError: the process died.
        """
        return self.processes[0].call(function, *arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.stop()

    def run(
        self,
        folder: str,
        numbers: Iterable[int],
        *,
        finish: Callable[[int, Record], None],
        poll: Callable[[Iterable[int]], None],
        tell: Callable[[str], None],
    ) -> None:
        """Make chunks in this order.

        Args:
            finish: called with each chunk that is finished.
            poll: called several times a second with the chunks in work.
            tell: called with what a user should know.

        Raises:
            JobError: a chunk cannot be made. Those that were in work with it have been made, if they could be.
        """
        queue, attempts = list(numbers), dict.fromkeys(numbers, 0)
        busy: dict[Future[Record], tuple[Process, int]] = {}
        failure: tuple[int, AnimeSRError] | None = None
        while (queue and failure is None) or busy:
            for process in self.processes:
                if queue and failure is None and process not in [owner for owner, _ in busy.values()]:
                    number = queue.pop(0)
                    attempts[number] += 1
                    try:
                        busy[process.submit(worker.encode_chunk, folder, number)] = (process, number)
                    except JobError as error:
                        failure = (number, error)
            done, _ = wait(busy, POLL, FIRST_COMPLETED)
            for future in done:
                process, number = busy.pop(future)
                try:
                    finish(number, future.result())
                except BrokenProcessPool:
                    process.stop()
                    if attempts[number] < ATTEMPTS:
                        tell(f"{_DIED} at chunk {number}; it is made again")
                        queue.insert(0, number)
                    else:
                        failure = failure or (number, JobError(f"{_DIED} {ATTEMPTS} times, see {self._log}"))
                except AnimeSRError as error:
                    failure = failure or (number, error)
            poll([number for _, number in busy.values()])
        if failure is not None:
            raise ChunkError(*failure)


def _visible(gpus: Sequence[int]) -> list[str]:
    """Return what `CUDA_VISIBLE_DEVICES` says for these numbers, which count what this process sees.

    Raises:
        OptionError: it does not see so many.
    """
    seen = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    for gpu in gpus:
        if seen and gpu >= len(seen):
            raise OptionError(
                f"--gpus: there is no GPU {gpu}, because CUDA_VISIBLE_DEVICES={','.join(seen)} shows {len(seen)}; use "
                f"numbers from 0 to {len(seen) - 1}"
            )
    return [seen[gpu] if seen else str(gpu) for gpu in gpus]


class ChunkError(JobError):
    """A chunk that cannot be made."""

    def __init__(self, number: int, error: AnimeSRError) -> None:
        super().__init__(str(error))
        self.number = number
