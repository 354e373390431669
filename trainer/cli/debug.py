"""`debug`: does training work here? Own clips, a tiny network, ten steps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..drawn_clips import draw_clips
from ..errors import TrainerError
from ..settings import changed
from ..stages import preset
from ..training import train


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "debug",
        help="try everything: draw two tiny clips, train ten steps on them",
        description="Draws two tiny clips and trains ten steps of each stage with a tiny network, in seconds.",
    )
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="changes of the preset debug")
    parser.add_argument("-o", "--run", type=Path, default=Path("debug"), metavar="FOLDER", help="default: debug")
    parser.set_defaults(run_command=run)


def run(given: argparse.Namespace) -> None:
    """Draw, and train."""
    clips = given.run / "clips"
    try:
        draw_clips(clips)
    except OSError as error:
        raise TrainerError(
            f"{clips} cannot be written ({error.strerror or error}); name another folder by -o"
        ) from error
    start = ""
    for stage in ("vsr-l1", "vsr-gan"):
        folder = given.run / stage
        settings = preset(stage, "debug").model_copy(update={"data": str(clips), "start": start})
        train(changed(settings, given.assignments), folder)
        start = str(folder)
