"""Where shots begin: cuts between pictures that have nothing in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Thumbnails = NDArray[np.uint8]
"""uint8 (frames, height, width): luma of an episode, shrunk to a few hundred pixels."""

LEAST = 10.0
"""Grey levels that a cut changes the picture by, on average."""
TIMES = 2.5
"""So many times what its surroundings change by: a fast pan changes every picture as much as the next."""
AROUND = 6
"""Pictures before and after a change that it is compared with."""
FLASH = 3
"""Pictures that a flash lasts at most: where the picture comes back after it, it was no cut."""
BACK = 0.5
"""Of the change, what may be left where it has come back."""


def cuts(thumbnails: Thumbnails) -> list[int]:
    """Numbers of the pictures that begin a shot; the first one does.

    A cut changes the picture by much, by several times what any picture around it changes by, and for good.
    """
    changes = changes_of(thumbnails)
    found = [0] if len(thumbnails) else []
    for n in range(1, len(thumbnails)):
        if changes[n] >= LEAST and _stands_out(changes, n) and not _comes_back(thumbnails, changes, n):
            found.append(n)
    return found


def changes_of(thumbnails: Thumbnails) -> NDArray[np.float32]:
    """By how many grey levels each picture differs from the one before it, on average; the first one by 0."""
    changes = np.zeros(len(thumbnails), np.float32)
    for n in range(1, len(thumbnails)):
        changes[n] = difference(thumbnails[n - 1], thumbnails[n]).mean()
    return changes


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Of each pixel."""
    return np.abs(one.astype(np.int16) - other.astype(np.int16))


def _stands_out(changes: NDArray[np.float32], n: int) -> bool:
    """The largest of its neighbours is left out: there may be a flash, or a second cut close by."""
    around = np.concatenate([changes[max(1, n - AROUND) : n], changes[n + 1 : n + 1 + AROUND]])
    return len(around) < 2 or bool(changes[n] >= TIMES * np.sort(around)[-2])


def _comes_back(thumbnails: Thumbnails, changes: NDArray[np.float32], n: int) -> bool:
    """Whether one of the next few pictures is again like the one before it; or this one ends a flash."""
    after = thumbnails[n + 1 : n + 1 + FLASH]
    before = thumbnails[max(0, n - 1 - FLASH) : n - 1]
    left = [difference(thumbnails[n - 1], each).mean() for each in after]
    left += [difference(thumbnails[n], each).mean() for each in before]
    return bool(left) and bool(min(left) < BACK * changes[n])
