"""Hold clips out by title, for scores: no show is on both sides.

Titles come from the names of the videos, without tags in brackets and from the number of the episode on, or from their
folders, if the number comes first; manifest.json has them, and they may be corrected there. The clips move to another
folder, a set of its own. Prints the titles.

Example:
  python -m trainer dataset split avc -o avc-test
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("folder", type=Path, help="folder of the set")
    parser.add_argument("-o", "--to", type=Path, required=True, metavar="FOLDER", help="folder for the held-out clips")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--clips", type=int, help="least number of clips to hold out in all (default: 30 of 583, the paper's share)"
    )
    how.add_argument("--title", action="append", default=[], help="title to hold out; may be given several times")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw of titles (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Split, and print the titles."""
    from ..dataset.split import split_set

    print(*split_set(args.folder, args.to, clips=args.clips, titles=args.title, seed=args.seed).titles, sep="\n")
    return 0
