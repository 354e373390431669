"""Measures combing: frames whose two fields show different moments.

Horizontal lines look like combing, and so do codecs' blocks. So the fields of a frame are compared with those of the
frames before and after it. In progressive video, both fields of a frame are equally far from both of another frame. In
combed frames the one field is nearer to the frame before and the other to the frame after, and the fields of the frame
fit each other no better than they fit the nearest ones of its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..data.clips import Clip, Frame
from ..data.uint8 import frame_luma

PLACES, LENGTH = 6, 12
"""Parts of a clip that are looked at, and frames of each."""
MOVED = 12
"""Grey levels by which a pixel that moves changes from a frame to the next."""
UPRIGHT = 24
"""Grey levels by which a pixel differs at most from the one above it in the same field, to be part of an upright thing.
What lies, and moves up or down by a line, looks like combing."""
MOVING_SHARE, UPRIGHT_SHARE = 2e-4, 0.2
"""Share of the pixels that has to move on both sides of a frame to judge it, and share of those that has to be of
upright things."""
ONE_SIDED = 0.25
"""From here on, fields are nearer to one side than to the other: -1 and 1 are the ends, and 0 is progressive."""
MISFIT = 0.4
"""From here on, the fields of a frame fit each other too badly, relative to the nearest ones of its neighbours. In
progressive video it is 0.1 to 0.2, in interlaced video 1, and codecs bring that down to 0.6."""
LEAST_JUDGED, LEAST_COMBED, COMBED_SHARE = 3, 3, 0.1
"""A clip is combed if so many of the frames that can be judged are, and this share of them. Film on twos that is
telecined shows two drawings in one frame of five."""

MIXED = 1.4
"""From here on, the fields fit the nearest ones of the frames around them better than each other."""

type Luma = NDArray[np.int16]


@dataclass(frozen=True)
class Combing:
    """How many frames of a clip are combed."""

    frames: int = 0
    """Frames that were looked at."""
    judged: int = 0
    """Frames that differ enough from the ones before and after."""
    upper_first: int = 0
    """Frames that look combed, with the upper field as the earlier one."""
    lower_first: int = 0
    """The same, with the lower field as the earlier one."""
    mixed: int = 0
    """How many of these have fields that fit the frames around them better than each other, as in telecined film."""

    def __add__(self, other: Self) -> Combing:
        return Combing(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def combed(self) -> int:
        """Frames that are combed. The order of fields is always the same. What moves up or down by a line a frame looks
        combed by turns in one order and in the other."""
        return abs(self.upper_first - self.lower_first)

    @property
    def is_film(self) -> bool:
        """Whether what is combed was film: whole frames can be made of its fields."""
        return 2 * self.mixed > self.upper_first + self.lower_first

    @property
    def is_found(self) -> bool:
        """Whether the clip is combed."""
        enough = self.judged >= LEAST_JUDGED and self.combed >= LEAST_COMBED
        return enough and self.combed >= COMBED_SHARE * self.judged

    @property
    def is_excluded(self) -> bool:
        """Whether the clip is not combed, as far as was looked: enough frames could be judged."""
        return self.judged >= LEAST_JUDGED and not self.is_found


def measure_clip(clip: Clip, places: int = PLACES, length: int = LENGTH) -> Combing:
    """Measure combing at some places of a clip.

    Raises:
        ClipError: a frame cannot be read.
    """
    length = min(length, len(clip))
    starts = np.linspace(0, len(clip) - length, max(min(places, len(clip) // max(length, 1)), 1)).astype(int).tolist()
    return sum((measure_frames(clip.read(range(start, start + length))) for start in starts), Combing())


def measure_frames(frames: Sequence[Frame]) -> Combing:
    """Measure combing of consecutive frames. The first and the last are not judged."""
    halves = [_fields(frame) for frame in frames]
    judged = [judgement for n in range(1, len(halves) - 1) if (judgement := _judge(*halves[n - 1 : n + 2]))]
    return Combing(
        len(frames),
        len(judged),
        sum(each.side > ONE_SIDED and each.misfit > MISFIT for each in judged),
        sum(each.side < -ONE_SIDED and each.misfit > MISFIT for each in judged),
        sum(abs(each.side) > ONE_SIDED and each.misfit > MIXED for each in judged),
    )


class _Judgement(NamedTuple):
    side: float
    """Which field is the earlier one: the lower one below 0, the upper one above; 0 in progressive video."""
    misfit: float
    """How badly the fields fit each other, relative to the nearest ones of the frames around them."""


def _fields(frame: Frame) -> tuple[Luma, Luma]:
    """Return luma of the upper and of the lower field."""
    luma = frame_luma(frame).astype(np.int16)
    luma = luma[: len(luma) // 2 * 2]
    return luma[::2], luma[1::2]


def _judge(before: tuple[Luma, Luma], frame: tuple[Luma, Luma], after: tuple[Luma, Luma]) -> _Judgement | None:
    """Judge a frame by those around it. Return None if too little moves."""
    upper, lower = frame
    moved_before, moved_after = _moved(before, frame), _moved(frame, after)
    if moved_before is None or moved_after is None:
        return None
    upper_before, lower_before = _misfit(upper, before[1]), _misfit(before[0], lower)
    upper_after, lower_after = _misfit(upper, after[1]), _misfit(after[0], lower)
    sides = (
        _one_sidedness(lower_before - upper_before, moved_before),
        _one_sidedness(upper_after - lower_after, moved_after),
    )
    side = min(sides, key=abs) if sides[0] * sides[1] > 0 else 0.0
    moved = moved_before | moved_after
    nearest = (upper_before, lower_after) if side > 0 else (lower_before, upper_after)
    others = sum(int(each[moved].sum()) for each in nearest) / 2
    return _Judgement(side, int(_misfit(upper, lower)[moved].sum()) / max(others, 1))


def _moved(one: tuple[Luma, Luma], other: tuple[Luma, Luma]) -> NDArray[np.bool_] | None:
    """Return which pixels of upright things have changed, in the shape of `_misfit`. None if there are too few."""
    upper, lower = (np.abs(a - b) > MOVED for a, b in zip(one, other, strict=True))
    changed = upper[1:] | lower[:-1]
    moved: NDArray[np.bool_] = changed & _upright(one) & _upright(other)
    return moved if moved.mean() >= max(MOVING_SHARE, UPRIGHT_SHARE * changed.mean()) else None


def _upright(frame: tuple[Luma, Luma]) -> NDArray[np.bool_]:
    """Return which pixels are like the ones above them in both fields. Combing shows there, and lying lines do not."""
    upper, lower = (np.abs(field[1:] - field[:-1]) < UPRIGHT for field in frame)
    upright: NDArray[np.bool_] = upper & lower
    return upright


def _misfit(upper: Luma, lower: Luma) -> Luma:
    """Return how far the lines of two fields are from the mean of the lines around them, woven into one frame."""
    return np.abs(2 * upper[1:] - lower[:-1] - lower[1:]) + np.abs(2 * lower[:-1] - upper[:-1] - upper[1:])


def _one_sidedness(difference: Luma, moved: NDArray[np.bool_]) -> float:
    """Return the mean sign of differences, weighted by their size: -1 to 1."""
    values = difference[moved].astype(np.int64)
    return float(values.sum() / max(int(np.abs(values).sum()), 1))
