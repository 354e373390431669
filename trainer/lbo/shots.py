"""Detection of cuts between the shots of an episode, and of dissolves and fades.

A cut is between two frames if one cannot be assembled from moved blocks of the other. In a dissolve, frames are
mixtures of a frame before and one after.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

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

DISSOLVE_REACHES = 4, 6, 9, 12
"""Frames before and after the middle of a dissolve whose mixture it is compared with."""
DISSOLVE_SHARES = 0.25, 0.5, 0.75
"""Shares of the frame after, at half of the reach before the middle, in the middle, and at half of the reach after."""
MAX_MIXTURE_ERROR = 0.24
"""Largest error of a mixture, relative to the difference of the two frames, and of a share. A frame that is woven of
two shots, between them, has 0.25."""
MIN_MIXED_CHANGE = MIN_RESIDUE
"""Least mean difference in grey levels of two frames that can be dissolved."""
MIN_DISSOLVE = 0.4
"""Dissimilarity of two frames from which there is another shot between them. A pan stays below it."""
MIXED = 0.05, 0.95
"""Shares of the frame after between which a frame is mixed."""
CUT_REACH = 3
"""Frames before and after a cut in which the picture may change in other ways."""
BLOCK = 512
"""Frames that are compared at once: memory."""


def find_shots(thumbnails: Thumbnails) -> list[int]:
    """Find the first frame of each shot, of each dissolve or fade, and of what follows it. Frame 0 is one of them."""
    cuts = find_cuts(thumbnails)
    dissolves = find_dissolves(thumbnails, cuts)
    mixed = {n for first, end in dissolves for n in range(first + 1, end)}
    ends = {end for dissolve in dissolves for end in dissolve if end < len(thumbnails)}
    return sorted({*cuts, *ends} - mixed)


def find_cuts(thumbnails: Thumbnails) -> list[int]:
    """Find the first frame of each shot. Frame 0 is one of them.

    Each block of a frame is searched for in the previous frame. A cut is where the residue exceeds about half of the
    frame's contrast, or a quarter of it and several times the residues around it. It is no cut if one of the next three
    frames resembles the frame before. So pans and flashes are no cuts, and dissolves and most fades are not found.
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


def find_dissolves(thumbnails: Thumbnails, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """Find where one shot becomes another little by little, or becomes a single colour, or appears out of one.

    A light that is dimmed may count too.

    Args:
        cuts: the first frame of each shot, by `find_cuts`.

    Returns:
        The first mixed frame of each, and the first one after it.
    """
    found: list[tuple[int, int]] = []
    abrupt = [n for n in cuts if _is_abrupt(thumbnails, n)]
    errors, reaches = _mixture_errors(thumbnails)
    for n in np.flatnonzero(errors < MAX_MIXTURE_ERROR).tolist():
        around = errors[max(0, n - DISSOLVE_REACHES[0]) : n + DISSOLVE_REACHES[0] + 1]
        if errors[n] == around.min():
            # No cut is within the reach, for frames there are mixtures. Beyond it there may be one.
            before, after = bisect_right(abrupt, n - reaches[n]) - 1, bisect_right(abrupt, n + reaches[n])
            first = max(abrupt[before], n - DISSOLVE_REACHES[-1])
            end = min(abrupt[after] if after < len(abrupt) else len(thumbnails), n + DISSOLVE_REACHES[-1] + 1)
            if mixed := _find_mixed(thumbnails[first:end]):
                found.append((first + mixed[0], first + mixed[1]))
    return _merge(found)


def _is_abrupt(thumbnails: Thumbnails, cut: int) -> bool:
    """Return whether most of the change around a cut is in one step. Near the black end of a fade it is not."""
    first, last = max(cut - CUT_REACH, 0), min(cut + CUT_REACH - 1, len(thumbnails) - 1)
    step, around = (
        np.abs(thumbnails[one].astype(np.int16) - thumbnails[other]).mean()
        for one, other in ((max(cut - 1, 0), cut), (first, last))
    )
    return cut == 0 or bool(step > around / 2)


def _mixture_errors(thumbnails: Thumbnails) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return how far each frame, and those before and after it, are from mixtures, and by which reach.

    (frames,) each; the error is infinite at the ends.
    """
    errors = np.full((len(DISSOLVE_REACHES), len(thumbnails)), np.inf, np.float32)
    for row, reach in zip(errors, DISSOLVE_REACHES, strict=True):
        for first in range(reach, len(thumbnails) - reach, BLOCK):
            last = min(first + BLOCK, len(thumbnails) - reach)
            frames = thumbnails[first - reach : last + reach].reshape(last - first + 2 * reach, -1)
            row[first:last] = _mixture_error(frames.astype(np.float32), reach)
    return errors.min(0), np.array(DISSOLVE_REACHES)[errors.argmin(0)]


def _mixture_error(frames: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    count = len(frames) - 2 * reach
    before = frames[:count]
    change = frames[2 * reach :] - before
    power = np.maximum(np.square(change).sum(1), 1)
    error = np.where(np.abs(change).mean(1) < MIN_MIXED_CHANGE, np.float32(np.inf), np.float32(0))
    for place, expected in zip((reach - reach // 2, reach, reach + reach // 2), DISSOLVE_SHARES, strict=True):
        moved = frames[place : place + count] - before
        share = (moved * change).sum(1) / power
        residue = np.sqrt(np.maximum(np.square(moved).sum(1) / power - np.square(share), 0))
        error = np.maximum(error, np.maximum(residue, np.abs(share - expected)))
    return np.asarray(error, np.float32)


def _find_mixed(frames: Thumbnails) -> tuple[int, int] | None:
    """Return the first mixed frame and the first one after it, or None if the outermost frames show the same shot."""
    if dissimilarity(frames[0], frames[-1]) < MIN_DISSOLVE:
        return None
    flat = frames.reshape(len(frames), -1).astype(np.float32)
    change = flat[-1] - flat[0]
    shares = (flat - flat[0]) @ change / np.square(change).sum()
    mixed = np.flatnonzero((shares > MIXED[0]) & (shares < MIXED[1]))
    return (int(mixed[0]), int(mixed[-1]) + 1) if len(mixed) else None


def _merge(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that overlap."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((first, end))
    return joined
