"""Measure how fast this machine trains, and how long the presets take.

Clips are read and degraded, and training steps run, each for a part of the time. A step that takes too long is replaced
by a smaller one and scaled by its pixels, which is marked with ~; small steps are slower for their size. The table is
printed on stdout. What differs from the presets is set by name=value, as for training.

Example:
  python -m trainer bench
  python -m trainer bench --data clips batch=16 precision=bf16 channels_last=true
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import torch

from ..bench.data import DRAWN_SIZE, draw_clip
from ..bench.plan import run_bench
from ..bench.report import describe_machine, format_outcome

_log = logging.getLogger(__name__)

SHORTEST = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="settings that differ from the presets")
    parser.add_argument("--data", metavar="FOLDER", help="folder of HQ clips (default: a clip that is drawn)")
    parser.add_argument(
        "--seconds", type=_parse_seconds, default=60, metavar="N", help="time for all measurements (default: 60)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print the tables."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{describe_machine(device)}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = args.data
        if not data:
            _log.info("drawing a clip of %dx%d; --data FOLDER reads yours", *DRAWN_SIZE)
            draw_clip(Path(folder))
            data = str(Path(folder) / "clips")
        print(format_outcome(run_bench(data, args.assignments, args.seconds, lambda what: _log.info("%s", what))))
    return 0


def _parse_seconds(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text[:9]) < SHORTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write a number of seconds from {SHORTEST} on")
    return int(text)
