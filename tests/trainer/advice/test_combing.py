"""Combing: which clips are taken for combed. The rates of errors are in docs/reports/advice.md."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.studies.combs import interlaced, lower_first, progressive, telecined
from tests.trainer.clips import cartoon_clip
from trainer.advice.combing import Combing, measure_clip, measure_frames
from trainer.data.clips import Frame
from trainer.data.uint8 import Frames
from trainer.degradation.codec import h264_options, transcode

FILM = np.ascontiguousarray(cartoon_clip(20, 96, 128).permute(0, 2, 3, 1).numpy())


class FramesClip:
    """Frames in memory."""

    name = "clip"

    def __init__(self, frames: Frames) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, numbers: list[int]) -> list[Frame]:
        return [self.frames[n] for n in numbers]


@pytest.mark.parametrize("make", [telecined, interlaced, lower_first])
@pytest.mark.parametrize("crf", [None, 28])
def test_finds_combing(make: Callable[[Frames], Frames], crf: int | None) -> None:
    clip = make(FILM)
    found = measure_frames(list(clip if crf is None else transcode(clip, "h264", h264_options(crf, "high"))))

    assert found.is_found
    assert not found.is_excluded


def test_progressive_video_is_not_combed() -> None:
    found = measure_frames(list(progressive(FILM)))

    assert (found.upper_first, found.lower_first, found.is_excluded) == (0, 0, True)


def test_held_drawings_are_not_combed() -> None:
    found = measure_frames(list(FILM.repeat(2, 0)))

    assert found.combed == 0


def test_a_film_on_twos_is_found_when_it_is_telecined() -> None:
    assert measure_frames(list(telecined(FILM.repeat(2, 0)))).is_found


@settings(max_examples=30, deadline=None)
@given(thickness=st.integers(1, 4), up=st.integers(-3, 3), aside=st.integers(-5, 5))
def test_horizontal_lines_are_not_combing(thickness: int, up: int, aside: int) -> None:
    y, x = np.mgrid[:64, :96]
    clip = [
        np.where(((y + up * n) // thickness % 5 == 0) & ((x + aside * n) // 30 % 2 == 0), 30, 220) for n in range(12)
    ]
    found = measure_frames([each.astype(np.uint8)[..., None].repeat(3, 2) for each in clip])

    assert not found.is_found


@pytest.mark.parametrize(
    ("judged", "upper_first", "lower_first", "is_found", "is_excluded"),
    [
        (20, 3, 0, True, False),
        (20, 0, 4, True, False),
        (20, 2, 0, False, True),  # too few
        (40, 3, 0, False, True),  # too small a share
        (20, 6, 4, False, True),  # by turns in both orders
        (2, 2, 0, False, False),
    ],
)
def test_a_clip_is_combed_by_number_share_and_order(
    judged: int, upper_first: int, lower_first: int, is_found: bool, is_excluded: bool
) -> None:
    found = Combing(50, judged, upper_first, lower_first)

    assert (found.is_found, found.is_excluded) == (is_found, is_excluded)


def test_a_still_clip_says_nothing() -> None:
    found = measure_frames([FILM[0]] * 12)

    assert found == Combing(12)
    assert not found.is_found
    assert not found.is_excluded


def test_places_of_a_clip_do_not_overlap() -> None:
    clip = FramesClip(FILM)

    assert measure_clip(clip, places=6, length=12).frames == 12  # type: ignore[arg-type]
    assert measure_clip(clip, places=6, length=4).frames == 20  # type: ignore[arg-type]
    assert measure_clip(clip, places=6, length=40).frames == 20  # type: ignore[arg-type]
