"""Measurements of one backend, in a process of their own.

So a runtime that crashes, runs out of memory or takes too long to build an engine does not end the benchmark: its
process is killed, and everything else goes on.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Connection
from statistics import median
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .. import machine
from ..backends import availability
from ..backends.base import Availability
from ..options import Held, Options
from ..tiles import BYTES_PER_PIXEL, SHARE
from .clip import HOLD, draw_clip

if TYPE_CHECKING:
    from vapoursynth import VideoNode

WARM_UP = 2
"""Steps that do not count: backends with two buffers fill both."""
FEWEST = 3
"""Fewest steps that count."""
PARTS = 9
"""Most parts of a measurement, for its median and its spread."""
SECONDS = 3.0
"""Time of a measurement; slow steps take longer."""
BRIEF_SECONDS = 0.5
"""The same, where only the order of magnitude counts."""
TICK = 0.5
"""Seconds between two updates of the progress."""


class Job(NamedTuple):
    """What to measure."""

    precision: str
    """As in `Options`."""
    width: int
    height: int
    held: Held = "off"
    seconds: float = SECONDS
    """Time of the steps that count, if there can be so many, and so few."""


class Speed(NamedTuple):
    """What was measured. Times are in seconds."""

    precision: str
    """What the network was computed in."""
    frames: int
    """Number of frames that count."""
    opening: float
    """Time to open the filter."""
    median: float
    lowest: float
    highest: float
    """Time of a frame: median, lowest and highest of the parts."""


class Failure(NamedTuple):
    """Why there is no measurement."""

    reason: str
    in_time: bool = True
    """False if the time ran out."""


class Worker(Protocol):
    """Measures one backend."""

    def availability(self, until: float) -> Availability | Failure:
        """Return whether the backend works here. Called once, first."""

    def measure(self, job: Job, until: float) -> Speed | Failure:
        """Measure a job. After a failure out of time, no more job can be measured."""

    def close(self) -> None:
        """End the worker."""


class ProcessWorker:
    """A worker in another process.

    Args:
        tick: is called about twice a second while it works.
    """

    def __init__(self, backend: str, tick: Callable[[], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_work, args=(other, backend), daemon=True)
        self._process.start()
        other.close()
        self._tick = tick

    def availability(self, until: float) -> Availability | Failure:
        return self._receive(until, Availability)

    def measure(self, job: Job, until: float) -> Speed | Failure:
        with suppress(OSError):  # the process has ended: `_receive` says so
            self._connection.send(job)
        return self._receive(until, Speed)

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _receive[T](self, until: float, kind: type[T]) -> T | Failure:
        """Return the answer, or why there is none until then."""
        begin = time.monotonic()
        while not self._connection.poll(max(0.0, min(TICK, until - time.monotonic()))):
            if time.monotonic() >= until:
                self._process.kill()
                return Failure(f"not done within {time.monotonic() - begin:.0f} s", in_time=False)
            self._tick()
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return Failure(f"its process ended with code {self._process.exitcode}; is there enough memory?")
        assert isinstance(answer, kind | Failure)
        return answer


def _work(connection: Connection, backend: str) -> None:
    """Answer jobs until the other side is closed."""
    import vapoursynth

    from .. import load

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the other process ends this one
    os.dup2(2, 1)  # the other process alone writes to stdout
    load()
    vapoursynth.core.add_log_handler(lambda level, message: None)
    state = availability(backend)
    with suppress(EOFError, OSError):
        connection.send(state)
        while True:
            job: Job = connection.recv()
            connection.send(_answer(backend, job, host=not state.gpu))


def measure(backend: str, job: Job) -> Speed:
    """Measure the whole filter on the first frames of a run, from the first request to the last frame.

    All arguments have their defaults, but there is no pre-roll: it takes time and tells nothing.

    Raises:
        vapoursynth.Error: the filter cannot be opened, or a frame fails.
    """
    import vapoursynth as vs

    clip = draw_clip(job.width, job.height, Options().segment[0])
    begin = time.perf_counter()
    upscaled = vs.core.animesr.Upscale(
        clip, backend=backend, precision=job.precision, device=0, held=job.held, preroll=0
    )
    opening = time.perf_counter() - begin
    hold = HOLD if job.held == "skip" else 1  # frames of a step
    for _ in range(WARM_UP):
        start = time.perf_counter()
        for frame in upscaled[:hold].frames(close=True, collect_garbage=False):
            precision = str(frame.props["AnimeSRPrecision"])
        step = time.perf_counter() - start
        upscaled = upscaled[hold:]
    most = len(upscaled) // hold
    steps = min(max(round(job.seconds / step), FEWEST), most)
    parts = min(PARTS, steps)
    size = steps // parts * hold
    times = [time.perf_counter(), *_arrivals(upscaled[: parts * size])][::size]
    seconds = [(end - start) / size for start, end in pairwise(times)]
    return Speed(precision, parts * size, opening, median(seconds), min(seconds), max(seconds))


def _arrivals(clip: VideoNode) -> Iterator[float]:
    for _ in clip.frames(close=True, collect_garbage=False):  # with torch imported, the collection takes 0.1 s
        yield time.perf_counter()


def _answer(backend: str, job: Job, *, host: bool) -> Speed | Failure:
    """Measure a job, and make a failure of any error.

    Args:
        host: whether the backend computes in the memory of the host.
    """
    import vapoursynth as vs

    needed, memory = BYTES_PER_PIXEL * job.width * job.height, machine.memory()
    if host and memory is not None and SHARE * needed > memory:
        return Failure(f"a whole frame takes about {needed / 1e9:.0f} GB of memory; use tiles")
    try:
        return measure(backend, job)
    except vs.Error as error:
        return Failure(str(error).removeprefix("Upscale: "))
    finally:
        gc.collect()  # frees the filter
