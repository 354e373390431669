"""What is held out of training: whole clips or their ends, always the same; windows spread over it."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.core.validation import Validation
from trainer.data.clips import Clip, Frame
from trainer.errors import SettingError
from trainer.vsr.held_out import ENOUGH, choose_windows, hold_out


class NumberedClip:
    """A clip whose pixels are the numbers of its frames."""

    def __init__(self, name: str, length: int) -> None:
        self.name = name
        self._length = length

    def __len__(self) -> int:
        return self._length

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        assert all(0 <= n < self._length for n in numbers)
        return [np.full((1, 1, 3), n, np.uint8) for n in numbers]

    def check(self) -> tuple[int, int]:
        return 1, 1

    def digest(self) -> str:
        return self.name


def frames_of(clip: Clip) -> set[tuple[str, int]]:
    return {(clip.name.partition(",")[0], int(frame[0, 0, 0])) for frame in clip.read(range(len(clip)))}


lengths = st.lists(st.integers(20, 200), min_size=1, max_size=12)


@settings(deadline=None)
@given(lengths=lengths, seed=st.integers(0, 9), share=st.floats(0.01, 0.5), frames=st.integers(2, 20))
def test_no_frame_is_trained_on_and_held_out(lengths: list[int], seed: int, share: float, frames: int) -> None:
    clips = [NumberedClip(f"c{number}", length) for number, length in enumerate(lengths)]
    validation = Validation(every=1, share=share, frames=frames)

    train, held = hold_out(clips, validation, seed=seed, least=5)

    trained, scored = (set().union(*map(frames_of, part)) for part in (train, held))
    assert not trained & scored
    assert trained | scored == set().union(*map(frames_of, clips))
    assert train
    assert held
    assert all(len(clip) >= 5 for clip in train)
    if len(clips) >= ENOUGH:
        assert len(held) == max(1, round(share * len(clips)))
        assert [clip.name for clip in train] == sorted((clip.name for clip in train), key=lambda name: int(name[1:]))
    for window in choose_windows(held, validation):
        shown = frames_of(window)
        assert len(shown) == len(window)
        assert shown <= scored


def test_names_and_seed_decide_which_clips_are_held_out() -> None:
    def held(seed: int, *, moved: int = 0) -> list[str]:
        clips = [NumberedClip(f"c{(number + moved) % 20}", 30) for number in range(20)]
        return sorted(clip.name for clip in hold_out(clips, Validation(every=1), seed=seed, least=3)[1])

    assert held(0) == held(0, moved=7)
    assert len({tuple(held(seed)) for seed in range(6)}) > 3


def test_of_few_clips_the_end_is_held_out_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    long, short = NumberedClip("long", 200), NumberedClip("short", 6)
    with caplog.at_level("INFO"):
        train, held = hold_out([long, short], Validation(every=1), seed=0, least=5)

    assert frames_of(held[0]) == {("long", n) for n in range(180, 200)}
    assert [len(clip) for clip in train] == [180, 6]
    assert (
        "of fewer than 5 clips, the ends are held out, which may show what training sees: long, frames 180"
        in caplog.text
    )
    with pytest.raises(SettingError, match=r"none is long enough .* set validation\.every=0"):
        hold_out([short], Validation(every=1), seed=0, least=5)


def test_parts_of_a_clip_go_to_other_processes_and_say_which_they_are() -> None:
    (train,), (held,) = hold_out([NumberedClip("c", 100)], Validation(every=1), seed=0, least=5)

    assert frames_of(pickle.loads(pickle.dumps(train))) == frames_of(train)
    assert (train.name, held.name) == ("c, frames 0 to 87, 1x1 at 0,0", "c, frames 88 to 99, 1x1 at 0,0")


def test_windows_are_spread_over_all_that_is_held_out() -> None:
    clips = [NumberedClip(name, 100) for name in "ab"]

    windows = choose_windows(clips, Validation(every=1, windows=4, frames=10))

    assert [(each.clip.name, each.numbers[0], len(each)) for each in windows] == [
        *(("a", 20, 10), ("a", 70, 10), ("b", 20, 10), ("b", 70, 10)),
    ]
