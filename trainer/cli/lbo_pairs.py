"""Make pairs of LQ and pseudo-HQ from an episode.

Selects parts of an LQ episode, scales them down by several factors and upscales them, lets you choose the factor that
removes the faults but keeps the detail, and makes pseudo-HQ with it.

Example:
  python -m trainer lbo pairs old1.mkv -o lbo1
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from vsanimesr.weights.release import MODEL_NAMES

from ..advice.sources import require_fit_episode
from ..data.clips import require_clip
from ..errors import PairError
from ..lbo.pairs import make_pairs
from ..lbo.picker.server import serve_picker
from .vsr import add_as_is, add_colour


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("episode", type=Path, help="a video, or a folder of images")
    parser.add_argument("-o", "--folder", type=Path, required=True, metavar="FOLDER", help="folder for the pairs")
    parser.add_argument(
        "--model", default="v2", help=f"network that upscales: {', '.join(MODEL_NAMES)}, a run or a file (default: v2)"
    )
    parser.add_argument("--count", type=int, default=200, help="maximum number of clips of 10 frames (default: 200)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--factor", type=float, help="use this factor, for example 0.5")
    how.add_argument("--suggest", action="store_true", help="use the suggested factor, without the page")
    add_colour(parser, "--colour")
    parser.add_argument("--port", type=int, default=0, help="port of the page to choose on (default: a free one)")
    add_as_is(parser)


def run(args: argparse.Namespace) -> int:
    """Make the pairs."""
    episode = require_clip(args.episode, "episode")
    if args.count < 1:
        raise PairError(f"--count {args.count} is refused; use 1 or more, the paper has 200 clips")
    if not args.as_is:
        require_fit_episode(args.episode)
    pick_factor = None if args.suggest else partial(serve_picker, announce=_announce, port=args.port)
    make_pairs(
        *(episode, args.folder),
        model=args.model,
        count=args.count,
        factor=args.factor,
        pick_factor=pick_factor,
        colour=args.pseudo_hq_colour,
    )
    return 0


def _announce(address: str) -> None:
    print(f"choose a factor on {address}", file=sys.stderr)
