"""Build engines for NVIDIA GPUs ahead of time.

TensorRT-RTX builds on any machine, even without a GPU. The engine goes into the cache, where Upscale finds it, or into
a file (-o). The path is printed on stdout.

Example:
  animesr build --size 640x480 720x480
"""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import cast, get_args

from .. import cache
from ..backends import parse_options
from ..backends.gpu import tensorrt_build as builder
from ..backends.gpu.cuda import Gpu, find_gpu, load_runtime
from ..backends.gpu.plan import inspect_plan, read_plan
from ..backends.gpu.runtimes import OLDEST_GPU, import_package, refusal, select_targets
from ..backends.gpu.tensorrt import load_engine
from ..errors import BackendError, OptionError
from ..files import replace, write_atomic
from ..network.colour import Colour
from ..network.tensors import step_tensors
from ..options import Options
from ..progress import REMOVE_LINE, is_terminal
from ..quiet import stdout_to_stderr
from ..weights.load import WeightsFile, read_weights
from ..weights.release import MODEL_NAMES
from .sizes import parse_size

BACKENDS = ("tensorrt_rtx", "tensorrt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--model", default="v2", help=f"{', '.join(MODEL_NAMES)} or a weights file (default: v2)")
    parser.add_argument(
        "--size",
        nargs="+",
        type=parse_size,
        default=[],
        metavar="WxH",
        help="sizes of LR clips, with one engine for each (default: one engine for any size)",
    )
    parser.add_argument("--precision", choices=tuple(OLDEST_GPU), default="fp16", help="default: fp16")
    parser.add_argument(
        "--colour",
        choices=get_args(Colour.__value__),
        default=Options.colour,
        help=f"as in Upscale (default: {Options.colour})",
    )
    parser.add_argument(
        "--gpu",
        default="all",
        metavar="LIST",
        help="for tensorrt_rtx: compute capabilities such as sm86,sm89; 'all' (default) for one engine that runs on "
        "all of them from Ampere on (Turing has its own: sm75); or 'current' for the GPU of this machine. tensorrt "
        "always builds for the GPU of this machine",
    )
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0], help=f"default: {BACKENDS[0]}")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="an option as in backend_options"
    )
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="FILE",
        help="write to this file instead of the cache; for several engines, to this folder. Upscale reads engines from "
        "the folder that the environment variable ANIMESR_ENGINES names",
    )
    parser.add_argument("--report", action="store_true", help="print kernels, layouts and memory of each engine too")


def run(args: argparse.Namespace) -> int:
    """Build an engine for each size."""
    paths = build_engines(
        args.model,
        args.size,
        precision=args.precision,
        colour=args.colour,
        gpu=args.gpu,
        backend=args.backend,
        options=args.option,
        output=args.output,
        report=args.report,
    )
    for path in paths:
        print(path)
    return 0


def build_engines(
    model: str,
    sizes: Sequence[tuple[int, int]] = (),
    *,
    precision: str = "fp16",
    colour: Colour = Options.colour,
    gpu: str = "all",
    backend: str = BACKENDS[0],
    options: Sequence[str] = (),
    output: Path | None = None,
    report: bool = False,
) -> Iterator[Path]:
    """Build engines, and yield the path of each when it is built. The arguments are those of the command.

    Args:
        model: name of released weights, or path of a weights file.
        sizes: width and height of LR frames, with one engine for each; none for one engine for any size.
        options: texts `name=value`, as in `backend_options`.
        output: file or folder to write to; None for the cache.
        report: whether to print what each engine is made of.

    Raises:
        AnimeSRError: an argument or the weights cannot be used, or an engine cannot be built or written.
        KeyboardInterrupt: a build was cancelled.
    """
    if output and not _is_folder(output) and len(sizes) > 1:
        raise OptionError(f"-o {output} is not a folder; use an existing folder for {len(sizes)} engines")
    targets = _select_targets(backend, gpu, precision)
    import_package(backend)
    if backend == "tensorrt" and (reason := refusal(backend, _gpu(), builder.resolve_precision(precision))):
        raise BackendError(reason)
    parsed = cast(builder.TensorRTRTXOptions, parse_options(backend, options))
    weights = read_weights(model)
    for size in sizes or (None,):
        request = builder.BuildRequest(
            backend=backend,
            size=size,
            precision=builder.resolve_precision(precision),
            colour=colour,
            targets=targets,
            options=parsed,
        )
        yield _build(request, weights, output, report)


def _build(request: builder.BuildRequest, weights: WeightsFile, output: Path | None, report: bool) -> Path:
    key = builder.engine_key(request, weights, gpu=_gpu().identity if request.backend == "tensorrt" else "")
    size = "any size" if request.size is None else "{}x{}".format(*request.size)
    what = f"{Path(weights.name).stem}, {size}, {request.precision}"
    started = time.monotonic()
    if output is None and (found := cache.find(key)):
        path, engine = found
        print(f"{what}: exists already", file=sys.stderr)
        if report:
            _report(request.backend, engine)
        return path
    with _interruptible() as go_on, stdout_to_stderr():
        bar = _Bar(what)
        try:
            data = builder.build(request, weights, lambda done, phase: bar.show(done, phase) and go_on())
        except builder.BuildCancelled:
            raise KeyboardInterrupt from None
        finally:
            bar.clear()
    path = _write(output, key, data)
    runs_on = ", ".join(request.targets) or "the GPU of this machine"
    seconds = time.monotonic() - started
    how = '; used with backend_options=["shapes=dynamic"]' if request.size is None else ""
    print(f"{what}: {len(data) / 1e6:.1f} MB in {seconds:.1f} s, runs on {runs_on}{how}", file=sys.stderr)
    if report:
        _report(request.backend, memoryview(data))
    return path


def _report(backend: str, engine: memoryview) -> None:
    """Print what an engine is made of."""
    names = tuple(step_tensors(1, 1, "fp32"))
    if backend == "tensorrt":
        trt = import_package(backend)
        loaded = load_engine(trt, builder.make_logger(trt), engine)
        plan = inspect_plan(trt, loaded.engine, names)
    else:
        plan = read_plan(bytes(engine), names)
    lines = str(plan) if plan else f"this version of {backend} writes plans that cannot be read here"
    print(textwrap.indent(lines, "  "), file=sys.stderr)


def _select_targets(backend: str, gpu: str, precision: str) -> tuple[str, ...]:
    if backend == "tensorrt":
        if gpu not in {"all", "current"}:
            raise OptionError(f"--gpu {gpu} is for tensorrt_rtx; tensorrt builds for the GPU of this machine")
        return ()
    texts = () if gpu == "all" else (_gpu().target,) if gpu == "current" else tuple(gpu.split(","))
    return select_targets(texts, builder.resolve_precision(precision))


def _gpu() -> Gpu:
    return find_gpu(load_runtime(), 0)


def _write(output: Path | None, key: cache.Key, data: bytes) -> Path:
    place = cache.entry_path(key)
    try:
        if output is None:
            return cache.store(key, data)
        place = output / place.name if _is_folder(output) else output
        # Another run may write the same file: each has a temporary folder of its own.
        with TemporaryDirectory(prefix=".animesr-", dir=place.parent) as folder:
            part = Path(folder, place.name)
            write_atomic(part, cache.pack(key, data))
            replace(part, place)
    except OSError as error:
        raise BackendError(
            f"{place} cannot be written ({error.strerror or error}); use another path for -o or ANIMESR_CACHE"
        ) from error
    return place


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise BackendError(f"-o {path} cannot be used ({error.strerror or error}); use another path") from error


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Record Ctrl-C instead of raising KeyboardInterrupt, and yield a function that is false after it.

    It may arrive during a callback from TensorRT, which must not raise.
    """
    pressed: list[int] = []

    def record(number: int, _frame: FrameType | None) -> None:
        pressed.append(number)

    before = signal.signal(signal.SIGINT, record)
    try:
        yield lambda: not pressed
    finally:
        signal.signal(signal.SIGINT, before)


class _Bar:
    """Progress of a build, in one line of a terminal. Prints nothing elsewhere, where each step would add a line."""

    WIDTH = 30

    def __init__(self, what: str) -> None:
        self._what = what
        self._terminal = is_terminal()
        self._percent = -1

    def show(self, done: float, phase: str) -> bool:
        percent = round(100 * done)
        if self._terminal and percent != self._percent:
            self._percent = percent
            filled = round(done * self.WIDTH)
            bar = "#" * filled + "." * (self.WIDTH - filled)
            print(f"\r{self._what} [{bar}] {percent:3} % {phase[:30]:30}", end="", file=sys.stderr, flush=True)
        return True

    def clear(self) -> None:
        if self._terminal:
            print(REMOVE_LINE, end="", file=sys.stderr, flush=True)
