"""Measure how exactly the trainer finds the zoom of other pictures: python -m scripts.studies.softness FOLDER

FOLDER holds the folders train and held-out, as `python -m scripts.studies.drawing` draws them. HQ is a frame of each of
12 clips to train with, chosen at random; pseudo-HQ is a frame of each held-out clip, zoomed by a factor that is then
estimated. The table shows the estimates relative to the factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.benchmarks.table import format_rows
from trainer.advice.softness import compare
from trainer.data.clips import Frame, find_clips
from trainer.data.zoom import zoom_crop

from .commands import make_parser

ZOOMS = (0.7, 1.0, 1.5, 2.0, 3.0)
HQ_CLIPS, DRAWS = 12, 6
FRAME = 6
SIDE = 512


def zoomed(frame: Frame, zoom: float) -> Frame:
    """Return the middle of a frame, zoomed and then halved."""
    height, width, _ = frame.shape
    side = min(SIDE, int(height * zoom)) // 2 * 2
    crop = zoom_crop(frame, (height - side / zoom) / 2, (width - side / zoom) / 2, side, zoom)
    return np.asarray(Image.fromarray(crop).reduce(2), np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = make_parser("softness", __doc__ or "")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    hq, held_out = ([clip.read([FRAME])[0] for clip in find_clips(folder / name)] for name in ("train", "held-out"))
    generator = np.random.default_rng(0)
    draws = [generator.permutation(len(hq))[:HQ_CLIPS] for _ in range(DRAWS)]
    rows = []
    for zoom in ZOOMS:
        pseudo_hq = [zoomed(frame, zoom) for frame in held_out]
        found = [compare([hq[n] for n in draw], pseudo_hq) for draw in draws]
        ratios = np.array([each.zoom / zoom for each in found if each])
        numbers = ratios.mean(), ratios.std(), ratios.min(), ratios.max()
        rows.append([f"{zoom:g}", *(f"{number:.2f}" for number in numbers)])
        print(rows[-1], flush=True)
    print(format_rows(("zoom", "estimate / zoom, mean", "deviation", "least", "most"), rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
