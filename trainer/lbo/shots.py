"""Detection of cuts between the shots of an episode.

A cut is between two frames if one cannot be assembled from moved blocks of the other.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

type Thumbnail = NDArray[np.uint8]
"""uint8 (THUMB_HEIGHT, THUMB_WIDTH, 3): a frame, scaled down."""
type Thumbnails = NDArray[np.uint8]
"""uint8 (frames, THUMB_HEIGHT, THUMB_WIDTH, 3)."""

THUMB_WIDTH, THUMB_HEIGHT = 32, 18
SEARCH_X, SEARCH_Y = 6, 3
"""Search range for blocks: a sixth of the frame in each direction. Faster pans cannot be followed by eye."""
BLOCK_WIDTH, BLOCK_HEIGHT = 8, 6
MIN_RESIDUE = 2.5
"""Smallest mean residue of a cut, in grey levels. Noise stays below it."""
CONTRAST_OFFSET = 3.0
"""Grey levels added to the contrast, which is 0 for flat frames."""
CUT_THRESHOLD = 0.45
"""Dissimilarity from which a change is a cut in any case."""
PEAK_THRESHOLD = 0.25
"""Dissimilarity from which a change is a cut if it is a peak."""
PEAK_RATIO = 3.0
"""Ratio of a peak to the changes around it."""
PEAK_NEIGHBOURS = 6
"""Number of changes before and after a peak that it is compared with."""
MAX_FLASH_FRAMES = 3
"""Longest flash. If the scene is back after a flash, there was no cut."""
RETURN_RATIO = 0.5
"""Largest dissimilarity of a scene that is back, relative to the change."""


def find_cuts(thumbnails: Thumbnails) -> list[int]:
    """Find the first frame of each shot. Frame 0 is one of them.

    Each block of a frame is searched for in the previous frame. A cut is where the residue exceeds about half of the
    frame's contrast, or a quarter of it and several times the residues around it. It is no cut if one of the next three
    frames resembles the frame before. So pans and flashes are no cuts. Dissolves and fades are not found.
    """
    changes = np.zeros(len(thumbnails), np.float32)
    for n in range(1, len(thumbnails)):
        changes[n] = dissimilarity(thumbnails[n - 1], thumbnails[n])
    starts = [0] if len(thumbnails) else []
    for n in range(1, len(thumbnails)):
        large = changes[n] >= CUT_THRESHOLD or (changes[n] >= PEAK_THRESHOLD and _is_peak(changes, n))
        if large and not _is_flash(thumbnails, changes[n], n):
            starts.append(n)
    return starts


def dissimilarity(one: Thumbnail, other: Thumbnail) -> float:
    """Return the residue of a frame after each of its blocks was found in the other frame, relative to the contrast.

    0 if the frames are the same except for motion and noise, about 1 if they are unrelated.
    """
    one, other = one.astype(np.int16), other.astype(np.int16)
    if np.abs(one - other).mean() < MIN_RESIDUE:
        return 0.0
    padded = np.pad(other, ((SEARCH_Y, SEARCH_Y), (SEARCH_X, SEARCH_X), (0, 0)), "edge")
    shifted = sliding_window_view(padded, one.shape[:2], (0, 1)).transpose(0, 1, 3, 4, 2)
    differences = np.abs(shifted - one).sum(4)
    rows, columns = one.shape[0] // BLOCK_HEIGHT, one.shape[1] // BLOCK_WIDTH
    blocks = differences.reshape(-1, rows, BLOCK_HEIGHT, columns, BLOCK_WIDTH).mean((2, 4)) / 3
    residue = float(blocks.min(0).mean())
    contrast = max(float(each.std((0, 1)).mean()) for each in (one, other))
    return residue / (contrast + CONTRAST_OFFSET) if residue >= MIN_RESIDUE else 0.0


def _is_peak(changes: NDArray[np.float32], n: int) -> bool:
    """Compare a change with those around it, except the largest, which may be a flash or another cut."""
    around = np.concatenate([changes[max(1, n - PEAK_NEIGHBOURS) : n], changes[n + 1 : n + 1 + PEAK_NEIGHBOURS]])
    return len(around) < 2 or bool(changes[n] >= PEAK_RATIO * np.sort(around)[-2])


def _is_flash(thumbnails: Thumbnails, change: float, n: int) -> bool:
    """Return whether a frame begins or ends a flash: frames before and after it resemble each other."""
    after = thumbnails[n + 1 : n + 1 + MAX_FLASH_FRAMES]
    before = thumbnails[max(0, n - 1 - MAX_FLASH_FRAMES) : n - 1]
    residues = [dissimilarity(thumbnails[n - 1], each) for each in after]
    residues += [dissimilarity(each, thumbnails[n]) for each in before]
    return bool(residues) and min(residues) < min(RETURN_RATIO * change, PEAK_THRESHOLD)
