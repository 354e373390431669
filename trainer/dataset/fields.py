"""A quick look for frames whose two fields show different moments. What it suspects, `advice.combing` judges."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ..advice.combing import Combing, measure_frames
from ..data.clips import Clip

COLUMNS = 4
"""Every fourth column is looked at."""
MOVED, COMB = 12, 10
"""Grey levels by which a pixel that moves changes, and by which a line of a combed place is above or below both lines
beside it."""
MOVING_SHARE, LEAST_MOVED = 1e-3, 32
"""Share of the pixels, and number of them, that have to move."""
SUSPECT = 0.25
"""Share of the moving pixels that look combed, from which a frame is suspected."""
PLACES, AROUND = 6, 5
"""Suspected frames that are judged, and frames on each side that are read with one."""

type Luma = NDArray[np.uint8]
"""uint8 (height, width)."""


def thin(luma: Luma) -> Luma:
    """Return the columns of a frame that are looked at."""
    return np.ascontiguousarray(luma[:, ::COLUMNS])


def suspicion(before: Luma, luma: Luma) -> float:
    """Return the share of the moving pixels of a frame that look combed: 0 to 1; 0 if too few move.

    Args:
        before, luma: columns of the frame before, and of the frame.
    """
    moved = cv2.absdiff(luma, before)[1:-1] > MOVED
    count = int(np.count_nonzero(moved))
    if count < max(MOVING_SHARE * luma.size, LEAST_MOVED):
        return 0.0
    above, line, below = luma[:-2], luma[1:-1], luma[2:]
    over = cv2.subtract(line, cv2.max(above, below)) > COMB
    under = cv2.subtract(cv2.min(above, below), line) > COMB
    around = cv2.dilate(moved.astype(np.uint8), np.ones((3, 1), np.uint8))  # a line between two that move is combed too
    return min(float(np.count_nonzero((over | under) & (around > 0)) / count), 1.0)


def judge(clip: Clip, suspected: Sequence[int]) -> Combing:
    """Judge some of the suspected frames of a clip, and the frames around each.

    Args:
        suspected: numbers of frames, in order.

    Raises:
        ClipError: a frame cannot be read.
    """
    chosen = [suspected[n * len(suspected) // PLACES] for n in range(PLACES)] if suspected else []
    found = Combing()
    for number in dict.fromkeys(chosen):
        around = range(max(number - AROUND, 0), min(number + AROUND + 1, len(clip)))
        found += measure_frames(clip.read(around))
    return found
