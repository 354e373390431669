"""Where shots begin: cuts between pictures that cannot be had from each other by moving their parts."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

type Thumbnail = NDArray[np.uint8]
"""uint8 (HEIGHT, WIDTH, 3): a picture, shrunk."""
type Thumbnails = NDArray[np.uint8]
"""uint8 (frames, HEIGHT, WIDTH, 3)."""

WIDTH, HEIGHT = 32, 18
ACROSS, DOWN = 6, 3
"""How far parts are looked for: a sixth of the picture in each direction, within which pans stay that can be seen."""
BLOCK_WIDTH, BLOCK_HEIGHT = 8, 6
LEAST = 2.5
"""Grey levels that are left over at a cut, on average: above what noise leaves."""
EVEN = 3.0
"""Grey levels of contrast that are always added: an even picture has none."""
SURE = 0.45
"""Of the contrast, what is left over at a cut, whatever happens around it."""
LIKELY = 0.25
"""The same, where that stands out from what happens around it."""
TIMES = 3.0
"""So many times what is left over around it makes it stand out."""
AROUND = 6
"""Pictures before and after a change that it is compared with."""
FLASH = 3
"""Pictures that a flash lasts at most: where the picture comes back after it, it was no cut."""
BACK = 0.5
"""Of what is left over at a change, what may be where the picture has come back."""


def cuts(thumbnails: Thumbnails) -> list[int]:
    """Numbers of the pictures that begin a shot; the first one does.

    Each block of a picture is looked for in the picture before. A cut is where more is left over than half of the
    picture's contrast, or less of it, but several times as much as around it; unless one of the next three pictures is
    again like the one before it. So pans and flashes are none; dissolves and fades are none either.
    """
    changes = np.zeros(len(thumbnails), np.float32)
    for n in range(1, len(thumbnails)):
        changes[n] = unlike(thumbnails[n - 1], thumbnails[n])
    found = [0] if len(thumbnails) else []
    for n in range(1, len(thumbnails)):
        large = changes[n] >= SURE or (changes[n] >= LIKELY and _stands_out(changes, n))
        if large and not _comes_back(thumbnails, changes[n], n):
            found.append(n)
    return found


def unlike(one: Thumbnail, other: Thumbnail) -> float:
    """What is left of a picture when each of its blocks is taken from where the other has it, as part of the contrast.

    0 where they are the same but for motion or noise, 1 where they have nothing in common.
    """
    one, other = one.astype(np.int16), other.astype(np.int16)
    if np.abs(one - other).mean() < LEAST:
        return 0.0
    around = np.pad(other, ((DOWN, DOWN), (ACROSS, ACROSS), (0, 0)), "edge")
    moved = sliding_window_view(around, one.shape[:2], (0, 1)).transpose(0, 1, 3, 4, 2)
    pixels = np.abs(moved - one).sum(4)
    rows, columns = one.shape[0] // BLOCK_HEIGHT, one.shape[1] // BLOCK_WIDTH
    blocks = pixels.reshape(-1, rows, BLOCK_HEIGHT, columns, BLOCK_WIDTH).mean((2, 4)) / 3
    left = float(blocks.min(0).mean())
    contrast = max(float(each.std((0, 1)).mean()) for each in (one, other))
    return left / (contrast + EVEN) if left >= LEAST else 0.0


def _stands_out(changes: NDArray[np.float32], n: int) -> bool:
    """The largest of its neighbours is left out: there may be a flash, or a second cut close by."""
    around = np.concatenate([changes[max(1, n - AROUND) : n], changes[n + 1 : n + 1 + AROUND]])
    return len(around) < 2 or bool(changes[n] >= TIMES * np.sort(around)[-2])


def _comes_back(thumbnails: Thumbnails, change: float, n: int) -> bool:
    """Whether one of the next few pictures is again like the one before it; or this one ends a flash."""
    left = [unlike(thumbnails[n - 1], each) for each in thumbnails[n + 1 : n + 1 + FLASH]]
    left += [unlike(each, thumbnails[n]) for each in thumbnails[max(0, n - 1 - FLASH) : n - 1]]
    return bool(left) and min(left) < min(BACK * change, LIKELY)
