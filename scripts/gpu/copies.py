"""Speed of copies between host and device, and time of a step whose program does nothing, in the formats of frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

from scripts.benchmarks.table import format_rows, print_rows
from vsanimesr.backends.base import Frame
from vsanimesr.backends.gpu.cuda import OLDEST_CUDA_OF_TORCH, CudaDevice, load_runtime
from vsanimesr.backends.gpu.device import Device
from vsanimesr.backends.gpu.host_time import BT709, FreeProgram, usual_target
from vsanimesr.backends.gpu.pipeline import Pipeline
from vsanimesr.errors import AnimeSRError, NotFiniteError
from vsanimesr.pixels import RGBS, PixelFormat

from .speed import FORMATS

MEGABYTES = (1, 4, 17, 59, 177)
"""About a source frame of 720x480 in 8 bits and in float32, its SR frame in 10 bits and in float32, and that of
1280x720 in float32."""
SECONDS = 0.5
"""Time of a measurement."""
SIZES = ((640, 480), (1280, 720))
STEPS = 30


def report() -> None:
    """Print the tables."""
    cudart = load_runtime(OLDEST_CUDA_OF_TORCH)
    device = CudaDevice(0, cudart)
    with device.attached():
        rows = [(f"{size} MB", *measure_copies(device, size * 10**6, SECONDS)) for size in MEGABYTES]
    device.close()
    print(format_rows(("pinned memory", "up, GB/s", "down, GB/s", "both at once, GB/s"), rows))
    print()
    head = ("a step of an empty program", "formats", "ms a frame", "ms in submit", "ms in wait", "ms of a core")
    print_rows(head, _steps(cudart))


def _steps(cudart: Any) -> Iterator[tuple[str, ...]]:
    for width, height in SIZES:
        for name, (source, target) in FORMATS.items():
            row = f"{width}x{height}", name
            try:
                yield *row, *measure_steps(CudaDevice(0, cudart), width, height, STEPS, source, target)
            except AnimeSRError as error:
                yield *row, str(error), "", "", ""


def measure_copies(device: Device, size: int, seconds: float) -> tuple[str, str, str]:
    """Return GB/s of copies of `size` bytes up, down, and both ways at once. The device is attached."""
    above, below = device.allocate(size), device.allocate(size)
    source, target = device.allocate_pinned(size), device.allocate_pinned(size)
    source.data[:] = 1
    up, down = device.make_stream(), device.make_stream()
    events = device.make_event(), device.make_event()

    def synchronise() -> None:
        for event, stream in zip(events, (up, down), strict=True):
            device.record(event, stream)
            device.synchronise(event)

    def rate(copies: list[Callable[[], None]]) -> str:
        copied, begin = 0, time.perf_counter()
        while not copied or time.perf_counter() - begin < seconds:
            for copy in copies:
                copy()
                copied += size
            synchronise()
        return f"{copied / (time.perf_counter() - begin) / 1e9:.1f}"

    def upload() -> None:
        device.upload(above, source, up)

    def download() -> None:
        device.download(target, below, down)

    device.zero(below, down)
    synchronise()
    for copy in (upload, download):  # the first copy of a buffer is slower
        copy()
    synchronise()
    return rate([upload]), rate([download]), rate([upload, download])


def measure_steps(
    device: Device, width: int, height: int, steps: int, source: PixelFormat = RGBS, target: PixelFormat = RGBS
) -> tuple[str, ...]:
    """Measure the steps of an empty program, one after the other. It closes the device.

    Returns:
        Milliseconds of a frame; of that in `submit` and in `wait`; and those in which the host's core was in use.

    Raises:
        AnimeSRError: the device cannot convert frames of these formats.
    """
    program, result = FreeProgram(width, height), usual_target(width, height, target)
    pipeline = Pipeline(device, program, backend="empty", graphs=False, source=source, target=result)
    planes, out = source.blank(width, height), target.blank(result.width, result.height)
    frames = [Frame(n, planes, BT709) for n in range(steps + 1)]
    submitting = waiting = 0.0
    with closing(pipeline):
        begin, core = time.perf_counter(), time.thread_time()
        for n in range(steps):
            before = time.perf_counter()
            ticket = pipeline.submit(frames[max(n - 1, 0)], frames[n], frames[n + 1], output=True)
            between = time.perf_counter()
            assert ticket is not None  # there is one with output=True
            with suppress(NotFiniteError):  # an empty program writes no SR frame: it holds anything
                ticket.wait(out)
            submitting, waiting = submitting + between - before, waiting + time.perf_counter() - between
        whole, working = time.perf_counter() - begin, time.thread_time() - core
    return tuple(f"{1000 * seconds / steps:.2f}" for seconds in (whole, submitting, waiting, working))
