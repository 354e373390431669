"""Pictures across a seam, to judge it by eye."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from .runs import Outputs, levels
from .steps import BLOCK, Picture, block_differences

BEFORE, AFTER = 2, 2
"""Frames before and after the first frame of the new run."""
CROP = 10 * BLOCK
ENLARGED = 2
AMPLIFIED = 8
BAR = 22


def draw_strip(title: str, uncut: Outputs, fresh: Outputs, start: int, warmup: int) -> Image.Image:
    """Draw the frames around a seam, and below each its amplified step; then the same of the uncut run.

    The block that differs most from the uncut run at the seam is in the middle.

    Args:
        fresh: the outputs of a run that restarts at frame `start`.
    """
    at = start + warmup
    numbers = range(at - BEFORE - 1, at + AFTER + 1)
    whole = [levels(uncut[n]) for n in numbers]
    cut = [levels(fresh[n - start]) if n >= at else frame for n, frame in zip(numbers, whole, strict=True)]
    blocks = block_differences(cut[BEFORE + 1], whole[BEFORE + 1])
    worst = np.unravel_index(int(blocks.argmax()), blocks.shape)
    top, left = (_place(BLOCK * int(each), size) for each, size in zip(worst, cut[0].shape, strict=False))
    crops = [[frame[top : top + CROP, left : left + CROP] for frame in frames] for frames in (cut, whole)]
    return _stack(
        f"{title}: seam before frame {at}, warm-up {warmup}; steps x{AMPLIFIED}; below, the uncut run",
        [row for frames in crops for row in (frames[1:], _amplify(frames))],
    )


def _place(position: int, size: int) -> int:
    return min(max(position - (CROP - BLOCK) // 2, 0), size - CROP)


def _amplify(frames: Sequence[Picture]) -> list[Picture]:
    return [128 + AMPLIFIED * (after - before) for before, after in pairwise(frames)]


def _stack(title: str, rows: Sequence[Sequence[Picture]]) -> Image.Image:
    side = CROP * ENLARGED
    sheet = Image.new("RGB", (side * len(rows[0]), BAR + side * len(rows)), "black")
    ImageDraw.Draw(sheet).text((4, 3), title, "white", font_size=15)
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            picture = Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
            sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), (x * side, BAR + y * side))
    return sheet
