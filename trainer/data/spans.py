"""Parts of clips, for HQ that takes more room than there is: some frames of a clip, and of each the same crop."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
from numpy.random import SeedSequence

from ..errors import SettingError
from .clips import Clip, Frame
from .pool_file import FIXED_BYTES, packed_bytes

_log = logging.getLogger(__name__)

GB = 1_000_000_000
SPAN_STREAM = 3
"""Makes random numbers of spans others than those of samples, of operators (1) and of scores (2)."""
MARGIN = 5 / 4
"""Sides of a span, in those of the crops that are taken from it. A larger one gives crops at more places, of fewer
scenes."""


class Span:
    """A part of a clip.

    Args:
        first, length: its first frame, and the number of its frames.
        top, left, height, width: its place in a frame, in pixels.
    """

    def __init__(self, clip: Clip, first: int, length: int, top: int, left: int, height: int, width: int) -> None:
        if isinstance(clip, Span):  # so that frames are read from the clip itself
            first, top, left = first + clip.numbers[0], top + clip.top, left + clip.left
            clip = clip.clip
        self.clip: Clip = clip
        self.numbers: range = range(first, first + length)
        self.top: int = top
        self.left: int = left
        self._size = width, height
        self.place = f"frames {first} to {first + length - 1}, {width}x{height} at {left},{top}"
        self.name = f"{clip.name}, {self.place}"

    def __len__(self) -> int:
        return len(self.numbers)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        return [self.cut(frame) for frame in self.clip.read([self.numbers[n] for n in numbers])]

    def cut(self, frame: Frame) -> Frame:
        """Return the part of a frame of the clip."""
        width, height = self._size
        return frame[self.top : self.top + height, self.left : self.left + width]

    def check(self) -> tuple[int, int]:
        return self._size  # the clip was looked at when its parts were chosen

    def digest(self) -> str:
        return self.clip.digest()


def take_frames(clip: Clip, first: int, length: int) -> Span:
    """Return some of the frames of a clip, whole.

    Raises:
        ClipError: the clip cannot be read.
    """
    width, height = clip.check()
    return Span(clip, first, length, 0, 0, height, width)


def cut_spans(clips: Sequence[Clip], memory: float, *, frames: int, side: int, seed: int) -> Sequence[Clip]:
    """Return parts of clips that fit into a pool; the clips themselves if all of them do.

    Every clip is cut into spans, in time and in place. One of each clip is drawn, then as many of all as fit: a clip
    that is twice as long has twice as many. They are drawn by `seed`, and named by their place.

    Args:
        memory: size of the pool in GB. 0: there is none, and the clips stay whole.
        frames: number of frames that a sample reaches over.
        side: height and width of a crop in pixels.

    Raises:
        SettingError: there is no room for one span of each clip.
        ClipError: a clip cannot be read.
    """
    limit = memory * GB
    if not memory or FIXED_BYTES + sum(packed_bytes(len(clip), *clip.check()) for clip in clips) <= limit:
        return clips
    grids = [_Grid(clip, frames, round(side * MARGIN), seed, number) for number, clip in enumerate(clips)]
    generator = np.random.default_rng(SeedSequence((seed, len(clips)), spawn_key=(SPAN_STREAM,)))
    firsts = [(number, int(generator.integers(len(grid)))) for number, grid in enumerate(grids)]
    room = limit - FIXED_BYTES - sum(grids[number].span_bytes for number, _ in firsts)
    if room < 0:
        least = -((room - limit) // (GB / 10)) / 10
        raise SettingError(
            f"memory={memory:g} GB has no room for a part of each of {len(clips)} clips ({frames} frames of "
            f"{round(side * MARGIN)}x{round(side * MARGIN)} pixels); set at least {least:g}, or 0 to decode frames "
            "each time they are used"
        )
    chosen, ends = set(firsts), np.cumsum([len(grid) for grid in grids])
    for index in generator.permutation(int(ends[-1])):
        number = int(np.searchsorted(ends, index, side="right"))
        each = number, int(index - ends[number] + len(grids[number]))
        if each not in chosen:
            room -= grids[number].span_bytes
            if room < 0:
                break
            chosen.add(each)
    spans = [grids[number].span(index) for number, index in sorted(chosen)]
    _log.warning(
        "memory=%g GB has room for %.1f %% of the HQ, which takes %.1f GB decoded: the run learns from %d parts of %d "
        "clips, each of them %d frames of at most %dx%d pixels; set more for more variety, or 0 to decode all of it "
        "each time it is used",
        *(memory, 100 * sum(_pixels(span) for span in spans) / sum(map(_pixels, clips))),
        *(
            sum(map(_pixels, clips)) * 3 / GB,
            len(spans),
            len(clips),
            frames,
            round(side * MARGIN),
            round(side * MARGIN),
        ),
    )
    return spans


def _pixels(clip: Clip) -> int:
    return len(clip) * math.prod(clip.check())


class _Grid:
    """A clip, cut into spans side by side. What is left over at its edges is shared between them at random."""

    def __init__(self, clip: Clip, frames: int, side: int, seed: int, number: int) -> None:
        width, height = clip.check()
        self._clip = clip
        self._sides = min(frames, len(clip)), min(side, height), min(side, width)
        self._counts = tuple(whole // part for whole, part in zip((len(clip), height, width), self._sides, strict=True))
        spare = [whole % part for whole, part in zip((len(clip), height, width), self._sides, strict=True)]
        generator = np.random.default_rng(SeedSequence((seed, number), spawn_key=(SPAN_STREAM,)))
        self._offsets = [int(generator.integers(each + 1)) for each in spare]
        self.span_bytes = packed_bytes(self._sides[0], self._sides[2], self._sides[1])

    def __len__(self) -> int:
        return int(np.prod(self._counts))

    def span(self, index: int) -> Span:
        """Return a span by its number, in the order of time, then of rows."""
        places = np.unravel_index(index, self._counts)
        first, top, left = (
            offset + int(place) * side for offset, place, side in zip(self._offsets, places, self._sides, strict=True)
        )
        length, height, width = self._sides
        return Span(self._clip, first, length, top, left, height, width)
