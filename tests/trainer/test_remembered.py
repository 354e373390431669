"""Remembered pictures are those of the clip, whatever is asked for and however little is remembered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainer.clips import Picture
from trainer.remembered import Memory, RememberedClip

PICTURE = 2 * 2 * 3  # bytes


class Counted:
    """A clip that notes what it was asked for."""

    def __init__(self, name: str, value: int) -> None:
        self.name = name
        self.value = value
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 20

    def read(self, numbers: Sequence[int]) -> list[Picture]:
        self.asked += numbers
        return [np.full((2, 2, 3), self.value + n, np.uint8) for n in numbers]

    def check(self) -> tuple[int, int]:
        return 2, 2


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 19), min_size=1))), st.integers(0, 50))
def test_any_order_gives_the_clip_s_own_pictures(asked: list[tuple[bool, list[int]]], size: int) -> None:
    memory = Memory(size * PICTURE)
    clips = [RememberedClip(Counted("a", 0), memory), RememberedClip(Counted("b", 100), memory)]

    for other, numbers in asked:
        pictures = clips[other].read(numbers)
        assert [int(picture[0, 0, 0]) for picture in pictures] == [100 * other + n for n in numbers]
        assert memory._used == sum(each.nbytes for each in memory._pictures.values()) <= size * PICTURE


def test_what_was_used_last_is_kept() -> None:
    clip = Counted("a", 0)
    remembered = RememberedClip(clip, Memory(3 * PICTURE))

    for numbers in ([0, 1, 2], [0], [3], [0, 2, 3], [1]):
        remembered.read(numbers)

    assert clip.asked == [0, 1, 2, 3, 1]
    assert (len(remembered), remembered.check(), remembered.name) == (20, (2, 2), "a")
