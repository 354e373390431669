"""Selects short windows with motion from all shots of an episode, for the training of an operator.

Source: sections 3 and 4.1 of the paper; docs/paper-and-release.md, 3.2. The release selects windows differently
(docs/paper-and-release.md, 5.2): it can leave out the end of a shot, run across cuts, and count cuts as motion.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..data.clips import Episode, Frame
from ..data.uint8 import frame_luma
from ..errors import EpisodeError
from .shots import THUMB_HEIGHT, THUMB_WIDTH, Thumbnails, find_shots

_log = logging.getLogger(__name__)

WIDTH, HEIGHT = 2 * THUMB_WIDTH, 2 * THUMB_HEIGHT
"""Size of the scaled-down frames that are measured."""
HISTOGRAM_BINS = 8
"""Bins of each colour."""
MOTION_SHARE = 0.02
"""Share of the pixels, those with the largest change, that measures motion. So an opening mouth counts like a pan."""
NEW_DRAWING_LEVELS = 4.0, 12.0
"""Lowest and highest motion, in grey levels, from which a frame is a new drawing. Codecs cause motion below the first
one in held drawings; between the two, the noise of the episode decides."""
HELD_SHARE = 0.25
"""Share of the frames that are assumed to hold a drawing. Their mean change is noise."""
NOISE_RATIO = 7.0
"""Motion of a new drawing relative to the mean change of a held one. In held drawings the ratio is 3 to 5."""
MIN_NEW_DRAWINGS = 2
"""Smallest number of new drawings in a window."""
MAX_MOTION = 40.0
"""Motion above which windows do not become more suitable."""
MAX_FLAT_SHARE = 0.9
"""A frame with this share of pixels of one shade shows nothing."""
SHADE_BINS = 32
"""Bins of luma for shades."""


@dataclass(frozen=True)
class FrameStats:
    """Statistics of an episode's frames."""

    numbers: NDArray[np.int64]
    """(frames,): number in the episode. Frames that cannot be decoded are missing."""
    shot_starts: NDArray[np.bool_]
    """(frames,): whether the frame is the first of a shot."""
    motion: NDArray[np.float32]
    """(frames,): difference from the previous frame in grey levels, mean of the pixels with the largest differences."""
    mean_change: NDArray[np.float32]
    """(frames,): difference from the previous frame in grey levels, mean of all pixels."""
    flat_share: NDArray[np.float32]
    """(frames,): share of the pixels that have the most frequent shade."""
    histograms: NDArray[np.float32]
    """(frames, 3 * HISTOGRAM_BINS): a histogram of each colour, as shares."""


@dataclass(frozen=True)
class Window:
    """Consecutive frames of one shot."""

    first: int
    shot: int
    motion: float
    """Mean motion of its frames, in grey levels."""


def find_windows(episode: Episode, count: int = 200, length: int = 11) -> list[Window]:
    """Find windows of an episode that do not overlap, in order. The result is deterministic.

    A window has no cut, no frame that is nearly of one shade, and new drawings. Every shot gives one window before any
    shot gives a second. If there are more shots than windows, the windows that differ most in colour are selected.
    Within a shot, windows with more motion come first, up to the motion of a fast pan.

    Args:
        count: largest number of windows.
        length: number of frames of a window.

    Raises:
        EpisodeError: there is no such window.
        ClipError: a frame cannot be read.
    """
    stats = measure_frames(episode.stream(WIDTH, HEIGHT))
    windows = select_windows(stats, count, length, episode.name)
    fewer = f" (fewer than the {count} requested)" if len(windows) < count else ""
    _log.info(
        "%s: %d windows of %d frames%s, from %d of %d shots, in %d frames",
        *(episode.name, len(windows), length, fewer, len({window.shot for window in windows})),
        *(int(stats.shot_starts.sum()), len(stats.numbers)),
    )
    return windows


def measure_frames(frames: Iterable[tuple[int, Frame]]) -> FrameStats:
    """Measure numbered frames of WIDTH x HEIGHT. Thumbnails of all of them are in memory: 60 MB for 35,000 frames."""
    numbers, thumbnails, motion, mean_change, flat_share, histograms = [], [], [], [], [], []
    previous: NDArray[np.uint8] | None = None
    for number, frame in frames:
        luma = frame_luma(frame)
        bins = frame.reshape(-1, 3) // (256 // HISTOGRAM_BINS)
        numbers.append(number)
        thumbnails.append(frame.reshape(THUMB_HEIGHT, 2, THUMB_WIDTH, 2, 3).mean((1, 3)).astype(np.uint8))
        differences = np.sort(np.abs(luma.astype(np.int16) - (luma if previous is None else previous)), None)
        motion.append(differences[-round(MOTION_SHARE * differences.size) :].mean())
        mean_change.append(differences.mean())
        flat_share.append(_flat_share(luma))
        histograms.append(np.concatenate([np.bincount(each, minlength=HISTOGRAM_BINS) for each in bins.T]) / len(bins))
        previous = luma
    return FrameStats(
        np.array(numbers, np.int64),
        _find_shot_starts(numbers, np.array(thumbnails, np.uint8)),
        np.array(motion, np.float32),
        np.array(mean_change, np.float32),
        np.array(flat_share, np.float32),
        np.array(histograms, np.float32),
    )


def select_windows(stats: FrameStats, count: int, length: int, name: str) -> list[Window]:
    """Select windows by statistics of the frames. See `find_windows`.

    Args:
        name: name of the episode, for errors.

    Raises:
        EpisodeError: there is no window.
    """
    frames = len(stats.numbers)
    if frames < length:
        raise EpisodeError(f"{name} has {frames} frames, and needs at least {length}; name a longer episode")
    if stats.flat_share.min() >= MAX_FLAT_SHARE:
        raise EpisodeError(f"all {frames} frames of {name} are nearly of one shade (black?); name another episode")
    by_shot = _windows_by_shot(stats, length)
    if not by_shot:
        raise EpisodeError(
            f"{name} has no {length} frames of one shot with {MIN_NEW_DRAWINGS} new drawings "
            f"({int(is_new_drawing(stats).sum())} of its {frames} frames are new drawings; most frames are still or "
            "dark); name an episode with more motion"
        )
    selected: list[Window] = []
    while by_shot and len(selected) < count:
        candidates = [shot[0] for shot in by_shot]
        selected += _select_different(candidates, selected, stats, length, count - len(selected))
        by_shot = [shot[1:] for shot in by_shot if len(shot) > 1]
    return sorted(selected, key=lambda window: window.first)


def _find_shot_starts(numbers: Sequence[int], thumbnails: Thumbnails) -> NDArray[np.bool_]:
    """Find the first frames of shots: after cuts, at both ends of dissolves, and after missing frames."""
    starts = np.zeros(len(numbers), np.bool_)
    starts[find_shots(thumbnails)] = True
    starts[1:] |= np.diff(numbers) != 1
    return starts


def _windows_by_shot(stats: FrameStats, length: int) -> list[list[Window]]:
    """Return the windows of each shot that has any, those with the most motion first."""
    visible = stats.flat_share < MAX_FLAT_SHARE
    is_new = is_new_drawing(stats)
    by_shot = []
    for shot, (begin, end) in enumerate(pairwise([*np.flatnonzero(stats.shot_starts).tolist(), len(stats.numbers)])):
        windows = []
        first = begin
        while first + length <= end:
            rest = slice(first + 1, first + length)
            if visible[first : first + length].all() and is_new[rest].sum() >= MIN_NEW_DRAWINGS:
                motion = stats.motion[rest].clip(max=MAX_MOTION).mean()
                windows.append(Window(int(stats.numbers[first]), shot, float(motion)))
                first += length
            else:
                first += 1
        if windows:
            by_shot.append(sorted(windows, key=lambda window: -window.motion))
    return by_shot


def is_new_drawing(stats: FrameStats) -> NDArray[np.bool_]:
    """Return for each frame whether it shows a new drawing."""
    noise = float(np.quantile(stats.mean_change[1:], HELD_SHARE)) if len(stats.mean_change) > 1 else 0.0
    lowest, highest = NEW_DRAWING_LEVELS
    return stats.motion >= min(max(lowest, NOISE_RATIO * noise), highest)


def _flat_share(luma: NDArray[np.uint8]) -> float:
    """Return the share of the pixels in the two neighbouring bins of luma that hold the most."""
    counts = np.bincount(luma.ravel() // (256 // SHADE_BINS), minlength=SHADE_BINS)
    return float((counts[:-1] + counts[1:]).max() / luma.size)


def _select_different(
    candidates: Sequence[Window], selected: Sequence[Window], stats: FrameStats, length: int, count: int
) -> list[Window]:
    """Return all candidates if there are at most `count`. Otherwise add windows one by one: always the candidate whose
    colours differ most from all windows selected before."""
    if len(candidates) <= count:
        return list(candidates)
    colours = _mean_histograms(candidates, stats, length)
    chosen = [] if selected else [max(range(len(candidates)), key=lambda n: candidates[n].motion)]
    before = _mean_histograms([*selected, *(candidates[n] for n in chosen)], stats, length)
    distances = np.abs(colours[:, None] - before).sum(2).min(1)
    while len(chosen) < count:
        distances[chosen] = -1  # windows can have equal colours
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.abs(colours - colours[chosen[-1]]).sum(1))
    return [candidates[n] for n in chosen]


def _mean_histograms(windows: Sequence[Window], stats: FrameStats, length: int) -> NDArray[np.float32]:
    """Return the mean histograms of windows, (windows, 3 * HISTOGRAM_BINS)."""
    starts = np.searchsorted(stats.numbers, [window.first for window in windows])
    return np.array([stats.histograms[start : start + length].mean(0) for start in starts])
