"""Show what each operator does to a clip, in one picture.

The picture is a grid: a clip under each operator, at the low end, the middle and the high end of its range, and under
all operators together. Settings are changed by name=value, for example noise.sigma=[0,5]; python -m trainer settings
degradation lists them, with the prefix degradation.

Example:
  python -m trainer degrade clips/episode.mkv --show grid.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..data.clips import require_clip
from ..degradation.grid import degradation_grid
from ..degradation.settings import PRESETS
from ..errors import TrainerError
from ..settings import override


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("clip", type=Path, help="a video, or a folder of images")
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="settings that differ from the preset")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="paper", help="preset (default: paper)")
    parser.add_argument("--show", type=Path, required=True, metavar="PNG", help="picture to write")
    parser.add_argument("--frame", type=int, default=0, help="first frame of the clip to show (default: 0)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random values (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Write the grid."""
    settings = override(PRESETS[args.preset], args.assignments)
    grid = degradation_grid(require_clip(args.clip, "clip"), settings, first=args.frame, seed=args.seed)
    try:
        grid.save(args.show)
    except (OSError, ValueError) as error:  # ValueError: an extension that Pillow does not know
        raise TrainerError(
            f"--show {args.show} cannot be written ({error}); use another file, such as grid.png"
        ) from error
    return 0
