"""Formats, colours and frame properties: the output has those of the clip, at four times the size."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video import collect_log, core

LAYOUTS = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "411": (2, 0), "440": (0, 1)}
INTEGERS = (8, 9, 10, 12, 14, 16)
MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # Kr, Kb


def list_formats() -> list[vs.VideoFormat]:
    found = []
    for family, layouts in ((vs.YUV, LAYOUTS.values()), (vs.RGB, [(0, 0)]), (vs.GRAY, [(0, 0)])):
        for w, h in layouts:
            found += [core.query_video_format(family, vs.INTEGER, bits, w, h) for bits in INTEGERS]
            found += [core.query_video_format(family, vs.FLOAT, bits, w, h) for bits in (16, 32)]
    return found


def make_flat_clip(fmt: vs.VideoFormat, colour: list[float], width: int = 32, height: int = 16) -> vs.VideoNode:
    """Return a clip of one colour, given as fractions of the format's limited range (RGB: of its full range)."""
    values = []
    for plane, value in enumerate(colour[: fmt.num_planes]):
        chroma = fmt.color_family == vs.YUV and plane > 0
        if fmt.sample_type == vs.FLOAT:
            values.append(value - 0.5 * chroma)
        elif fmt.color_family == vs.RGB:
            values.append(round(value * (2**fmt.bits_per_sample - 1)))
        else:
            values.append(round((16 + value * (224 if chroma else 219)) * 2 ** (fmt.bits_per_sample - 8)))
    return core.std.BlankClip(format=fmt.id, width=width, height=height, length=2, color=values)


def read_colour(clip: vs.VideoNode) -> list[float]:
    """Return the mean colour of the inner part of frame 1, as in `make_flat_clip`."""
    fmt, frame = clip.format, clip.get_frame(1)
    values: list[float] = []
    for plane in range(fmt.num_planes):
        samples = np.asarray(frame[plane]).astype(np.float64)
        value = float(samples[samples.shape[0] // 4 :, samples.shape[1] // 4 :].mean())
        chroma = fmt.color_family == vs.YUV and plane > 0
        if fmt.sample_type == vs.FLOAT:
            values.append(value + 0.5 * chroma)
        elif fmt.color_family == vs.RGB:
            values.append(value / (2**fmt.bits_per_sample - 1))
        else:
            values.append((value / 2 ** (fmt.bits_per_sample - 8) - 16) / (224 if chroma else 219))
    return values


@pytest.mark.parametrize("fmt", list_formats(), ids=lambda fmt: fmt.name)
def test_the_output_has_the_format_and_colour_of_the_clip(fmt: vs.VideoFormat) -> None:
    clip = core.std.SetFrameProps(
        make_flat_clip(fmt, [0.5, 0.55, 0.4]), **({} if fmt.color_family == vs.RGB else {"_Matrix": 1})
    )

    upscaled = core.animesr.Upscale(clip, backend="null")

    assert upscaled.format.id == fmt.id
    assert (upscaled.width, upscaled.height) == (128, 64)
    step = 2.0**-8 if fmt.sample_type == vs.INTEGER and fmt.bits_per_sample == 8 else 2.0**-9
    assert read_colour(upscaled) == pytest.approx([0.5, 0.55, 0.4][: fmt.num_planes], abs=step)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True])
def test_the_clips_matrix_and_range_are_used_both_ways(matrix: int, full: bool) -> None:
    """The network gets the RGB that the properties define, and the output's properties match its values."""
    kr, kb = MATRICES[matrix]
    red, green, blue = 0.7, 0.4, 0.2
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = [0.5 + (blue - luma) / (2 - 2 * kb), 0.5 + (red - luma) / (2 - 2 * kr)]
    fmt = core.get_video_format(vs.YUV444P16)
    top = 2**16 - 1 if full else 219 * 256
    values = [round(luma * top) + (0 if full else 4096)]
    values += [round((c - 0.5) * (top if full else 224 * 256)) + 2**15 for c in chroma]
    clip = core.std.BlankClip(format=fmt.id, width=16, height=16, length=2, color=values)
    clip = core.std.SetFrameProps(clip, _Matrix=matrix, _Range=int(full))

    assert read_colour(core.animesr.Upscale(clip, backend="null", format=vs.RGBS)) == pytest.approx(
        [red, green, blue], abs=1e-4
    )
    back = core.animesr.Upscale(clip, backend="null").get_frame(1)
    assert [float(np.asarray(back[p]).astype(float)[8:].mean()) for p in range(3)] == pytest.approx(values, abs=1)
    assert (back.props["_Matrix"], back.props["_Range"]) == (matrix, int(full))


@pytest.mark.parametrize(("height", "matrix"), [(480, 6), (718, 6), (720, 1), (1080, 1)])
def test_a_yuv_clip_without_a_matrix_gets_one_by_its_lines_and_the_log_names_it_once(height: int, matrix: int) -> None:
    clip = core.std.BlankClip(format=vs.YUV420P8, width=16, height=height, length=3, color=[90, 100, 190])
    known = core.std.SetFrameProps(clip, _Matrix=matrix)

    with collect_log() as messages:
        upscaled = core.animesr.Upscale(clip, backend="null", format=vs.RGBS)
        frames = [upscaled.get_frame(n) for n in range(3)]

    expected = core.animesr.Upscale(known, backend="null", format=vs.RGBS).get_frame(1)
    assert np.array_equal(np.asarray(frames[1][2]), np.asarray(expected[2]))
    name = "BT.709" if matrix == 1 else "BT.601"
    assert [name in message and str(height) in message for message in messages] == [True]
    assert core.animesr.Upscale(clip, backend="null").get_frame(0).props["_Matrix"] == matrix


def test_a_frame_is_converted_by_its_own_matrix_and_range() -> None:
    """They may differ between spliced clips. All frames of the output have those of frame 0."""
    part = core.std.BlankClip(format=vs.YUV444P16, width=16, height=16, length=1, color=[30000, 20000, 45000])
    first, second = (core.std.SetFrameProps(part, _Matrix=m, _Range=r) for m, r in ((6, 0), (1, 1)))
    alone = core.animesr.Upscale(second, backend="null", format=vs.RGBS, scene_change="none").get_frame(0)

    spliced = core.animesr.Upscale(first + second, backend="null", format=vs.RGBS).get_frame(1)
    coded = core.animesr.Upscale(first + second, backend="null").get_frame(1)

    assert float(np.asarray(spliced[0])[8, 8]) == float(np.asarray(alone[0])[8, 8])
    assert (coded.props["_Matrix"], coded.props["_Range"]) == (6, 0)


@pytest.mark.parametrize("location", range(6))
def test_chroma_location_is_kept(location: int) -> None:
    clip = core.std.BlankClip(format=vs.YUV420P8, width=32, height=32, length=1)
    clip = core.std.SetFrameProps(clip, _Matrix=1, _ChromaLocation=location)

    assert core.animesr.Upscale(clip, backend="null").get_frame(0).props["_ChromaLocation"] == location
    assert "_ChromaLocation" not in core.animesr.Upscale(clip, backend="null", format=vs.YUV444P8).get_frame(0).props


def test_chroma_is_not_shifted() -> None:
    """A vertical chroma edge in 4:2:0 has the position of the luma edge of the same picture."""
    full = core.std.BlankClip(format=vs.RGBS, width=64, height=32, length=1, color=[0.1, 0.1, 0.1])
    edge = core.std.StackHorizontal(
        [core.std.CropAbs(full, 32, 32), core.std.BlankClip(full, width=32, color=[0.8, 0.1, 0.1])]
    )
    for location in (0, 1, 2):
        coded = core.resize.Bicubic(edge, format=vs.YUV420P16, matrix=1, chromaloc=location)

        red = np.asarray(core.animesr.Upscale(coded, backend="null", format=vs.RGBS).get_frame(0)[0])[64]

        crossing = int(np.argmax(red > 0.45))
        assert abs(crossing - 128) <= 4


def test_properties_and_aspect_ratio_are_those_of_the_source_frame() -> None:
    clip = core.std.BlankClip(format=vs.YUV420P8, width=32, height=32, length=4, fpsnum=24000, fpsden=1001)
    given = {"_Matrix": 6, "_SARNum": 8, "_SARDen": 9, "_PictType": "B", "mine": 5, "_Primaries": 6, "_Transfer": 6}
    clip = core.std.SetFrameProps(clip, **given)
    numbered = core.std.FrameEval(clip, lambda n: core.std.SetFrameProps(clip, number=n))

    upscaled = core.animesr.Upscale(numbered, backend="null")

    assert upscaled.fps == Fraction(24000, 1001)
    for n in range(4):
        props = upscaled.get_frame(n).props
        assert {key: props[key] for key in given} == {**given, "_PictType": props["_PictType"]}
        assert props["_PictType"] in ("B", b"B")
        assert (props["number"], props["_DurationNum"], props["_DurationDen"]) == (n, 1001, 24000)


@pytest.mark.parametrize(
    ("source", "target", "matrix", "range_"),
    [
        (vs.YUV420P8, vs.YUV420P10, 6, 0),
        (vs.YUV420P8, vs.RGB24, 0, 1),
        (vs.RGB24, vs.YUV420P8, 1, 0),
        (vs.GRAY8, vs.YUV444P16, 6, 0),
        (vs.YUV420P8, vs.GRAYS, 6, 0),
        (vs.RGBS, vs.RGBH, 0, 1),
    ],
)
def test_format(source: vs.PresetVideoFormat, target: vs.PresetVideoFormat, matrix: int, range_: int) -> None:
    clip = core.std.BlankClip(format=source, width=32, height=200, length=1)
    rgb = core.get_video_format(source).color_family == vs.RGB
    clip = core.std.SetFrameProps(clip, _Matrix=0 if rgb else 6, _Range=int(rgb))

    upscaled = core.animesr.Upscale(clip, backend="null", format=target)

    assert upscaled.format.id == target
    props = upscaled.get_frame(0).props
    assert (props["_Matrix"], props["_Range"]) == (matrix, range_)


def test_integers_are_dithered() -> None:
    """A level between two integers becomes both of them, in proportion."""
    clip = core.std.BlankClip(format=vs.RGBS, width=32, height=32, length=1, color=[100.25 / 255] * 3)

    values = np.asarray(core.animesr.Upscale(clip, backend="null", format=vs.RGB24).get_frame(0)[1])[8:]

    assert set(np.unique(values)) == {100, 101}
    assert values.mean() == pytest.approx(100.25, abs=0.02)


def test_a_grey_plane_of_an_rgb_clip_with_the_matrix_of_rgb() -> None:
    clip = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=1, color=[100])

    upscaled = core.animesr.Upscale(core.std.SetFrameProps(clip, _Matrix=0, _Range=1), backend="null")

    frame = upscaled.get_frame(0)
    assert np.asarray(frame[0])[8, 8] == 100
    assert (frame.props["_Matrix"], frame.props["_Range"]) == (6, 1)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 33), height=st.integers(1, 33), fmt=st.sampled_from([vs.RGBS, vs.YUV444P8, vs.GRAY16]))
def test_any_size(width: int, height: int, fmt: vs.PresetVideoFormat) -> None:
    clip = core.std.BlankClip(format=fmt, width=width, height=height, length=2)

    frame = core.animesr.Upscale(clip, backend="null").get_frame(1)

    assert (frame.width, frame.height) == (4 * width, 4 * height)


@pytest.mark.parametrize(("fmt", "width", "height"), [(vs.YUV420P8, 2, 2), (vs.YUV411P8, 4, 1), (vs.YUV420P10, 6, 10)])
def test_the_smallest_subsampled_sizes(fmt: vs.PresetVideoFormat, width: int, height: int) -> None:
    clip = core.std.BlankClip(format=fmt, width=width, height=height, length=2)

    assert core.animesr.Upscale(clip, backend="null").get_frame(1).width == 4 * width
