"""The plan of a job: which frames each chunk has."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

TARGET = 240
"""Frames that a chunk has at most, if no part of a scene is longer. It is the default length of a segment, and near
the distance of key frames that encoders choose by themselves, so chunks cost next to no bytes."""


class Chunk(NamedTuple):
    """Frames `start` to before `end` of the script's output 0."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def plan(scenes: Sequence[int], first: int, last: int, segment: int, target: int = TARGET) -> list[Chunk]:
    """Cut the frames `first` to before `last` into chunks that start where a run of the network starts.

    Short scenes are joined, and long ones cut where segments start, so that a chunk has at most `target` frames where
    that is possible. The first chunk starts at `first` whatever is there.

    Args:
        scenes: the frames where scenes start, ascending. The first is at or before `first`.
        segment: the length of segments; 0 if scenes are not cut.
    """
    chunks, start = [], first
    for here, there in pairwise([*_run_starts(scenes, first, last, segment), last]):
        if here > start and there - start > target:
            chunks.append(Chunk(start, here))
            start = here
    return [*chunks, Chunk(start, last)]


def count_steps(scenes: Sequence[int], chunk: Chunk, segment: Sequence[int], preroll: int) -> int:
    """Return how many steps of the network a chunk takes, if no frame is held.

    Args:
        segment: length and warm-up of segments.
    """
    length, warmup = segment
    begun = _run_starts(scenes[: bisect_right(scenes, chunk.start)], -1, chunk.start + 1, length)[-1]
    starts = [begun, *_run_starts(scenes, chunk.start, chunk.end, length)]
    warmups = sum(start not in scenes for start in starts)
    return chunk.end - begun + len(starts) * preroll + warmups * warmup


def _run_starts(scenes: Sequence[int], first: int, last: int, segment: int) -> list[int]:
    """Return the frames after `first` and before `last` where a scene or a segment of one starts, ascending.

    A scene is cut `segment` frames after its start, and from there on at every multiple of `segment`
    (docs/design.md, 2).
    """
    starts: list[int] = []
    for scene, end in pairwise([*scenes, max(last, scenes[-1] + 1)]):
        starts.append(scene)
        if segment and scene + segment < end:
            second = scene + segment
            starts += [second, *range((second // segment + 1) * segment, end, segment)]
    return [start for start in starts if first < start < last]
