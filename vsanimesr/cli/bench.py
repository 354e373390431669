"""Measure how fast this machine is, and how long an episode takes.

The whole filter runs with its defaults on a drawn clip, with each backend that works here. It keeps to its time: what
does not fit is scaled from a smaller size, and marked. The table is printed on stdout.

Example:
  animesr bench
  animesr bench --size 720x576 --backend openvino --time 60 --json bench.json
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

from .. import machine
from ..backends import BACKENDS
from ..bench import plan, report
from ..bench.worker import ProcessWorker
from ..errors import BackendError, OptionError
from ..files import write_atomic
from ..options import Options
from ..outputs import check_output
from ..progress import Display
from ..weights.load import read_weights
from .sizes import parse_size

SIZES = [(640, 480), (720, 480), (1280, 720), (1920, 1080)]
EPISODE = (720, 480)
SHORTEST, LONGEST = 5, 86_400  # seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    sizes = ", ".join(f"{width}x{height}" for width, height in SIZES)
    parser.add_argument(
        "--size",
        nargs="+",
        type=parse_size,
        metavar="WxH",
        help=f"sizes of LR clips; the estimate is for the first (default: {sizes}; the estimate is for 720x480)",
    )
    parser.add_argument(
        "--backend",
        nargs="+",
        choices=BACKENDS,
        metavar="NAME",
        help=f"of {', '.join(BACKENDS)} (default: all but null)",
    )
    parser.add_argument(
        "--time", type=_parse_seconds, default=120, metavar="SECONDS", help="time for all measurements (default: 120)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file too, to share them")


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, and write the file."""
    file: Path | None = args.json
    if file:
        check_output(file, argument="--json")
    backends = args.backend or [name for name in BACKENDS if name != "null"]
    sizes = args.size or SIZES
    load = machine.load()
    print(f"{report.describe_machine(load)}\n", flush=True)
    if any(name != "null" for name in backends):
        _fetch_weights()
    progress = _Progress(args.time)
    try:
        bench = plan.Bench(
            sizes, backends, args.time, start=lambda name: ProcessWorker(name, progress.tick), say=progress.say
        )
        outcome = bench.run()
    finally:
        progress.clear()
    print(report.format_outcome(outcome, args.size[0] if args.size else EPISODE), flush=True)
    if file:
        _write(file, json.dumps(report.export(outcome, args.time, load), indent=2) + "\n")
    if not outcome.rows:
        raise BackendError("nothing could be measured, for the reasons above; `animesr doctor` tells more")
    return 0


def _fetch_weights() -> None:
    """Fetch the weights before the time starts."""
    read_weights(Options().model)


def _write(file: Path, text: str) -> None:
    try:
        write_atomic(file, text.encode())
    except OSError as error:
        raise OptionError(f"--json {file} cannot be written ({error.strerror or error}); use another path") from None


def _parse_seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not SHORTEST <= int(text[:9]) <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write {SHORTEST} to {LONGEST} seconds, such as 120")
    return int(text)


class _Progress:
    """What is measured, and the time that is left at most: one line of a terminal, or a line for each measurement."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._display = Display(interval=math.inf)
        self._what = ""

    def say(self, what: str) -> None:
        """Say what is measured now."""
        self._what = what
        self._display.show(self._line, at_once=True)

    def tick(self) -> None:
        """Update the time on a terminal."""
        self._display.show(self._line)

    def clear(self) -> None:
        """Remove the line from a terminal."""
        self._display.clear()

    def _line(self) -> str:
        minutes, seconds = divmod(max(0, round(self._end - time.monotonic())), 60)
        return f"measuring {self._what}; at most {minutes}:{seconds:02} left"
