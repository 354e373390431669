"""The size of the result: width, height, kernel and square pixels. The shape of the picture stays."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, get_args

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.video import core, numbered_clip, read_planes
from vsanimesr.options import Kernel

KERNELS = get_args(Kernel.__value__)
FORMATS = [vs.YUV420P8, vs.YUV410P8, vs.YUV422P8, vs.YUV440P8, vs.YUV411P8, vs.RGBS, vs.RGB24, vs.GRAY8]
DVD = Fraction(32, 27)


def make_clip(
    width: int, height: int, fmt: int = vs.YUV420P8, sar: Fraction | None = None, length: int = 1
) -> vs.VideoNode:
    clip = core.std.BlankClip(format=fmt, width=width, height=height, length=length)
    clip = core.std.SetFrameProps(clip, _Matrix=0 if clip.format.color_family == vs.RGB else 6)
    return clip if sar is None else core.std.SetFrameProps(clip, _SARNum=sar.numerator, _SARDen=sar.denominator)


def sar_of(frame: vs.VideoFrame) -> tuple[Any, Any]:
    return frame.props.get("_SARNum"), frame.props.get("_SARDen")


def test_a_dvd_becomes_1080p_in_one_call() -> None:
    upscaled = core.animesr.Upscale(make_clip(720, 480, sar=DVD), backend="null", height=1080, square=1)

    frame = upscaled.get_frame(0)
    assert (upscaled.width, upscaled.height, frame.width, frame.height) == (1920, 1080, 1920, 1080)
    assert sar_of(frame) == (1, 1)


@pytest.mark.parametrize(
    ("sar", "arguments", "size"),
    [
        (DVD, {}, (2880, 1920)),
        (DVD, {"square": 1}, (3414, 1920)),  # 3413.3
        (DVD, {"height": 1080}, (1620, 1080)),
        (DVD, {"width": 1440}, (1440, 960)),
        (DVD, {"width": 1920, "square": 1}, (1920, 1080)),
        (DVD, {"height": 720, "square": 1}, (1280, 720)),
        (Fraction(8, 9), {"height": 1080, "square": 1}, (1440, 1080)),
        (DVD, {"width": 1920, "height": 1080, "square": 1}, (1920, 1080)),
        (DVD, {"width": 854, "height": 480, "square": 1}, (854, 480)),  # 853.3
        (DVD, {"width": 640, "height": 480}, (640, 480)),
    ],
)
def test_the_other_side_follows(sar: Fraction, arguments: dict[str, int], size: tuple[int, int]) -> None:
    upscaled = core.animesr.Upscale(make_clip(720, 480, sar=sar), backend="null", **arguments)

    assert (upscaled.width, upscaled.height) == size


sides = st.integers(1, 40).map(lambda n: 4 * n)
LARGEST = 16384


@settings(max_examples=200, deadline=None)
@given(
    source=st.tuples(sides, sides),
    fmt=st.sampled_from(FORMATS),
    target=st.sampled_from([*FORMATS, None]),
    width=st.none() | st.integers(1, 300),
    height=st.none() | st.integers(1, 300),
    sar=st.none() | st.fractions(Fraction(1, 4), 4, max_denominator=99),
    square=st.booleans(),
    kernel=st.sampled_from(KERNELS),
)
@example((136, 4), vs.YUV420P8, vs.YUV420P8, None, 122, Fraction(352, 89), True, "bilinear")  # needs width=16406
def test_any_size_and_format(
    source: tuple[int, int],
    fmt: int,
    target: int | None,
    width: int | None,
    height: int | None,
    sar: Fraction | None,
    square: bool,
    kernel: str,
) -> None:
    """Either an error names an argument, or the size is what was asked for and the picture keeps its shape."""
    clip = make_clip(*source, fmt, sar)
    arguments = {"width": width, "height": height, "format": target}
    given = {name: value for name, value in arguments.items() if value is not None}
    shape = core.get_video_format(fmt if target is None else target)
    steps = 1 << shape.subsampling_w, 1 << shape.subsampling_h
    display = Fraction(*source) * (sar if square and sar else 1)

    def errors(width: int, height: int) -> list[Fraction]:
        """How far each side is from the one that the other needs, in units of half a step: up to 1 by rounding."""
        off = abs(height * display - width), abs(width / display - height)
        return [2 * o / step for o, step in zip(off, steps, strict=True)]

    message = ""
    try:
        upscaled = core.animesr.Upscale(clip, backend="null", kernel=kernel, square=int(square), **given)
    except vs.Error as error:
        message = str(error)
    if message:
        expected = [f"{name}={value}" for name, value in given.items()] + ["square=1"] * square
        assert any(text in message for text in expected)
        misfit = [value for value, step in zip((width, height), steps, strict=True) if value and value % step]
        if f"use at most {LARGEST} for both" in message:
            assert max((height or 0) * display, (width or 0) / display) > LARGEST - max(steps)
            return
        assert misfit or (square and (sar is None or (width and height and min(errors(width, height)) >= 1)))
        return

    assert upscaled.width == (width or upscaled.width)
    assert upscaled.height == (height or upscaled.height)
    assert (upscaled.width % steps[0], upscaled.height % steps[1]) == (0, 0)
    if width is None and (height is not None or square):
        assert abs(upscaled.height * display - upscaled.width) <= Fraction(steps[0], 2) or upscaled.width == steps[0]
    if height is None and width is not None:
        assert abs(upscaled.width / display - upscaled.height) <= Fraction(steps[1], 2) or upscaled.height == steps[1]
    if width and height and square:
        assert min(errors(width, height)) <= 1 or upscaled.width == steps[0] or upscaled.height == steps[1]
    if width is None and height is None:
        assert upscaled.height == 4 * source[1]
        assert square or upscaled.width == 4 * source[0]
    with upscaled.get_frame(0) as frame:
        assert (frame.width, frame.height) == (upscaled.width, upscaled.height)
        if sar is None:
            assert sar_of(frame) == (None, None)
        elif square:
            assert sar_of(frame) == (1, 1)
        else:
            found = sar * Fraction(*source) / Fraction(frame.width, frame.height)
            assert sar_of(frame) == (found.numerator, found.denominator)


@pytest.mark.parametrize("fmt", [vs.YUV420P10, vs.RGB24, vs.RGBS, vs.GRAY16])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_kernel_scales_the_sr_frame(kernel: str, fmt: int) -> None:
    clip = numbered_clip(2)
    sr = core.animesr.Upscale(clip, backend="null")
    scale = getattr(core.resize, kernel.capitalize())
    family = core.get_video_format(fmt).color_family
    matrix = {} if family == vs.RGB else {"matrix": 6}
    expected = scale(sr, 50, 34, format=fmt, range=int(family == vs.RGB), dither_type="error_diffusion", **matrix)

    upscaled = core.animesr.Upscale(clip, backend="null", width=50, height=34, kernel=kernel, format=fmt)

    assert read_planes(upscaled.get_frame(1)) == read_planes(expected.get_frame(1))


def test_the_kernel_is_bicubic_unless_given() -> None:
    clip = numbered_clip(1)
    first, second = (
        core.animesr.Upscale(clip, backend="null", width=50, **kernel).get_frame(0)
        for kernel in ({}, {"kernel": "bicubic"})
    )
    assert read_planes(first) == read_planes(second)


@pytest.mark.parametrize("location", [0, 1, 2])
def test_chroma_stays_in_its_place(location: int) -> None:
    """An edge between two colours of equal luma: where it is in the result, read by a converter of its own."""
    full = core.std.BlankClip(format=vs.RGBS, width=64, height=32, length=1, color=[0.1, 0.1, 0.1])
    edge = core.std.StackHorizontal(
        [core.std.CropAbs(full, 32, 32), core.std.BlankClip(full, width=32, color=[0.8, 0.1, 0.1])]
    )
    coded = core.resize.Bicubic(edge, format=vs.YUV420P16, matrix=1, chromaloc=location)
    at_once = core.animesr.Upscale(coded, backend="null", width=192, height=80)

    red = np.asarray(core.resize.Bicubic(at_once, format=vs.RGBS).get_frame(0)[0])[40]

    assert at_once.get_frame(0).props["_ChromaLocation"] == location
    assert abs(int(np.argmax(red > 0.45)) - 96) <= 2


@pytest.mark.parametrize("full", [0, 1])
def test_scaling_changes_no_colour(full: int) -> None:
    clip = core.std.BlankClip(format=vs.YUV420P16, width=32, height=32, length=1, color=[30000, 20000, 45000])
    clip = core.std.SetFrameProps(clip, _Matrix=5, _Range=full)

    frame = core.animesr.Upscale(clip, backend="null", width=50, height=34).get_frame(0)

    assert (frame.props["_Matrix"], frame.props["_Range"]) == (5, full)
    inner = [float(np.asarray(frame[p])[10:].mean()) for p in range(3)]  # the backend null writes a digest on top
    assert inner == pytest.approx([30000, 20000, 45000], abs=1)


def test_an_rgb_clip_becomes_bt709_by_the_lines_of_the_result() -> None:
    clip = core.std.BlankClip(format=vs.RGB24, width=320, height=200, length=1)
    for height, matrix in ((718, 6), (720, 1)):
        upscaled = core.animesr.Upscale(clip, backend="null", format=vs.YUV420P8, width=640, height=height)
        assert upscaled.get_frame(0).props["_Matrix"] == matrix


@pytest.mark.parametrize("square", [0, 1])
def test_every_frame_keeps_the_shape_of_its_own_picture(square: int) -> None:
    sars = [DVD, Fraction(8, 9), None, DVD]
    parts = [make_clip(72, 48, sar=sar) for sar in sars]

    upscaled = core.animesr.Upscale(core.std.Splice(parts), backend="null", width=192, height=108, square=square)

    for n, sar in enumerate(sars):
        frame = upscaled.get_frame(n)
        if sar is None:
            assert sar_of(frame) == (None, None)
        else:
            assert Fraction(*sar_of(frame)) * Fraction(192, 108) == sar * Fraction(72, 48)


def test_square_pixels_after_rounding() -> None:
    """853.3 pixels become 854: frames like the first are square all the same, others are what they are."""
    clip = make_clip(720, 480, sar=DVD) + make_clip(720, 480, sar=Fraction(8, 9))

    upscaled = core.animesr.Upscale(clip, backend="null", height=480, square=1)

    assert (upscaled.width, upscaled.height) == (854, 480)
    assert sar_of(upscaled.get_frame(0)) == (1, 1)
    assert sar_of(upscaled.get_frame(1)) == (320, 427)


@settings(max_examples=60, deadline=None)
@given(first=st.fractions(Fraction(1, 2), 2, max_denominator=50), height=st.integers(1, 60))
def test_square_pixels_of_rgbs_without_a_conversion(first: Fraction, height: int) -> None:
    clip = make_clip(8, 15, vs.RGBS, first)
    assume(round(60 * Fraction(8, 15) * first) > 0)

    frame = core.animesr.Upscale(clip, backend="null", height=height, square=1).get_frame(0)

    assert sar_of(frame) == (1, 1)
