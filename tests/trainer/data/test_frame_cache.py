"""The frame cache: cached frames are those of the clip, for any order of requests and any size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.clips import Frame
from trainer.data.frame_cache import CachedClip, FrameCache

FRAME_BYTES = 2 * 2 * 3


class CountingClip:
    """A clip that notes the frames that were read."""

    def __init__(self, name: str, value: int) -> None:
        self.name = name
        self.value = value
        self.requests: list[int] = []

    def __len__(self) -> int:
        return 20

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        self.requests += numbers
        return [np.full((2, 2, 3), self.value + n, np.uint8) for n in numbers]

    def check(self) -> tuple[int, int]:
        return 2, 2


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 19), min_size=1))), st.integers(0, 50))
def test_any_order_of_requests_gives_the_frames_of_the_clip(requests: list[tuple[bool, list[int]]], size: int) -> None:
    cache = FrameCache(size * FRAME_BYTES)
    clips = [CachedClip(CountingClip("a", 0), cache), CachedClip(CountingClip("b", 100), cache)]

    for other, numbers in requests:
        frames = clips[other].read(numbers)
        assert [int(frame[0, 0, 0]) for frame in frames] == [100 * other + n for n in numbers]
        assert cache._used == sum(each.nbytes for each in cache._frames.values()) <= size * FRAME_BYTES


def test_the_frames_used_last_stay() -> None:
    clip = CountingClip("a", 0)
    cached = CachedClip(clip, FrameCache(3 * FRAME_BYTES))

    for numbers in ([0, 1, 2], [0], [3], [0, 2, 3], [1]):
        cached.read(numbers)

    assert clip.requests == [0, 1, 2, 3, 1]
    assert (len(cached), cached.check(), cached.name) == (20, (2, 2), "a")
