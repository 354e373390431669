"""Which frames of a video are usable, and the best clips of them.

A clip lies in one shot, and all its frames are usable. Of a run of usable frames, the clip with the highest score comes
first, then the best of what is left on both sides of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .measures import Measures

FLAT_SHARE = 0.9
"""A frame with this share of pixels of one shade shows nothing, as for the release."""
BLACK = 24
"""Mean luma up to which such a frame is called black."""
STILL_FRAMES = 24
"""From here on, a drawing that is held is still. Drawings are held for 2 or 3 frames, and in pauses for longer."""
SLOW_FLOW = 0.08
"""Mean optical flow, in percent of the height, from which a slow pan counts as motion: half a pixel of 720p a frame."""
MOST_FLOW = 3.0
"""Optical flow, in percent of the height, above which a clip does not become more suitable. It is 22 pixels of 720p."""
FULL_SCORE = 100.0

USABLE, BLACK_FRAME, FLAT, STILL, TELECINED, LOW_QUALITY, REPEATED, RESIZED, DAMAGED = range(9)
"""What is wrong with a frame: the first of these that holds, in the order of `find_faults`."""
FAULTS: Mapping[int, str] = {
    BLACK_FRAME: "black",
    FLAT: "flat",
    STILL: "still",
    TELECINED: "telecined or interlaced",
    LOW_QUALITY: "low quality",
    REPEATED: "shown before",
    RESIZED: "of another size",
    DAMAGED: "damaged in the file",
}
type Faults = NDArray[np.uint8]
"""(frames,): `USABLE`, or what is wrong with a frame."""


@dataclass(frozen=True)
class Rules:
    """What clips are."""

    frames: int = 100
    """Frames of a clip. The paper has 100."""
    clips: int = 1
    """Largest number of clips from one video. The paper has 1."""
    motion_weight: float = 0.5
    """Weight of motion in the score, 0 to 1; the rest is that of quality. The paper does not name its weights."""
    least_quality: float = 0
    """Frames of less quality are left out."""


@dataclass(frozen=True)
class Candidate:
    """Frames of one shot that could be a clip."""

    first: int
    """Index of the first frame among those that were measured."""
    shot: int
    score: float
    """0 to 100."""
    quality: float
    """Mean of its frames, 0 to 100."""
    motion: float
    """Mean optical flow of the pixels that move most, in percent of the height a frame."""


@dataclass(frozen=True)
class DroppedShot:
    """A shot without a candidate."""

    first: int
    length: int
    reason: str


def find_faults(measures: Measures, rules: Rules, repeated: NDArray[np.bool_]) -> Faults:
    """Return what is wrong with each frame.

    Args:
        repeated: (frames,): whether an earlier video has shown the frame.
    """
    flat = measures.flat_share >= FLAT_SHARE
    faults = np.select(
        [
            measures.damaged,
            measures.resized,
            flat & (measures.brightness <= BLACK),
            flat,
            measures.combed,
            repeated,
            _find_still(measures),
            _known_quality(measures) < rules.least_quality,
        ],
        [DAMAGED, RESIZED, BLACK_FRAME, FLAT, TELECINED, REPEATED, STILL, LOW_QUALITY],
        USABLE,
    )
    return faults.astype(np.uint8)


def _find_still(measures: Measures) -> NDArray[np.bool_]:
    """Return which frames hold a drawing of which `STILL_FRAMES` or more show the same."""
    moves = measures.is_new | (measures.mean_flow >= SLOW_FLOW) | measures.shot_starts
    still = np.zeros(len(measures), np.bool_)
    for start, end in pairwise([*np.flatnonzero(moves).tolist(), len(measures)]):
        still[start + 1 : end] = end - start >= STILL_FRAMES
    return still


def fill_quality(measures: Measures) -> NDArray[np.float32]:
    """Return the quality of all frames.

    A shot of which none could be measured shows few edges. It gets the lowest quality of the video's others, or 0.
    """
    quality = _known_quality(measures)
    unknown = np.isnan(quality)
    return np.where(unknown, 0 if unknown.all() else np.nanmin(quality), quality)


def _known_quality(measures: Measures) -> NDArray[np.float32]:
    """Return the quality of all frames, between measured ones of a shot in proportion; NaN in shots without any."""
    quality = measures.quality.copy()
    known = ~np.isnan(quality)
    for start, end in _shots(measures):
        places = start + np.flatnonzero(known[start:end])
        if len(places):
            quality[start:end] = np.interp(np.arange(start, end), places, quality[places])
    return quality


def _shots(measures: Measures) -> list[tuple[int, int]]:
    return list(pairwise([*np.flatnonzero(measures.shot_starts).tolist(), len(measures)]))


def find_candidates(measures: Measures, faults: Faults, rules: Rules) -> tuple[list[Candidate], list[DroppedShot]]:
    """Return all candidates of a video, those with the highest score first, and the shots that have none."""
    quality = fill_quality(measures)
    motion = np.minimum(measures.flow, MOST_FLOW)
    scores = (1 - rules.motion_weight) * quality + rules.motion_weight * FULL_SCORE * motion / MOST_FLOW
    sums = [np.concatenate([[0], np.cumsum(each, dtype=np.float64)]) for each in (scores, quality, measures.flow)]
    candidates: list[Candidate] = []
    dropped: list[DroppedShot] = []
    for shot, (start, end) in enumerate(_shots(measures)):
        firsts = [
            first
            for run in _usable_runs(faults, start, end, rules.frames)
            for first in _best_firsts(sums[0], *run, rules.frames)
        ]
        for first in firsts:
            means = [float(each[first + rules.frames] - each[first]) / rules.frames for each in sums]
            candidates.append(Candidate(first, shot, *means))
        if not firsts:
            dropped.append(DroppedShot(start, end - start, _explain(faults[start:end], rules)))
    return sorted(candidates, key=lambda each: (-each.score, each.first)), dropped


def _usable_runs(faults: Faults, start: int, end: int, least: int) -> list[tuple[int, int]]:
    """Return the runs of usable frames in a shot that are long enough, as first and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], faults[start:end] == USABLE, [False]])))
    runs = zip((start + edges[::2]).tolist(), (start + edges[1::2]).tolist(), strict=True)
    return [(first, last) for first, last in runs if last - first >= least]


def _best_firsts(sums: NDArray[np.float64], start: int, end: int, length: int) -> list[int]:
    """Return the first frames of clips of a run that do not overlap: the best one, and those beside it."""
    if end - start < length:
        return []
    means = sums[start + length : end + 1] - sums[start : end - length + 1]
    first = start + int(means.argmax())
    return [*_best_firsts(sums, start, first, length), first, *_best_firsts(sums, first + length, end, length)]


def _explain(faults: Faults, rules: Rules) -> str:
    """Return why a shot has no candidate."""
    if len(faults) < rules.frames:
        return f"shorter than {rules.frames} frames"
    counts = count_faults(faults)
    what = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"no {rules.frames} usable frames in a row: of {len(faults)}, {what}"


def count_faults(faults: Faults) -> dict[str, int]:
    """Return how many frames have each fault, by its name; those that none has are left out."""
    counts = np.bincount(faults, minlength=len(FAULTS) + 1)
    return {name: int(counts[code]) for code, name in FAULTS.items() if counts[code]}


def summarise(dropped: Sequence[DroppedShot]) -> str:
    """Return in a few words why a video has no candidate."""
    short = sum(each.reason.startswith("shorter") for each in dropped)
    longest = max(dropped, key=lambda each: each.length)
    return (
        f"no shot of {len(dropped)} has enough usable frames in a row (too short: {short}; the longest, of "
        f"{longest.length} frames: {longest.reason})"
    )
