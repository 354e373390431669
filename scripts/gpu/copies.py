"""Speed of copies between host and device, and time of a step whose program does nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from scripts.benchmarks.table import format_rows
from scripts.benchmarks.transfers import FreeProgram
from vsanimesr.backends.base import SCALE, Frame, Planes
from vsanimesr.backends.gpu.cuda import CudaDevice, load_runtime
from vsanimesr.backends.gpu.device import Device
from vsanimesr.backends.gpu.pipeline import Pipeline

MEGABYTES = (4, 11, 59, 177)
"""About a source frame of 640x480 and of 1280x720, and their SR frames, in float32."""
SECONDS = 0.5
"""Time of a measurement."""
SIZES = ((640, 480), (1280, 720))
STEPS = 30


def report() -> None:
    """Print the tables."""
    cudart = load_runtime()
    device = CudaDevice(0, cudart)
    with device.attached():
        rows = [(f"{size} MB", *measure_copies(device, size * 10**6, SECONDS)) for size in MEGABYTES]
    device.close()
    print(format_rows(("pinned memory", "up, GB/s", "down, GB/s", "both at once, GB/s"), rows))
    print()
    steps = [
        (f"{width}x{height}", *measure_steps(CudaDevice(0, cudart), width, height, STEPS)) for width, height in SIZES
    ]
    print(format_rows(("a step of an empty program", "ms a frame", "ms in submit", "ms in wait"), steps))


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


def measure_steps(device: Device, width: int, height: int, steps: int) -> tuple[str, str, str]:
    """Return milliseconds of a frame, and of that the host's in `submit` and in `wait`, with an empty program.

    It closes the device.
    """
    pipeline = Pipeline(device, FreeProgram(width, height), backend="empty", graphs=False)
    frames = [_frame(n, width, height) for n in range(steps + 1)]
    red, green, blue = np.empty((3, SCALE * height, SCALE * width), np.float32)
    out: Planes = (red, green, blue)
    submitting = waiting = 0.0
    begin = time.perf_counter()
    for n in range(steps):
        before = time.perf_counter()
        ticket = pipeline.submit(frames[max(n - 1, 0)], frames[n], frames[n + 1], output=True)
        between = time.perf_counter()
        assert ticket is not None  # there is one with output=True
        ticket.wait(out)
        submitting, waiting = submitting + between - before, waiting + time.perf_counter() - between
    whole = time.perf_counter() - begin
    pipeline.close()
    whole_ms, submit_ms, wait_ms = (f"{1000 * seconds / steps:.2f}" for seconds in (whole, submitting, waiting))
    return whole_ms, submit_ms, wait_ms


def _frame(number: int, width: int, height: int) -> Frame:
    red, green, blue = np.full((3, height, width), 0.5, np.float32)
    return Frame(number, (red, green, blue))
