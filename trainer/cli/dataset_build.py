"""Choose and write clips of videos.

Frames get square pixels. Shots are found by the plugin's detector; black, flat, still, combed and soft frames are left
out, and so are those that an earlier video has shown: openings, endings, recaps. Of what is left, the clips with the
best weighted mean of quality and motion are written. Videos are measured in parallel; the same command goes on after a
stop. A set grows: clips of videos that are not named stay; those of named ones that are no longer chosen are removed.

The exit code is 3 if some of the videos could not be used or some clips not written, and 1 if the set has no clips.

Example:
  python -m trainer dataset build videos -o avc
"""

from __future__ import annotations

import argparse
from pathlib import Path

SOME_FAILED = 3
"""Exit code if there are clips, and something failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="videos, or folders of videos")
    parser.add_argument("-o", "--folder", type=Path, required=True, metavar="FOLDER", help="folder of the set")
    parser.add_argument(
        "--clips", type=int, default=1, help="largest number of clips per video (default: 1, the paper's)"
    )
    parser.add_argument("--frames", type=int, default=100, help="frames of a clip (default: 100, the paper's)")
    parser.add_argument(
        "--motion-weight", type=float, default=0.5, help="weight of motion in the score, 0 to 1 (default: 0.5)"
    )
    parser.add_argument(
        "--hyperiqa",
        type=Path,
        metavar="FILE",
        help="weights of hyperIQA, the paper's measure of quality (needs pyiqa; default: a stand-in)",
    )
    parser.add_argument(
        "--least-quality", type=float, help="leave out frames of less quality (default: 30; of the stand-in, 20)"
    )
    parser.add_argument("--jobs", type=int, default=0, help="number of processes (default: one per core)")


def run(args: argparse.Namespace) -> int:
    """Build the set, and print the file of its page."""
    from ..dataset.build import Request, build_set
    from ..dataset.candidates import Rules
    from ..dataset.manifest import PAGE_FILE

    rules = Rules(frames=args.frames, clips=args.clips, motion_weight=args.motion_weight)
    built = build_set(Request(args.videos, args.folder, rules, args.least_quality, args.hyperiqa, args.jobs))
    print(args.folder / PAGE_FILE)
    if not built.manifest.clips:
        return 1
    return SOME_FAILED if built.failed else 0
