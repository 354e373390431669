"""Views, crops, places, and what a frame of the page holds."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.video import break_frames
from vsanimesr.comparison.clips import Clip, read_rgb
from vsanimesr.comparison.differences import find_places, measure_differences
from vsanimesr.comparison.shots import (
    SMALLEST_CROP,
    Box,
    Picture,
    compared_views,
    crop_around,
    cut_out,
    list_views,
    page_size,
    take_shot,
)
from vsanimesr.errors import OptionError

core = vs.core
RNG = np.random.default_rng(5)
sides = st.integers(1, 300)


def make_clip(label: str, *frames: NDArray[np.uint8]) -> Clip:
    """Return a clip of these RGB frames."""
    height, width, _ = frames[0].shape
    blank = core.std.BlankClip(format=vs.RGB24, width=width, height=height, length=len(frames))

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        for plane in range(3):
            np.copyto(np.asarray(frame[plane]), frames[n][:, :, plane])
        return frame

    return Clip.of(label, Path(f"{label}.mkv"), core.std.ModifyFrame(blank, blank, draw))


def noise(width: int, height: int) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def decode(picture: Picture) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(picture.image)) as image:
        return np.asarray(image)


SOURCE, RESULT, OTHER = (
    make_clip("source", noise(32, 24)),
    make_clip("v1", noise(128, 96)),
    make_clip("v2", noise(128, 96)),
)
TWICE = make_clip("twice", noise(64, 48))
HQ = make_clip("reference", noise(128, 96))


@pytest.mark.parametrize(
    ("clips", "reference", "labels", "compared"),
    [
        ([SOURCE, RESULT], None, ["source (nearest)", "source (bicubic)", "v1"], [1, 2]),
        ([SOURCE, RESULT, OTHER], None, ["source (nearest)", "source (bicubic)", "v1", "v2"], [2, 3]),
        ([RESULT, OTHER], None, ["v1", "v2"], [0, 1]),
        ([RESULT, OTHER], HQ, ["v1", "v2", "reference"], [0, 1]),
        ([SOURCE, TWICE, RESULT], None, ["source (nearest)", "source (bicubic)", "twice (bicubic)", "v1"], [1, 2, 3]),
        ([SOURCE, TWICE], HQ, ["source (nearest)", "source (bicubic)", "twice (bicubic)", "reference"], [1, 2]),
        ([RESULT], HQ, ["v1", "reference"], [0, 1]),
    ],
)
def test_views(clips: Sequence[Clip], reference: Clip | None, labels: list[str], compared: list[int]) -> None:
    views = list_views(clips, reference)

    assert [view.label for view in views] == labels
    assert [index for index, view in enumerate(views) if view in compared_views(views)] == compared
    assert [view.reference for view in views] == [view.clip is reference for view in views]


@given(sides, sides, st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_a_crop_lies_in_the_frame_around_the_place(width: int, height: int, x: float, y: float, share: float) -> None:
    place = int(x * (width - 1)), int(y * (height - 1))
    box = crop_around((width, height), place, share)

    assert box == Box(*(int(value) for value in box))
    assert 0 <= box.x <= place[0] < box.x + box.width <= width
    assert 0 <= box.y <= place[1] < box.y + box.height <= height
    assert box.width >= min(width, SMALLEST_CROP)
    assert share < 1 or box == Box(0, 0, width, height)
    assert box.width * box.height <= max(share * width * height, SMALLEST_CROP * max(width, height)) + width + height


@given(sides, sides, st.integers(1, 80), st.integers(1, 80), st.data())
def test_a_cut_holds_the_pixels_that_show_in_the_crop(
    width: int, height: int, small_width: int, small_height: int, data: st.DataObject
) -> None:
    size = width, height
    small_width, small_height = min(width, small_width), min(height, small_height)
    frame = np.dstack([*np.indices((small_height, small_width)), np.zeros((small_height, small_width))]).astype(
        np.uint8
    )
    place = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    crop = crop_around(size, place, data.draw(st.floats(0.01, 1)))
    pixels, box = cut_out(frame, size, crop)
    across, down = Fraction(width, small_width), Fraction(height, small_height)

    # The box covers the crop, and reaches less than a pixel beyond.
    assert crop.x - across < box.x <= crop.x
    assert crop.y - down < box.y <= crop.y
    beyond = box.x + box.width - (crop.x + crop.width), box.y + box.height - (crop.y + crop.height)
    assert -1e-9 < beyond[0] < across - 1e-9
    assert -1e-9 < beyond[1] < down - 1e-9
    # Its pixels are those that lie there.
    assert pixels.shape[:2] == (pytest.approx(box.height / down), pytest.approx(box.width / across))
    assert pixels[0, 0, :2].tolist() == [pytest.approx(box.y / down), pytest.approx(box.x / across)]


@given(st.integers(0, 20), st.integers(0, 14), st.integers(0, 20), st.integers(0, 14))
def test_the_places_are_where_pictures_differ_most(x: int, y: int, other_x: int, other_y: int) -> None:
    a = np.zeros((128, 192, 3), np.uint8)
    b, c = a.copy(), a.copy()
    b[8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = 200
    c[8 * other_y : 8 * other_y + 8, 8 * other_x : 8 * other_x + 8, 1] = 60
    first, *others = find_places([a, b, c], (32, 24))

    assert abs(first[0] - (8 * x + 4)) <= 16
    assert abs(first[1] - (8 * y + 4)) <= 12
    assert len(others) <= 3
    if abs(x - other_x) > 6 or abs(y - other_y) > 6:
        assert any(abs(p - (8 * other_x + 4)) <= 16 and abs(q - (8 * other_y + 4)) <= 12 for p, q in others)
    assert all(0 <= p < 192 and 0 <= q < 128 for p, q in [first, *others])


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (200, 9), (9, 200)])
def test_places_of_any_size(size: tuple[int, int]) -> None:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    window = max(1, size[0] // 6), max(1, size[1] // 6)

    assert find_places([picture, picture], window) == [(size[0] // 2, size[1] // 2)]
    changed = picture.copy()
    changed[-1, -1] = 255
    (x, y), *_ = find_places([picture, changed], window)
    assert size[0] - x <= 24
    assert size[1] - y <= 24
    assert x < size[0]
    assert y < size[1]


def test_differences_of_frames() -> None:
    grey = [np.full((16, 16, 3), value, np.uint8) for value in (100, 110, 140)]
    a, b, c = (
        make_clip("a", *[grey[0]] * 3),
        make_clip("b", grey[0], grey[1], grey[0]),
        make_clip("c", *grey[:1] * 2, grey[2]),
    )
    done: list[int] = []
    found = measure_differences([(clip.path, clip.to_rgb24()) for clip in (a, b, c)], [0, 1, 2], done.append)

    assert found == {0: 0, 1: pytest.approx(10 / 255), 2: pytest.approx(40 / 255)}
    assert done == [1, 2, 3]


def test_a_frame_that_cannot_be_measured_is_named() -> None:
    good, bad = make_clip("good", *[noise(16, 16)] * 4), make_clip("bad", *[noise(16, 16)] * 4)
    clips = [(good.path, good.to_rgb24()), (bad.path, break_frames(bad.to_rgb24(), [2]))]
    with pytest.raises(OptionError, match=r"bad\.mkv: frame 2 cannot be read .*damaged"):
        measure_differences(clips, [0, 2, 3], lambda _: None)


def test_a_shot_holds_the_pixels_of_all_views() -> None:
    views = list_views([SOURCE, RESULT, OTHER], HQ)
    shot = take_shot(views, page_size([HQ]), 0, budget=10**6)
    nearest, bicubic, v1, v2, reference = (decode(picture) for picture in shot.pictures)

    assert shot.crop == Box(0, 0, 128, 96)
    assert {picture.box for picture in shot.pictures} == {shot.crop}
    assert np.array_equal(nearest, read_rgb(SOURCE.path, SOURCE.frames, 0))
    assert np.array_equal(bicubic, read_rgb(SOURCE.path, SOURCE.frames.resize.Bicubic(128, 96), 0))
    for clip, picture in ((RESULT, v1), (OTHER, v2), (HQ, reference)):
        assert np.array_equal(picture, read_rgb(clip.path, clip.frames, 0))
    assert [metrics is None for metrics in shot.metrics] == [True, False, False, False, True]


def test_a_shot_is_cropped_to_its_budget_around_the_largest_difference() -> None:
    frame = noise(640, 480)
    changed = frame.copy()
    changed[100:140, 500:560] ^= 128
    changed[460:470, 10:20] ^= 32  # beyond the crop
    views = list_views([make_clip("source", frame[::4, ::4]), make_clip("a", frame), make_clip("b", changed)], None)
    whole = take_shot(views, (640, 480), 0, budget=10**9)
    budget = 500_000
    shot = take_shot(views, (640, 480), 0, budget)

    assert whole.crop == Box(0, 0, 640, 480)
    assert len(whole.places) == 2
    assert sum(4 * len(picture.image) / 3 for picture in whole.pictures) > budget
    assert 0.5 * budget < sum(4 * len(picture.image) / 3 for picture in shot.pictures) <= budget
    assert shot.places == [place for place in whole.places if shot.crop.holds(place)]
    assert shot.places[0] == whole.places[0]
    x, y, width, height = (int(value) for value in shot.crop)
    assert x <= 500 < 560 <= x + width
    assert y <= 100 < 140 <= y + height
    assert np.array_equal(decode(shot.pictures[2]), frame[y : y + height, x : x + width])
    tiny = take_shot(views, (640, 480), 0, budget=1)  # cannot be met, and ends
    assert (tiny.crop.width, tiny.crop.height) == (SMALLEST_CROP, SMALLEST_CROP)
