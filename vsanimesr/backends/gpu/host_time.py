"""What a frame costs the host on its way to a GPU and back, measured without one: device and network cost nothing here.

What is left is the pipeline's own work, and the copies between the caller's planes and the memory that a GPU reads and
writes.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Self

import numpy as np

from ...network.shapes import SCALE
from ...network.tensors import step_tensors
from ...pixels import Colours, PixelFormat, Target
from ..base import Frame, Ticket
from .device import Buffer, Device, Event, Graph, Kernel, PinnedBuffer, Program, Stream
from .pipeline import DEPTH, Pipeline

BT709 = Colours(1, False, 0)
YUV420P8, YUV420P10 = (PixelFormat("yuv", "integer", bits, (1, 1)) for bits in (8, 10))
"""The usual formats of a clip and of its result."""

MOST_PIXELS = 720 * 576
"""Largest LR frame that is measured, since a large one would take much memory. Its time follows from its pixels."""
SECONDS = 0.2
"""Time of a measurement."""
WRITTEN = 1
"""Value of all bytes. Memory that has never been written is one page of zeros, which is quick to read."""


def usual_target(width: int, height: int, format: PixelFormat = YUV420P10) -> Target:
    """Return the target for LR frames of a size: four times as large, as in the filter without other arguments."""
    return Target(format, BT709, SCALE * width, SCALE * height)


def measure_host_time(width: int, height: int, source: PixelFormat, target: PixelFormat) -> float:
    """Return the seconds of one core that the host takes for a frame of a size."""
    shrink = min(1.0, math.sqrt(MOST_PIXELS / (width * height)))
    measured = _even(width * shrink), _even(height * shrink)
    with FreeRun(*measured, source, target) as run:
        run.process(2 * DEPTH)
        seconds = frames = 0.0
        while seconds < SECONDS:
            seconds += run.process(DEPTH)
            frames += DEPTH
    return seconds / frames * (width * height) / math.prod(measured)


def _even(side: float) -> int:
    return max(2, int(side) // 2 * 2)


class FreeRun:
    """A pipeline that processes a clip in order."""

    def __init__(self, width: int, height: int, source: PixelFormat, target: PixelFormat) -> None:
        result = usual_target(width, height, target)
        self._pipeline = Pipeline(
            FreeDevice(), FreeProgram(width, height), backend="free", graphs=True, source=source, target=result
        )
        self._planes = source.blank(width, height, WRITTEN)
        self._outputs = itertools.cycle([target.blank(result.width, result.height, WRITTEN) for _ in range(DEPTH)])
        self._number = 0

    def process(self, count: int) -> float:
        """Process frames, and return the seconds of this thread. Other programs do not count."""
        start = time.thread_time()
        pending: deque[Ticket] = deque()
        for _ in range(count):
            if len(pending) == DEPTH:
                pending.popleft().wait(next(self._outputs))
            prev, cur, following = (Frame(self._number + each, self._planes, BT709) for each in range(3))
            ticket = self._pipeline.submit(prev, cur, following, output=True)
            assert ticket is not None  # there is one with output=True
            pending.append(ticket)
            self._number += 1
        for ticket in pending:
            ticket.wait(next(self._outputs))
        return time.thread_time() - start

    def close(self) -> None:
        self._pipeline.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FreeDevice(Device):
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
        return PinnedBuffer(next(self._handles), np.full(bytes, WRITTEN, np.uint8))

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
