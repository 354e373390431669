"""Test the installation: write two tiny clips and train on them.

Trains ten steps of each stage with a tiny network, in seconds.

Example:
  python -m trainer debug
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..data.toy_clips import write_toy_clips
from ..errors import TrainerError
from ..settings import override
from ..vsr.config import preset
from ..vsr.train import train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "assignments", nargs="*", metavar="NAME=VALUE", help="settings that differ from the preset debug"
    )
    parser.add_argument(
        "-o", "--run", type=Path, default=Path("debug"), metavar="FOLDER", help="folder of the run (default: debug)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the clips and train."""
    clips = args.run / "clips"
    try:
        write_toy_clips(clips)
    except OSError as error:
        raise TrainerError(
            f"{clips} cannot be written ({error.strerror or error}); use another folder for -o"
        ) from error
    start = ""
    for stage in ("vsr-l1", "vsr-gan"):
        folder = args.run / stage
        settings = preset(stage, "debug").model_copy(update={"data": str(clips), "start": start})
        train(override(settings, args.assignments), folder)
        start = str(folder)
    return 0
