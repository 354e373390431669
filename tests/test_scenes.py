"""`core.animesr.Scenes`: where scenes start, whatever the order of requests, the format, the size, and other frames."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.video import break_frames, core, numbered_clip, read_planes

type Picture = NDArray[np.float64]
"""(height, width): luma, 0 to 1."""

WIDTH, HEIGHT = 240, 160
PROPERTY = "_SceneChangePrev"
BEFORE, AFTER = 5, 4
"""How many frames on each side a decision depends on."""


def make_scene(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Return a picture of rectangles of different grey on a soft background, twice as wide as a frame."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, 2 * width), 0.5) + np.linspace(-0.1, 0.1, 2 * width)
    for _ in range(60):
        x, y = rng.integers(2 * width), rng.integers(height)
        w, h = rng.integers(width // 12, width // 4), rng.integers(height // 12, height // 3)
        picture[y : y + h, x : x + w] = rng.uniform(0.1, 0.9)
    return picture


def hold(seed: int, frames: int) -> list[Picture]:
    """Return a scene without motion."""
    return [make_scene(seed)[:, :WIDTH]] * frames


def pan(seed: int, frames: int, speed: int) -> list[Picture]:
    """Return a scene that moves by `speed` pixels a frame."""
    scene = make_scene(seed)
    return [scene[:, n * speed : n * speed + WIDTH] for n in range(frames)]


def mix(one: Picture, other: Picture | float, share: float) -> Picture:
    return one * (1 - share) + other * share


def make_clip(pictures: Sequence[Picture], format: int = vs.GRAY8) -> vs.VideoNode:
    """Return a clip of these pictures, in the first plane of YUV and in all planes of RGB."""
    height, width = pictures[0].shape
    blank = core.std.BlankClip(format=vs.GRAYS, width=width, height=height, length=len(pictures), keep=True)

    def draw(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        np.asarray(frame[0])[:] = pictures[n]
        return frame

    drawn = core.std.ModifyFrame(blank, blank, draw)
    if core.get_video_format(format).color_family == vs.RGB:
        drawn = core.std.ShufflePlanes([drawn] * 3, [0, 0, 0], vs.RGB)
        return core.resize.Bicubic(drawn, format=format)
    return core.resize.Bicubic(drawn, format=format, range_in_s="full", range_s="full", matrix_s="709")


def find(clip: vs.VideoNode) -> set[int]:
    """Return the frames that start a scene."""
    return {n for n, frame in enumerate(core.animesr.Scenes(clip).frames(close=True)) if frame.props[PROPERTY] == 1}


def test_cuts_between_scenes_that_stand_and_move() -> None:
    pictures = [*hold(1, 10), *pan(2, 20, 6), *hold(3, 10), *pan(4, 12, 9)[::3]]

    assert find(make_clip(pictures)) == {0, 10, 30, 40}


def test_a_pan_on_threes_is_one_scene() -> None:
    held = [pan(5, 30, 4)[n - n % 3] for n in range(30)]

    assert find(make_clip(held)) == {0}


def test_a_cut_between_dark_scenes() -> None:
    pictures = [0.02 + 0.12 * picture for picture in [*hold(6, 10), *hold(7, 10)]]

    assert find(make_clip(pictures)) == {0, 10}


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_a_flash_starts_a_scene_and_so_does_what_follows_it(length: int, colour: float) -> None:
    pictures = pan(8, 30, 2)
    for n in range(15, 15 + length):
        pictures[n] = mix(pictures[n], colour, 0.8)

    assert find(make_clip(pictures)) == {0, 15, 15 + length}


@pytest.mark.parametrize("length", [1, 2, 3])
def test_an_impact_frame_starts_a_scene_and_so_does_what_follows_it(length: int) -> None:
    one, other = pan(8, 30, 2), make_scene(28)[:, :WIDTH]
    pictures = [*one[:15], *[other - other.mean() + one[15].mean()] * length, *one[15 + length :]]

    assert find(make_clip(pictures)) == {0, 15, 15 + length}


@pytest.mark.parametrize("colour", [0.0, 1.0])
@pytest.mark.parametrize("frames", [8, 16, 24])
def test_a_fade_starts_two_scenes_at_most(frames: int, colour: float) -> None:
    shares = np.linspace(0, 1, frames + 1)[1:]
    pictures = [*hold(9, 10), *(mix(hold(9, 1)[0], colour, share) for share in shares)]
    pictures += [mix(hold(10, 1)[0], colour, 1 - share) for share in shares] + hold(10, 10)

    assert len(find(make_clip(pictures)) - {0}) <= 2


def test_a_dissolve_starts_no_scene() -> None:
    pictures = [*hold(11, 10), *(mix(hold(11, 1)[0], hold(12, 1)[0], n / 13) for n in range(1, 13)), *hold(12, 10)]

    assert find(make_clip(pictures)) == {0}


def test_grain_starts_no_scene() -> None:
    rng = np.random.default_rng(13)
    pictures = [picture + rng.normal(0, 0.04, picture.shape) for picture in hold(13, 30)]

    assert find(make_clip(pictures)) == {0}


FORMATS = [
    vs.GRAY8, vs.GRAY10, vs.GRAY16, vs.GRAYH, vs.GRAYS, vs.YUV420P8, vs.YUV444P10, vs.YUV422P16, vs.YUV444PS, vs.RGB24,
    vs.RGB30, vs.RGBH, vs.RGBS,
]  # fmt: skip


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_the_same_scenes(format: int) -> None:
    pictures = [*hold(14, 8), *pan(15, 12, 5), *hold(16, 8)]

    assert find(make_clip(pictures, format)) == {0, 8, 20}


@pytest.mark.parametrize("format", FORMATS)
def test_brightness_has_the_same_scale_in_every_format(format: int) -> None:
    def jump(levels: int) -> vs.VideoNode:
        return make_clip([np.full((16, 16), (100 + levels * (n >= 10)) / 255) for n in range(20)], format)

    assert find(jump(10)) == {0}
    assert find(jump(14)) == {0, 10}


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.sampled_from([vs.GRAY8, vs.GRAY16, vs.GRAYS]))
def test_every_size_and_length(width: int, height: int, frames: int, format: int) -> None:
    rng = np.random.default_rng(width)
    found = find(make_clip([rng.random((height, width)) for _ in range(frames)], format))

    assert 0 in found
    assert found <= set(range(frames))


def test_a_black_frame_and_a_white_one_of_a_single_pixel() -> None:
    assert find(make_clip([np.full((1, 1), float(n > 5)) for n in range(12)])) == {0, 6}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("format", [vs.GRAYS, vs.GRAYH])
def test_values_that_are_no_luma(value: float, format: int) -> None:
    clip = make_clip([*hold(17, 10), *hold(18, 10)], format)

    def spoil(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        frame = f.copy()
        with np.errstate(over="ignore"):
            np.asarray(frame[0])[5:9, 5:9] = value
        return frame

    assert find(core.std.ModifyFrame(clip, clip, spoil)) == {0, 10}


def test_pixels_and_other_properties_stay() -> None:
    clip = core.std.SetFrameProps(make_clip(hold(18, 3), vs.YUV420P10), Mine=7)
    for before, after in zip(clip.frames(), core.animesr.Scenes(clip).frames(), strict=True):
        assert read_planes(after) == read_planes(before)
        assert dict(after.props) == {**before.props, PROPERTY: after.props[PROPERTY]}


SCENES = [*hold(19, 6), *pan(20, 15, 7), *hold(21, 3), *hold(22, 9), *pan(23, 12, 3), *hold(24, 1), *hold(25, 8)]
STARTS = find(make_clip(SCENES))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(SCENES) - 1), min_size=1, max_size=60))
def test_the_order_of_requests_does_not_count(order: list[int]) -> None:
    clip = core.animesr.Scenes(make_clip(SCENES))
    futures = [(n, clip.get_frame_async(n)) for n in order]

    for n, future in futures:
        with future.result() as frame:
            assert frame.props[PROPERTY] == (n in STARTS)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, len(SCENES) - 1), st.integers(0, 1000))
def test_a_decision_depends_on_few_frames(n: int, seed: int) -> None:
    rng = random.Random(seed)
    near = range(n - BEFORE, n + AFTER + 1)
    pictures = [picture if k in near else rng.choice(SCENES) for k, picture in enumerate(SCENES)]

    with core.animesr.Scenes(make_clip(pictures)).get_frame(n) as frame:
        assert frame.props[PROPERTY] == (n in STARTS)


def frames_that_fail(clip: vs.VideoNode) -> set[int]:
    failed = set()
    for n in range(len(clip)):
        try:
            clip.get_frame(n).close()
        except vs.Error:
            failed.add(n)
    return failed


def test_an_unreadable_frame_fails_the_decisions_that_need_it() -> None:
    clip = break_frames(make_clip(SCENES), {20})

    assert frames_that_fail(core.animesr.Scenes(clip)) == set(range(20 - AFTER, 20 + BEFORE + 1))


@pytest.mark.parametrize("value", [0, 1, 7, "text"])
def test_a_frame_with_the_property_stays_and_needs_no_other(value: int | str) -> None:
    marked = core.std.SetFrameProps(break_frames(make_clip(SCENES), {20}), **{PROPERTY: value})
    found = core.animesr.Scenes(marked)

    assert frames_that_fail(found) == {20}
    assert {frame.props[PROPERTY] for frame in found[21:].frames()} == {value}


def test_frames_with_and_without_the_property_may_alternate() -> None:
    clip = make_clip(SCENES)
    marked = core.std.Interleave([core.std.SetFrameProps(clip, **{PROPERTY: 0})[::2], clip[1::2]])

    assert find(marked) == {n for n in STARTS if n % 2} - {0}


def test_upscale_takes_the_scenes_by_default() -> None:
    clip = make_clip([picture[:24, :40] for picture in SCENES], vs.RGBS)
    starts = sorted(find(clip))
    assert len(starts) > 1
    automatic = core.animesr.Upscale(clip, backend="null")
    listed = core.animesr.Upscale(clip, backend="null", scene_change=starts)

    for one, other in zip(automatic.frames(), listed.frames(), strict=True):
        assert read_planes(one) == read_planes(other)


def test_upscale_takes_the_property_where_it_is() -> None:
    clip = numbered_clip(12, cuts={4, 9})  # too small and smooth to have cuts
    automatic = core.animesr.Upscale(clip, backend="null")
    by_property = core.animesr.Upscale(clip, backend="null", scene_change="props")

    for one, other in zip(automatic.frames(), by_property.frames(), strict=True):
        assert read_planes(one) == read_planes(other)


def test_a_clip_whose_format_changes_is_refused() -> None:
    clips = [core.std.BlankClip(format=each, width=16, height=16, length=1) for each in (vs.GRAY8, vs.GRAY16)]

    with pytest.raises(vs.Error, match=r"Scenes: .*changes its size or format.*resize"):
        core.animesr.Scenes(core.std.Splice(clips, mismatch=True))


@pytest.mark.parametrize(("plane", "found"), [(0, {0}), (1, {0, 10}), (2, {0})])
def test_rgb_is_judged_by_its_green(plane: int, found: set[int]) -> None:
    still, cut = make_clip(hold(26, 20)), make_clip([*hold(26, 10), *hold(27, 10)])
    planes = [cut if each == plane else still for each in range(3)]

    assert find(core.std.ShufflePlanes(planes, [0, 0, 0], vs.RGB)) == found
