"""Where clips differ: between frames, and within one frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import vapoursynth as vs
from numpy.typing import NDArray

from ..errors import OptionError, last_line
from .clips import read_frame

BLOCK = 8  # pixels, each way: the grid on which places are looked for
PLACES = 4


def measure_differences(
    clips: Sequence[tuple[Path, vs.VideoNode]], frames: Sequence[int], progress: Callable[[int], object]
) -> dict[int, float]:
    """Return the largest mean absolute difference of luma between two of the clips, from 0 to 1, for each frame.

    Frames are read in order, so that a recurrence runs no frame twice.

    Args:
        clips: two or more RGB24 clips of one size, and what each is made of.
        progress: called with the number of frames done.

    Raises:
        OptionError: a frame cannot be read.
    """
    lumas = [clip.resize.Bicubic(format=vs.GRAY8, matrix=vs.MATRIX_BT709, range_s="full") for _, clip in clips]
    picked = [vs.core.std.Splice([luma[n] for n in frames]) for luma in lumas]
    pairs = [vs.core.std.PlaneStats(a, b) for a, b in combinations(picked, 2)]
    differences: dict[int, float] = {}
    for index, n in enumerate(frames):
        try:
            found = []
            for pair in pairs:
                with pair.get_frame(index) as frame:
                    found.append(float(frame.props["PlaneStatsDiff"]))
        except vs.Error as error:
            for path, clip in clips:
                read_frame(path, clip, n).close()  # names the clip whose frame cannot be read
            raise OptionError(f"frame {n} cannot be measured ({last_line(error)})") from None
        differences[n] = max(found)
        progress(index + 1)
    return differences


def find_places(pictures: Sequence[NDArray[np.uint8]], window: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the middles of the windows where two of the pictures differ most, the most different first.

    Differences count squared, so that a changed line weighs more than a shade on an area. What a window holds does not
    count for the next ones. Equal pictures give the middle of the picture.

    Args:
        pictures: two or more of (height, width, 3), R, G, B, of one size.
        window: width and height in pixels.

    Returns:
        Up to `PLACES` pairs of column and row.
    """
    height, width = pictures[0].shape[:2]
    total = np.zeros((-(-height // BLOCK), -(-width // BLOCK)))
    for a, b in combinations(pictures, 2):
        total = np.maximum(total, _block_sums(np.square(a.astype(np.int32) - b).sum(2)))
    columns, rows = (max(1, min(side // BLOCK, limit)) for side, limit in zip(window, total.shape[::-1], strict=True))
    places: list[tuple[int, int]] = []
    while len(places) < PLACES:
        # The sum over each window of blocks, from sums over all that lies above and to the left.
        sums = np.pad(total, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        found = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
        row, column = (int(index) for index in np.unravel_index(found.argmax(), found.shape))
        if not total[row : row + rows, column : column + columns].any():
            break
        total[row : row + rows, column : column + columns] = 0
        x, y = BLOCK * column + BLOCK * columns // 2, BLOCK * row + BLOCK * rows // 2
        places.append((min(x, width - 1), min(y, height - 1)))
    return places or [(width // 2, height // 2)]


def _block_sums(values: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the sum over each block, the last ones smaller."""
    height, width = values.shape
    rows = np.add.reduceat(values, np.arange(0, height, BLOCK), axis=0, dtype=np.float64)
    return np.add.reduceat(rows, np.arange(0, width, BLOCK), axis=1)
