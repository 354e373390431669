"""`degrade`: what each operator does to a clip, as a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..clips import opened_clip
from ..degradation.settings import PRESETS
from ..errors import TrainerError
from ..grid import drawn_grid
from ..settings import changed


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "degrade",
        help="draw what each operator does to a clip",
        description="Draws a grid: a clip under each operator, at the low end, the middle and the high end of its "
        "range, and under everything together. Settings are changed by name=value, for example noise.sigma=[0,5].",
    )
    parser.add_argument("clip", type=Path, help="a video, or a folder of pictures")
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="changes of the preset")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="paper", help="default: paper")
    parser.add_argument("--show", type=Path, required=True, metavar="PNG", help="the picture to write")
    parser.add_argument("--frame", type=int, default=0, help="of the clip, the first of those that are shown")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.set_defaults(run_command=run)


def run(given: argparse.Namespace) -> None:
    """Write the grid."""
    settings = changed(PRESETS[given.preset], given.assignments)
    grid = drawn_grid(opened_clip(given.clip, "clip"), settings, first=given.frame, seed=given.seed)
    try:
        grid.save(given.show)
    except (OSError, ValueError) as error:  # ValueError: an extension that Pillow does not know
        raise TrainerError(
            f"--show {given.show} cannot be written ({error}); name another file, such as grid.png"
        ) from error
