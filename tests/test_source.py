"""What source frames say: what cannot be converted is refused with a remedy, what is assumed is told in the log."""

from __future__ import annotations

import re

import numpy as np
import pytest
import vapoursynth as vs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.video import collect_log, core, expected_frame, get_frames, numbered_clip, read_planes

REMEDIES = {
    "_FieldBased": "SetFieldBased(clip, 0)",
    "_Matrix": "core.std.SetFrameProps(clip, _Matrix=1)",
    "_Range": "core.std.SetFrameProps(clip, _Range=0)",
    "_ChromaLocation": "core.std.SetFrameProps(clip, _ChromaLocation=0)",
    "_Transfer": "core.std.SetFrameProps(clip, _Transfer=1)",
    "_Primaries": "core.std.SetFrameProps(clip, _Primaries=1)",
    "_Field": 'core.std.RemoveFrameProps(clip, "_Field")',
}
VALUES = [-1, *range(24), 99, 255, 2**31 - 1, 2**40]
FORMATS = [vs.YUV420P8, vs.RGBS, vs.GRAY8]


def make_clip(fmt: int = vs.YUV420P8, length: int = 1, width: int = 16, height: int = 16) -> vs.VideoNode:
    clip = core.std.BlankClip(format=fmt, width=width, height=height, length=length)
    return core.std.SetFrameProps(clip, _Matrix=0 if clip.format.color_family == vs.RGB else 6, _Range=0)


def converts(clip: vs.VideoNode) -> bool:
    """Return whether `resize` converts the clip to RGBS and that to YUV, with the clip's properties."""
    family, matrix = clip.format.color_family, clip.get_frame(0).props["_Matrix"]
    if family == vs.GRAY:  # needs no matrix on the way in
        clip = core.std.RemoveFrameProps(clip, "_Matrix")
    try:
        rgb = clip if family == vs.RGB else core.resize.Bicubic(clip, format=vs.RGBS, matrix_in=6)
        back = 6 if family == vs.RGB or matrix in (0, 2) else matrix
        core.resize.Bicubic(rgb, format=vs.YUV444P8, matrix=back).get_frame(0).close()
    except vs.Error:
        return False
    return True


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda fmt: core.get_video_format(fmt).name)
@pytest.mark.parametrize("name", REMEDIES)
def test_what_resize_refuses_is_refused_with_a_remedy(name: str, fmt: int) -> None:
    """For every value: it is converted, or the error is ours, at creation and in a later frame."""
    for value in VALUES:
        good = make_clip(fmt)
        bad = core.std.SetFrameProps(good, **{name: value})
        if converts(bad) and (name, value) not in {("_FieldBased", 1), ("_FieldBased", 2)}:
            core.animesr.Upscale(bad, backend="null").get_frame(0).close()
            core.animesr.Upscale(good + bad, backend="null").get_frame(1).close()
            continue

        with pytest.raises(vs.Error) as at_creation:
            core.animesr.Upscale(bad, backend="null")
        upscaled = core.animesr.Upscale(good + bad, backend="null")
        with pytest.raises(vs.Error) as later:
            upscaled.get_frame(1)

        for number, caught in ((0, at_creation), (1, later)):
            message = str(caught.value)
            assert message.startswith(f"Upscale: frame {number} of the clip has {name}={value}, ")
            assert REMEDIES[name] in message


PROPERTIES = st.fixed_dictionaries({}, optional={name: st.integers(-1, 23) for name in REMEDIES})


@settings(max_examples=150, deadline=None)
@given(PROPERTIES, PROPERTIES, st.sampled_from([*FORMATS, vs.RGB24]), st.sampled_from([*FORMATS, vs.RGB24]))
def test_no_frame_fails_with_a_message_of_another_filter(
    first: dict[str, int], second: dict[str, int], source: int, target: int
) -> None:
    clip = core.std.BlankClip(format=source, width=16, height=16, length=1)
    spliced = core.std.SetFrameProps(clip, **first) + core.std.SetFrameProps(clip, **second)
    message = ""
    try:
        upscaled = core.animesr.Upscale(spliced, backend="null", format=target, width=40)
        for n in range(2):
            upscaled.get_frame(n).close()
    except vs.Error as error:
        message = str(error)
    assert re.fullmatch(r"(Upscale: frame [01] of the clip has _\w+=-?\d+, which .*core\.std\..*)?", message)


@pytest.mark.parametrize("field", [1, 2])
def test_interlaced_frames_are_refused_wherever_they_are(field: int) -> None:
    clip = numbered_clip(30, cuts={20})
    flagged = core.std.SetFrameProps(clip, _FieldBased=field)

    with pytest.raises(vs.Error, match=rf"frame 0 of the clip has _FieldBased={field}.*interlaced.*SetFieldBased"):
        core.animesr.Upscale(flagged, backend="null")
    upscaled = core.animesr.Upscale(clip[:7] + flagged[7] + clip[8:], backend="null")
    for n in (6, 7, 12):  # frame 6 looks at its next one
        with pytest.raises(vs.Error, match=rf"frame 7 of the clip has _FieldBased={field}"):
            upscaled.get_frame(n)
    for n in (5, 25):
        assert read_planes(upscaled.get_frame(n)) == expected_frame(n, 30, {20}, 16, 12)
    progressive = core.animesr.Upscale(core.std.SetFieldBased(flagged, 0), backend="null")
    assert read_planes(progressive.get_frame(8)) == expected_frame(8, 30, {20}, 16, 12)


def test_the_check_changes_no_frame() -> None:
    clip = core.std.SetFrameProps(numbered_clip(40, cuts={15}), _Alpha=5, mine=3)
    upscaled = core.animesr.Upscale(clip, backend="null")

    for n, planes in get_frames(upscaled, [7, 30, 2, 16, 15, 39], at_once=6):
        assert planes == expected_frame(n, 40, {15}, 16, 12)
    assert upscaled.get_frame(1).props["mine"] == 3


@pytest.mark.parametrize("fmt", [vs.YUV444P8, vs.RGBS])
def test_transparency_is_left_out_with_one_message(fmt: int) -> None:
    clip = make_clip(fmt, 6)
    mask = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=6)

    with collect_log() as messages:
        upscaled = core.animesr.Upscale(core.std.ClipToProp(clip, mask, prop="_Alpha"), backend="null")
        for n in range(6):
            assert "_Alpha" not in upscaled.get_frame(n).props

    assert ["_Alpha" in message and "PropToClip" in message for message in messages] == [True]


@pytest.mark.parametrize(
    ("fmt", "properties", "told"),
    [
        (vs.YUV420P8, {}, ["_Matrix", "BT.601", "16 lines", "_Range", "limited", "_Matrix=..., _Range=..."]),
        (vs.YUV420P8, {"_Matrix": 2, "_Range": 1}, ["_Matrix", "BT.601"]),
        (vs.YUV420P8, {"_Matrix": 1}, ["_Range", "limited"]),
        (vs.YUV444PS, {}, ["_Matrix", "BT.601"]),
        (vs.GRAY8, {}, ["_Matrix", "BT.601", "_Range", "limited"]),
        (vs.GRAY8, {"_Matrix": 0, "_Range": 1}, ["_Matrix", "BT.601"]),
        (vs.GRAY16, {"_Matrix": 6}, ["_Range", "limited"]),
        (vs.YUV420P8, {"_Matrix": 1, "_Range": 0}, []),
        (vs.GRAY8, {"_Matrix": 6, "_Range": 0}, []),
        (vs.RGB24, {}, []),
        (vs.RGBS, {}, []),
    ],
)
def test_what_is_assumed_is_told_in_one_line(fmt: int, properties: dict[str, int], told: list[str]) -> None:
    clip = core.std.SetFrameProps(core.std.BlankClip(format=fmt, width=16, height=16, length=3), **properties)

    with collect_log() as messages:
        upscaled = core.animesr.Upscale(clip, backend="null")
        for n in range(3):
            upscaled.get_frame(n).close()

    assert len(messages) == bool(told)
    for words in told:
        assert words in messages[0]
    for name in ("_Matrix", "_Range"):
        assert any(name in message for message in messages) == (name in told)


def test_the_assumed_range_is_the_one_in_use() -> None:
    clip = core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=1, color=[16])

    rgb = core.animesr.Upscale(clip, backend="null", format=vs.RGBS).get_frame(0)

    assert np.asarray(rgb[0])[40, 40] == 0
