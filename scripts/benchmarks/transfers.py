"""What goes up to a GPU and down for each frame, and what it costs the host, by the formats of source and result.

It needs no GPU: device and network cost nothing here, so what is left is the pipeline's own work and the copies between
the caller's planes and the memory that a GPU reads and writes.
"""

from __future__ import annotations

import ctypes
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from vsanimesr.backends.base import SCALE, Frame, Planes, Ticket
from vsanimesr.backends.gpu.device import Buffer, Device, Event, Graph, Kernel, PinnedBuffer, Program, Stream
from vsanimesr.backends.gpu.pipeline import DEPTH, Pipeline, bytes_moved
from vsanimesr.network.tensors import step_tensors
from vsanimesr.pixels import RGBS, Colours, PixelFormat, Target

from .settings import Settings
from .table import Table, verdict
from .timing import Measure, measure_interleaved

MOST = 2.0
"""Target: most milliseconds of one core for a frame, from 4:2:0 at 720x480 to 4:2:0 in 10 bits."""

BT709 = Colours(1, False, 0)
YUV420P8, YUV420P10 = (PixelFormat("yuv", "integer", bits, (1, 1)) for bits in (8, 10))
PAIRS = {
    "RGBS to RGBS": (RGBS, RGBS),
    "YUV420P8 to RGBS": (YUV420P8, RGBS),
    "YUV420P8 to YUV420P8": (YUV420P8, YUV420P8),
    "YUV420P8 to YUV420P10": (YUV420P8, YUV420P10),
    "YUV420P10 to YUV420P10": (YUV420P10, YUV420P10),
}
TARGET = "YUV420P8 to YUV420P10"


def measure_transfers(settings: Settings) -> Iterator[Table]:
    """Measure the time of one core that a frame takes around a device that is free of cost."""
    runs = {name: _Run(settings, *formats) for name, formats in PAIRS.items()}
    try:
        results = measure_interleaved(
            {name: _core_time(run, settings.frames) for name, run in runs.items()}, settings.rounds
        )
    finally:
        for run in runs.values():
            run.close()

    def row(name: str) -> tuple[str, ...]:
        up, down = runs[name].bytes_moved
        milliseconds = 1000 * results.median(name)
        lowest, highest = (1000 * value for value in results.range(name))
        most = MOST if name == TARGET and settings.pixels <= 720 * 480 else None
        return (
            name,
            f"{milliseconds:.2f}",
            f"{lowest:.2f} to {highest:.2f}",
            f"{up / 1e6:.2f}",
            f"{down / 1e6:.2f}",
            verdict(milliseconds, at_most=most, unit=" ms"),
        )

    columns = ("", "ms of a core", "lowest to highest", "MB up", "MB down", "target")
    note = f"For each frame of {settings.size}, in order. Device and network cost nothing here."
    yield Table("Transfers to and from a GPU", columns, [*map(row, PAIRS)], note)


def _core_time(run: _Run, count: int) -> Measure:
    """Return a measurement of the seconds of this thread per frame. Other programs do not count."""

    def measure() -> float:
        start = time.thread_time()
        run.process(count)
        return (time.thread_time() - start) / count

    return measure


class _Run:
    """A pipeline that processes a clip in order."""

    def __init__(self, settings: Settings, source: PixelFormat, result: PixelFormat) -> None:
        width, height = settings.width, settings.height
        target = Target(result, BT709, SCALE * width, SCALE * height)
        self.bytes_moved = bytes_moved(width, height, source, target)
        self._pipeline = Pipeline(
            _FreeDevice(), FreeProgram(width, height), backend="free", graphs=True, source=source, target=target
        )
        self._planes = _make_planes(source, width, height)
        self._outputs = itertools.cycle([_make_planes(result, target.width, target.height) for _ in range(DEPTH)])
        self._number = 0

    def process(self, count: int) -> None:
        pending: deque[Ticket] = deque()
        for _ in range(count):
            if len(pending) == DEPTH:
                pending.popleft().wait(next(self._outputs))
            prev, cur, following = (Frame(self._number + each, self._planes, BT709) for each in range(3))
            ticket = self._pipeline.submit(prev, cur, following, output=True)
            assert ticket is not None
            pending.append(ticket)
            self._number += 1
        for ticket in pending:
            ticket.wait(next(self._outputs))

    def close(self) -> None:
        self._pipeline.close()


def _make_planes(format: PixelFormat, width: int, height: int) -> Planes:
    """Return planes in memory that has been used before, as that of VapourSynth's frames has."""
    data: NDArray[np.uint8] = np.full(format.bytes(width, height), 1, np.uint8)
    return format.views(data, width, height)


class _FreeDevice(Device):
    """A device whose work costs nothing, because it is not done."""

    def __init__(self) -> None:
        self._handles = itertools.count(1)

    def attached(self) -> AbstractContextManager[None]:
        return nullcontext()

    def free_memory(self) -> int:
        return 0

    def allocate(self, bytes: int) -> Buffer:
        return Buffer(next(self._handles), bytes)

    def allocate_pinned(self, bytes: int) -> PinnedBuffer:
        return PinnedBuffer(next(self._handles), np.zeros(bytes, np.uint8))

    def make_stream(self) -> Stream:
        return Stream(next(self._handles))

    def make_event(self) -> Event:
        return Event(next(self._handles))

    def upload(self, target: Buffer, source: PinnedBuffer, stream: Stream) -> None:
        pass

    def download(self, target: PinnedBuffer, source: Buffer, stream: Stream) -> None:
        pass

    def copy(self, target: Buffer, source: Buffer, stream: Stream) -> None:
        pass

    def zero(self, target: Buffer, stream: Stream) -> None:
        pass

    def record(self, event: Event, stream: Stream) -> None:
        pass

    def wait(self, stream: Stream, event: Event) -> None:
        pass

    def synchronise(self, event: Event) -> None:
        pass

    def load_kernels(self, source: str, names: Sequence[str]) -> tuple[Kernel, ...]:
        return tuple(Kernel(next(self._handles)) for _ in names)

    def run_kernel(
        self, kernel: Kernel, blocks: tuple[int, int, int], arguments: ctypes.Structure, stream: Stream
    ) -> None:
        pass

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        return Graph(next(self._handles))

    def launch(self, graph: Graph, stream: Stream) -> None:
        pass

    def destroy(self, graph: Graph) -> None:
        pass

    def close(self) -> None:
        pass


class FreeProgram(Program):
    """A network that costs nothing."""

    def __init__(self, width: int, height: int) -> None:
        self.tensors = step_tensors(width, height, "fp16")

    def bind(self, name: str, buffer: Buffer) -> None:
        pass

    def enqueue(self, stream: Stream) -> None:
        pass

    def capture_obstacle(self, stream: Stream) -> str:
        return ""

    def close(self) -> None:
        pass
