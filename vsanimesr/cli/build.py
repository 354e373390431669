"""Build engines for NVIDIA GPUs ahead of time; with TensorRT-RTX on any machine."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import cast

from .. import cache
from ..engine_options import TensorRTRTXOptions, parse
from ..engines import tensorrt_build as builder
from ..engines.cuda import Gpu, find_gpu, load_runtime
from ..errors import EngineError, OptionError
from ..files import write_whole
from ..options import MODEL_NAMES
from ..quiet import stdout_to_stderr
from ..weights import WeightsFile, read_weights
from .sizes import size

ENGINES = ("tensorrt_rtx", "tensorrt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--model", default="v2", help=f"{', '.join(MODEL_NAMES)} or a weights file (default: v2)")
    parser.add_argument(
        "--size",
        nargs="+",
        type=size,
        default=[],
        metavar="WxH",
        help="sizes of the clips to enlarge, an engine for each; without it one engine for any size",
    )
    parser.add_argument("--precision", choices=("fp16", "bf16", "fp32"), default="fp16", help="default: fp16")
    parser.add_argument(
        "--gpu",
        default="all",
        metavar="LIST",
        help="compute capabilities, such as sm75,sm89; 'all' (default) for one engine that runs on each of them; or "
        "'current', the GPU of this machine. For tensorrt_rtx: tensorrt builds for the GPU of this machine",
    )
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help=f"default: {ENGINES[0]}")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="as in engine_options")
    parser.add_argument(
        "-o",
        dest="output",
        type=Path,
        metavar="FILE",
        help="write there rather than to the cache of this user; a folder, for several. Where ANIMESR_ENGINES names "
        "the folder of such files, they are used",
    )


def run(args: argparse.Namespace) -> int:
    """Build, as `args` say."""
    if args.output and len(args.size) > 1 and not args.output.is_dir():
        raise OptionError(f"-o {args.output} is not a folder; name one that exists, for the {len(args.size)} engines")
    targets = _targets(args)
    builder.package(args.engine)
    options = parse(args.engine, args.option)
    weights = read_weights(args.model)
    for each in args.size or [None]:
        _build(args, each, targets, cast(TensorRTRTXOptions, options), weights)
    return 0


def _build(
    args: argparse.Namespace,
    size: tuple[int, int] | None,
    targets: tuple[str, ...],
    options: TensorRTRTXOptions,
    weights: WeightsFile,
) -> None:
    request = builder.BuildRequest(
        engine=args.engine,
        size=size,
        precision=builder.resolve(args.precision),
        targets=targets,
        options=options,
    )
    key = builder.key_of(request, weights, gpu=_gpu().identity if args.engine == "tensorrt" else "")
    what = f"{Path(weights.name).stem}, {'any size' if size is None else '{}x{}'.format(*size)}, {request.precision}"
    started = time.monotonic()
    if args.output is None and (path := cache.find(key)):
        print(f"{what}: is here already", file=sys.stderr)
        print(path)
        return
    with _interruptible() as go_on, stdout_to_stderr():
        bar = _Bar(what)
        try:
            data = builder.build(request, weights, lambda done, phase: bar.show(done, phase) and go_on())
        except builder.BuildCancelled:
            raise KeyboardInterrupt from None
        finally:
            bar.clear()
    path = _written(args.output, key, data)
    runs_on = ", ".join(request.targets) or "the GPU of this machine"
    seconds = time.monotonic() - started
    how = '; used with engine_options=["shapes=dynamic"]' if size is None else ""
    print(f"{what}: {len(data) / 1e6:.1f} MB in {seconds:.1f} s, runs on {runs_on}{how}", file=sys.stderr)
    print(path)


def _targets(args: argparse.Namespace) -> tuple[str, ...]:
    if args.engine == "tensorrt":
        if args.gpu not in {"all", "current"}:
            raise OptionError(f"--gpu {args.gpu} is for tensorrt_rtx; tensorrt builds for the GPU of this machine")
        return ()
    texts = () if args.gpu == "all" else (_gpu().target,) if args.gpu == "current" else tuple(args.gpu.split(","))
    return builder.targets_of(texts, args.precision)


def _gpu() -> Gpu:
    return find_gpu(load_runtime(), 0)


def _written(output: Path | None, key: cache.Key, data: bytes) -> Path:
    place = cache.path_of(key)
    try:
        if output is None:
            return cache.store(key, data)
        place = output / place.name if output.is_dir() else output
        write_whole(place, cache.packed(key, data))
    except OSError as error:
        raise EngineError(
            f"{place} cannot be written ({error.strerror or error}); name another place with -o, or with ANIMESR_CACHE"
        ) from error
    return place


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C is noted rather than raised: it may come while TensorRT calls us, which takes no exception."""
    pressed: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        pressed.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: not pressed
    finally:
        signal.signal(signal.SIGINT, before)


class _Bar:
    """How far a build is, in one line on a terminal; nothing elsewhere, where it would be a line for each step."""

    WIDTH = 30

    def __init__(self, what: str) -> None:
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._shown = -1

    def show(self, done: float, phase: str) -> bool:
        percent = round(100 * done)
        if self._terminal and percent != self._shown:
            self._shown = percent
            filled = round(done * self.WIDTH)
            bar = "#" * filled + "." * (self.WIDTH - filled)
            print(f"\r{self._what} [{bar}] {percent:3} % {phase[:30]:30}", end="", file=sys.stderr, flush=True)
        return True

    def clear(self) -> None:
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
