"""Speed of the GPU backends at several sizes, alone and in the whole filter."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from scripts.benchmarks.table import print_rows
from vsanimesr.backends import AUTO, availability
from vsanimesr.backends.base import SCALE, Frame, Planes, Ticket
from vsanimesr.backends.gpu.cuda import load_runtime
from vsanimesr.backends.gpu.pipeline import bytes_moved
from vsanimesr.errors import AnimeSRError
from vsanimesr.options import Options, Precision
from vsanimesr.session import Session

SIZES = ((720, 480), (640, 480), (1280, 720), (1920, 1080))
"""A DVD first: what people ask about."""
PRECISIONS: tuple[Precision, ...] = ("fp16", "bf16", "fp32")
SECONDS = 4.0
"""Time of a measurement."""
WARM_UP = 8
"""Frames before it: clocks rise, and the window fills."""
FLOP_PER_PIXEL = 2 * 1_127_232
"""Of the network, by pixel of the LR frame (docs/paper-and-release.md)."""
OPTIONS = {"torch": ((), ("compile=inductor",))}
"""Options to compare, by backend."""


@dataclass(frozen=True)
class Speed:
    """What a backend needed for its frames."""

    frames: int
    seconds: float
    submitting: float
    """Seconds of the host in `submit`."""
    waiting: float
    """Seconds of the host in `wait`, the copy to the caller's memory among them."""
    memory: float
    """GB of the device's memory."""

    def cells(self, pixels: int, peak: float | None) -> tuple[str, ...]:
        """Return the cells of a row.

        Args:
            pixels: of an LR frame.
            peak: operations per second of the card, or None if they are not known.
        """
        rate = self.frames / self.seconds
        share = "" if peak is None else f"{100 * rate * pixels * FLOP_PER_PIXEL / peak:.0f} %"
        submit, wait = (f"{1000 * seconds / self.frames:.2f}" for seconds in (self.submitting, self.waiting))
        return f"{rate:.1f}", f"{1000 / rate:.2f}", submit, wait, f"{self.memory:.2f}", share


def gpu_backends() -> list[str]:
    """Return the backends that find a GPU here, in the order in which `auto` tries them."""
    found = ((name, availability(name)) for name in AUTO)
    return [name for name, state in found if state.usable and state.gpu]


def report() -> None:
    """Print the tables."""
    backends = gpu_backends()
    peaks = {precision: measure_peak(precision) for precision in PRECISIONS} if "torch" in backends else {}
    for precision, peak in peaks.items():
        print(f"Largest matrix product, {precision}: {peak / 1e12:.0f} TFLOP/s.\n")
    for width, height in SIZES:
        up, down = (count / 1e6 for count in bytes_moved(width, height))
        print(f"A frame of {width}x{height} moves {up:.1f} MB up and {down:.1f} MB down.\n")
    head = ("backend alone", "frames/s", "ms a frame", "ms in submit", "ms in wait", "GB of memory", "share of peak")
    print_rows(head, _alone(backends, peaks))
    print()
    print_rows(("whole filter, YUV420P8 in, YUV420P10 out", "frames/s", "ms a frame"), measure_filters(backends))


def measure(options: Options, width: int, height: int, seconds: float = SECONDS) -> Speed:
    """Measure a backend alone on frames of noise.

    Raises:
        AnimeSRError: it cannot be opened, or fails at a step.
    """
    before = _memory_in_use()
    session = Session(options, width=width, height=height)
    generator = np.random.default_rng(0)
    pictures = [cast(Planes, tuple(generator.random((3, height, width), np.float32))) for _ in range(4)]
    red, green, blue = np.empty((3, SCALE * height, SCALE * width), np.float32)
    tickets: deque[Ticket] = deque()
    submitting = waiting = begin = 0.0
    count = -WARM_UP
    try:
        while count < 1 or time.perf_counter() - begin < seconds:
            if count == 0:
                submitting, waiting, begin = 0.0, 0.0, time.perf_counter()
            start = time.perf_counter()
            if len(tickets) == session.depth:
                tickets.popleft().wait((red, green, blue))
            waited = time.perf_counter()
            # Each frame has a number of its own, so each is uploaded once, as in a clip.
            window = (Frame(n, pictures[n % 4]) for n in range(count + WARM_UP, count + WARM_UP + 3))
            ticket = session.step(*window, reset=count == -WARM_UP, output=True)
            assert ticket is not None  # there is one with output=True
            tickets.append(ticket)
            waiting, submitting = waiting + waited - start, submitting + time.perf_counter() - waited
            count += 1
        while tickets:
            tickets.popleft().wait((red, green, blue))
        whole = time.perf_counter() - begin
        return Speed(count, whole, submitting, waiting, (_memory_in_use() - before) / 1e9)
    finally:
        session.close()


def measure_peak(precision: Precision) -> float:
    """Return operations per second of a large matrix product on the GPU with PyTorch."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    side = 8192 if precision != "fp32" else 4096
    left, right = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(4):
            left @ right
        torch.cuda.synchronize()
        best = max(best, 4 * 2 * side**3 / (time.perf_counter() - begin))
    return best


def _alone(backends: Sequence[str], peaks: dict[Precision, float]) -> Iterator[tuple[str, ...]]:
    for width, height in SIZES:
        for name in backends:
            for precision in PRECISIONS:
                for texts in OPTIONS.get(name, ((),)):
                    row = f"{name} {' '.join((precision, *texts))}, {width}x{height}"
                    options = Options(backend=name, precision=precision, backend_options=texts)
                    try:
                        speed = measure(options, width, height)
                    except AnimeSRError as error:
                        yield row, str(error), "", "", "", "", ""
                    else:
                        yield row, *speed.cells(width * height, peaks.get(precision))


def measure_filters(backends: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Measure the whole filter with each backend, and with one that computes nothing. Yield the rows."""
    try:
        import vapoursynth as vs
    except ImportError as error:
        yield f"not measured: {error}", "", ""
        return
    core, (width, height) = vs.core, SIZES[0]
    if not hasattr(core, "animesr"):
        yield "not measured: the plugin is not installed", "", ""
        return
    for name in ("null", *backends):
        source = core.std.BlankClip(None, width, height, vs.YUV420P8, 10_000, color=[80, 120, 130], keep=True)
        source = source.std.SetFrameProps(_Matrix=6, _Range=0)
        row = f"{name}, {width}x{height}"
        try:
            clip = core.animesr.Upscale(source, backend=name, scene_change="none", format=vs.YUV420P10)
            rate = _rate(clip.frames(close=True))
        except vs.Error as error:
            yield row, str(error), ""
        else:
            yield row, f"{rate:.1f}", f"{1000 / rate:.2f}"


def _rate(frames: Iterator[object]) -> float:
    """Return the frames per second of a clip."""
    for _ in range(WARM_UP):
        next(frames)
    count, begin = 0, time.perf_counter()
    while not count or time.perf_counter() - begin < SECONDS:
        next(frames)
        count += 1
    return count / (time.perf_counter() - begin)


def _memory_in_use() -> int:
    """Return the bytes of the first GPU that are in use; 0 if there is none."""
    try:
        error, free, total = load_runtime().cudaMemGetInfo()
    except AnimeSRError:
        return 0
    return 0 if int(error) else int(total - free)
