"""Compare AnimeSR with its baselines on held-out clips, as the paper's table 1 does: an hour on two cores.

    python -m scripts.studies.drawing    # drawn clips; needs the extra learn
    python -m scripts.studies.art        # moving clips of free art
    python -m scripts.studies.table1     # needs the extras train and evaluate

Of each held-out clip the square with the most detail is taken. `python -m trainer evaluate` does the rest: it writes
tables and a page, and goes on after a stop.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from scripts import fetch_data
from trainer.data.clips import Clip, find_clips
from trainer.data.uint8 import to_float
from trainer.previews import find_most_detailed

from .commands import make_parser, train
from .video import write_clip

HELD_OUT = ("drawn/held-out", "art/held-out")
MODELS = ("v2", "v2-fast", "v1", "realesr-animevideov3", "realesrgan-x4plus-anime")
SIDE, FRAMES = 384, 10
"""Largest side of a square, in HQ pixels, and frames of a clip."""
MULTIPLE = 16
"""What sides are a multiple of."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study."""
    parser = make_parser("table1", __doc__ or "")
    parser.add_argument("models", nargs="*", default=MODELS, help=f"default: {' '.join(MODELS)}")
    parser.add_argument("--data", type=Path, default=fetch_data.FOLDER, help="default: %(default)s")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "table1"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    clips = [clip for source in HELD_OUT for clip in find_clips(options.data / source)]
    for clip in clips:
        write_square(clip, options.out / "set" / clip.name)
    train("evaluate", *options.models, "--data", str(options.out / "set"), "-o", str(options.out / "results"))
    return 0


def write_square(clip: Clip, folder: Path) -> None:
    """Write the square with the most detail of the first frames of a clip, if it is missing."""
    if folder.is_dir():
        return
    frames = clip.read(range(min(FRAMES, len(clip))))
    side = min(SIDE, *frames[0].shape[:2]) // MULTIPLE * MULTIPLE
    top, left = find_most_detailed(to_float(frames[0][None]), side)
    write_clip(folder, (frame[top : top + side, left : left + side] for frame in frames))


if __name__ == "__main__":
    sys.exit(main())
