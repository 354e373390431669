"""Speed of the GPU backends at several sizes, alone and in the whole filter."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.table import print_rows
from vsanimesr.backends import AUTO, availability
from vsanimesr.backends.base import Frame, Planes, Ticket
from vsanimesr.backends.gpu.cuda import OLDEST_CUDA_OF_TORCH, load_runtime
from vsanimesr.backends.gpu.host_time import BT709, YUV420P8, YUV420P10, usual_target
from vsanimesr.backends.gpu.pipeline import bytes_moved
from vsanimesr.errors import AnimeSRError
from vsanimesr.network.tensors import WINDOW
from vsanimesr.options import Options, Precision
from vsanimesr.pixels import RGBS, PixelFormat
from vsanimesr.session import Session

SIZES = ((720, 480), (640, 480), (1280, 720), (1920, 1080))
"""A DVD first: what people ask about."""
PRECISIONS: tuple[Precision, ...] = ("fp16", "bf16", "fp32")
EIGHT_BITS: tuple[Precision, ...] = ("int8", "fp8")
SECONDS = 4.0
"""Time of a measurement."""
WARM_UP = 8
"""Frames before it: clocks rise, and the window fills."""
FLOP_PER_PIXEL = 2 * 1_127_232
"""Of the network, by pixel of the LR frame (docs/paper-and-release.md)."""
OPTIONS = {"torch": (("compile=inductor",),)}
"""Options to compare with none, by backend."""
USUAL, PLAIN = "YUV420P8 to YUV420P10", "RGBS"
FORMATS = {USUAL: (YUV420P8, YUV420P10), PLAIN: (RGBS, RGBS)}
"""Formats of source and result. The second takes no conversion."""
UPLOADS = {"onnxruntime": len(WINDOW)}
"""How often a source frame is uploaded, if more than once, by backend."""


@dataclass(frozen=True)
class Speed:
    """What a backend needed for its frames."""

    formats: str
    """Of `FORMATS`: those that the backend took."""
    moved: tuple[int, int]
    """Bytes up and down for each frame."""
    frames: int
    seconds: float
    submitting: float
    """Seconds of the host in `submit`."""
    waiting: float
    """Seconds of the host in `wait`, the copy to the caller's memory among them."""
    working: float
    """Seconds of both in which the host's core was in use."""
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
        parts = (self.submitting, self.waiting, self.working)
        host = (f"{1000 * seconds / self.frames:.2f}" for seconds in parts)
        moved = (f"{count / 1e6:.1f}" for count in self.moved)
        return self.formats, f"{rate:.1f}", f"{1000 / rate:.2f}", *host, *moved, f"{self.memory:.2f}", share


HEAD = (
    "backend alone",
    "formats",
    "frames/s",
    "ms a frame",
    "ms in submit",
    "ms in wait",
    "ms of a core",
    "MB up",
    "MB down",
    "GB of memory",
    "share of peak",
)


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
    # What is asked for most comes first: the section ends when its time is over.
    print_rows(("whole filter", "formats", "frames/s", "ms a frame", "ms of all cores"), measure_filters(backends))
    print()
    print_rows(HEAD, _alone(backends, peaks))


def measure(options: Options, width: int, height: int, formats: str = USUAL, seconds: float = SECONDS) -> Speed:
    """Measure a backend alone on frames of noise.

    Args:
        formats: of `FORMATS`. A backend that cannot convert frames takes those in RGBS.

    Raises:
        AnimeSRError: it cannot be opened, or fails at a step.
    """
    gc.collect()  # what was measured before may still hold memory
    before = _memory_in_use()
    source, target = FORMATS[formats]
    session = Session(options, width=width, height=height, source=source, target=usual_target(width, height, target))
    pictures = [_make_noise(session.source, width, height, seed) for seed in range(4)]
    result = session.target
    out = result.format.blank(result.width, result.height)
    colours = BT709 if session.own_formats else None
    tickets: deque[Ticket] = deque()
    submitting = waiting = begin = core = 0.0
    count = -WARM_UP
    try:
        while count < 1 or time.perf_counter() - begin < seconds:
            if count == 0:
                submitting, waiting, begin, core = 0.0, 0.0, time.perf_counter(), time.thread_time()
            start = time.perf_counter()
            if len(tickets) == session.depth:
                tickets.popleft().wait(out)
            waited = time.perf_counter()
            # Each frame has a number of its own, so each is uploaded once, as in a clip.
            window = (Frame(n, pictures[n % 4], colours) for n in range(count + WARM_UP, count + WARM_UP + 3))
            ticket = session.step(*window, reset=count == -WARM_UP, output=True)
            assert ticket is not None  # there is one with output=True
            tickets.append(ticket)
            waiting, submitting = waiting + waited - start, submitting + time.perf_counter() - waited
            count += 1
        while tickets:
            tickets.popleft().wait(out)
        whole, working = time.perf_counter() - begin, time.thread_time() - core
        up, down = bytes_moved(width, height, session.source, result)
        moved = (up * UPLOADS.get(options.backend, 1), down)
        memory = (_memory_in_use() - before) / 1e9
        taken = formats if session.own_formats else PLAIN
        return Speed(taken, moved, count, whole, submitting, waiting, working, memory)
    finally:
        session.close()


def _make_noise(format: PixelFormat, width: int, height: int, seed: int) -> Planes:
    random = np.random.default_rng(seed)
    count = format.bytes(width, height)
    data: NDArray[np.uint8] = (
        random.integers(0, 256, count, np.uint8)
        if format.sample == "integer"
        else random.random(count // 4, np.float32).view(np.uint8)
    )
    return format.views(data, width, height)


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
    for (width, height), name, precision, texts, formats in _variants(backends):
        row = f"{name} {' '.join((precision, *texts))}, {width}x{height}"
        options = Options(backend=name, precision=precision, backend_options=texts)
        try:
            speed = measure(options, width, height, formats)
        except AnimeSRError as error:
            yield row, formats, str(error), *[""] * (len(HEAD) - 3)
        else:
            yield row, *speed.cells(width * height, peaks.get(precision))


def _variants(backends: Sequence[str]) -> Iterator[tuple[tuple[int, int], str, Precision, tuple[str, ...], str]]:
    """Yield what is compared: every size and precision in the usual formats, then what takes long to open.

    At the first size, also RGBS, and 8 bits where TensorRT computes them. A card that does not gives its reason in the
    row.
    """
    for size in SIZES:
        for name in backends:
            eight = EIGHT_BITS if name.startswith("tensorrt") and size == SIZES[0] else ()
            for precision in (*PRECISIONS, *eight):
                yield size, name, precision, (), USUAL
            if size == SIZES[0]:
                yield size, name, PRECISIONS[0], (), PLAIN
    for size in SIZES:
        for name in backends:
            for texts in OPTIONS.get(name, ()):
                for precision in PRECISIONS:
                    yield size, name, precision, texts, USUAL


def measure_filters(backends: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Measure the whole filter with each backend, and with one that computes nothing. Yield the rows."""
    try:
        import vapoursynth as vs
    except ImportError as error:
        yield f"not measured: {error}", *[""] * 4
        return
    core, (width, height) = vs.core, SIZES[0]
    if not hasattr(core, "animesr"):
        yield "not measured: the plugin is not installed", *[""] * 4
        return
    ids = {USUAL: (vs.YUV420P8, vs.YUV420P10), PLAIN: (vs.RGBS, vs.RGBS)}
    for name in ("null", *backends):
        for formats, (before, after) in ids.items():
            source = core.std.BlankClip(None, width, height, before, 10_000, keep=True)
            if formats == USUAL:
                source = source.std.SetFrameProps(_Matrix=1, _Range=0)
            row = f"{name}, {width}x{height}"
            try:
                clip = core.animesr.Upscale(source, backend=name, scene_change="none", format=after)
                rate, busy = _rate(clip.frames(close=True))
            except vs.Error as error:
                yield row, formats, str(error), "", ""
            else:
                yield row, formats, f"{rate:.1f}", f"{1000 / rate:.2f}", f"{1000 * busy:.2f}"


def _rate(frames: Iterator[object]) -> tuple[float, float]:
    """Return the frames per second of a clip, and the seconds of all cores for each."""
    for _ in range(WARM_UP):
        next(frames)
    count, begin, busy = 0, time.perf_counter(), time.process_time()
    while not count or time.perf_counter() - begin < SECONDS:
        next(frames)
        count += 1
    return count / (time.perf_counter() - begin), (time.process_time() - busy) / count


def _memory_in_use() -> int:
    """Return the bytes of the first GPU that are in use; 0 if there is none."""
    try:
        error, free, total = load_runtime(OLDEST_CUDA_OF_TORCH).cudaMemGetInfo()
    except AnimeSRError:
        return 0
    return 0 if int(error) else int(total - free)
