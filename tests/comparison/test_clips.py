"""What is known of a clip, and its colours as RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image

from vsanimesr.comparison.clips import Clip, check_lengths, describe, describe_frame, read_rgb
from vsanimesr.comparison.images import open_images, read_image
from vsanimesr.errors import OptionError

core = vs.core
PATH = Path("clip.mkv")


def blank(format: int = vs.YUV420P8, size: tuple[int, int] = (16, 16), **arguments: object) -> vs.VideoNode:
    return core.std.BlankClip(format=format, width=size[0], height=size[1], **{"length": 3, **arguments})


def pixel(clip: vs.VideoNode) -> list[int]:
    """Return R, G, B of the first pixel of frame 0 as the page shows it."""
    shown = Clip.of("", PATH, clip)
    return [int(value) for value in read_rgb(PATH, shown.to_rgb24(), 0)[0, 0]]


@pytest.mark.parametrize(
    ("format", "colour", "props", "expected"),
    [
        # Pure red: Y, Cb, Cr of each matrix and range.
        (vs.YUV444P8, [81, 90, 240], {"_Matrix": 6}, [254, 0, 0]),
        (vs.YUV444P8, [63, 102, 240], {"_Matrix": 1}, [255, 1, 0]),
        (vs.YUV444P8, [76, 85, 255], {"_Matrix": 6, "_Range": 1}, [254, 0, 0]),
        (vs.YUV444P16, [63 << 8, 102 << 8, 240 << 8], {"_Matrix": 1}, [255, 1, 0]),
        # Limited is the default of YUV and GRAY, full that of RGB.
        (vs.GRAY8, [16], {}, [0, 0, 0]),
        (vs.GRAY8, [235], {}, [255, 255, 255]),
        (vs.RGB24, [16, 128, 235], {}, [16, 128, 235]),
        (vs.RGBS, [16 / 255, 128 / 255, 1], {}, [16, 128, 255]),
        (vs.RGB24, [16, 128, 235], {"_Matrix": 1}, [16, 128, 235]),  # what a script left there
        # Neither transfer nor primaries change anything.
        (vs.YUV444P8, [63, 102, 240], {"_Matrix": 1, "_Transfer": 16, "_Primaries": 9}, [255, 1, 0]),
    ],
)
def test_colours_are_those_of_matrix_and_range(
    format: int, colour: list[float], props: dict[str, int], expected: list[int]
) -> None:
    found = pixel(blank(format, color=colour).std.SetFrameProps(**props))

    assert np.abs(np.subtract(found, expected)).max() <= 1


def test_a_clip_without_a_matrix_is_taken_as_upscale_takes_it() -> None:
    red = [63, 102, 240]
    sd, hd = (blank(vs.YUV444P8, (16, height), color=red) for height in (719, 720))

    assert pixel(hd) == pixel(hd.std.SetFrameProps(_Matrix=1))
    assert pixel(sd) == pixel(sd.std.SetFrameProps(_Matrix=6))
    assert pixel(sd) == pixel(sd.std.SetFrameProps(_Matrix=2))
    assert pixel(sd) != pixel(hd)
    assert Clip.of("", PATH, sd).notes == ("has no matrix, and is taken as BT.601",)
    assert Clip.of("", PATH, hd).notes == ("has no matrix, and is taken as BT.709",)
    for clip in (sd, hd):
        matrix = core.animesr.Upscale(clip, backend="null").get_frame(0).props["_Matrix"]
        assert Clip.of("", PATH, clip).rgb.get_frame(0).props["_Matrix"] == matrix


def test_what_is_not_shown_is_said() -> None:
    clip = blank(vs.RGB24).std.SetFrameProps(_FieldBased=2, _Transfer=16, AnimeSRApproximate=1)
    notes = " ".join(Clip.of("", PATH, clip).notes)

    assert all(word in notes for word in ("interlaced", "HDR", "seek"))


def test_an_interlaced_frame_is_shown_as_stored() -> None:
    rows = core.std.StackVertical([blank(vs.RGB24, (16, 1), color=[200 * (row % 2)] * 3) for row in range(16)])
    fields, frame = (Clip.of("", PATH, rows.std.SetFieldBased(order)) for order in (2, 0))

    assert read_rgb(PATH, fields.to_rgb24(), 0)[:, 0, 0].tolist() == [0, 200] * 8
    # Enlarged too: the rows are those of a frame, not of two fields.
    enlarged, expected = (read_rgb(PATH, clip.to_rgb24((32, 32)), 0) for clip in (fields, frame))
    assert np.array_equal(enlarged, expected)


def test_properties_and_format_are_described() -> None:
    clip = blank(fpsnum=24000, fpsden=1001).std.SetFrameProps(
        _Matrix=6, _Range=0, _SARNum=32, _SARDen=27, AnimeSRModel="v2 (d0f2)", AnimeSRHeld=1, _PictType="B"
    )
    shown = Clip.of("", PATH, clip)
    rows = dict(describe(shown))

    assert rows["file"] == "clip.mkv"
    assert (rows["size"], rows["format"], rows["frames"], rows["frames/s"]) == ("16x16", "YUV420P8", "3", "23.976")
    assert (rows["matrix"], rows["range"], rows["sample aspect ratio"]) == ("ST170 M", "limited", "32:27")
    assert rows["AnimeSRModel"] == "v2 (d0f2)"
    assert describe_frame(shown, 1) == [("AnimeSRHeld", "1"), ("PictType", "B")]


def test_unknown_values_are_numbers() -> None:
    assert dict(describe(Clip.of("", PATH, blank(vs.RGB24).std.SetFrameProps(_Transfer=99))))["transfer"] == "99"


def test_clips_that_cannot_be_used() -> None:
    changing = core.std.Splice([blank(), blank(size=(32, 16))], mismatch=True)
    with pytest.raises(OptionError, match=r"clip\.mkv changes its size or format between frames; give a clip of one"):
        Clip.of("", PATH, changing)
    broken = core.std.FrameEval(blank(), lambda n: 1 / 0)
    with pytest.raises(OptionError, match=r"clip\.mkv: frame 0 cannot be read .*division"):
        Clip.of("", PATH, broken)


def test_lengths() -> None:
    three, four = Clip.of("", Path("a"), blank()), Clip.of("", Path("b"), blank(length=4))
    check_lengths([three, three], None)
    check_lengths([three, four], [0, 2])
    with pytest.raises(OptionError, match=r"a has 3 frames, and b 4; give clips of the same frames, or .* --frames 10"):
        check_lengths([three, four], None)
    with pytest.raises(OptionError, match=r"--frames has 3, but a ends with frame 2"):
        check_lengths([four, three], [0, 3])


def test_images_are_a_clip_in_the_order_of_their_names(tmp_path: Path) -> None:
    for value in (3, 1, 2):
        Image.new("RGB", (8, 6), (value, 20, 30)).save(tmp_path / f"{value}.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._1.png").write_text("what macOS keeps beside a file")
    clip = open_images(tmp_path)

    assert (clip.width, clip.height, len(clip)) == (8, 6, 3)
    assert [pixel(clip[n]) for n in range(3)] == [[value, 20, 30] for value in (1, 2, 3)]
    assert pixel(open_images(tmp_path / "2.png")) == [2, 20, 30]


def test_images_of_16_bits_are_rounded_to_8(tmp_path: Path) -> None:
    for name in ("1.png", "1.tif"):
        Image.fromarray(np.full((6, 8), 40 * 257 + 128, np.uint16)).save(tmp_path / name)
        assert pixel(open_images(tmp_path / name)) == [40, 40, 40]


def test_images_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"is a folder without images; put PNG or JPEG files into it"):
        open_images(tmp_path)
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "2.png")
    with pytest.raises(OptionError, match=r"2\.png is 8x8, and 1\.png 8x6; give images of one size"):
        open_images(tmp_path)
    Image.effect_noise((8, 6), 90).save(tmp_path / "2.png")
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])  # the size can be read, the pixels cannot
    with pytest.raises(OptionError, match=r"frame 1 cannot be read .*2\.png cannot be read as an image"):
        read_rgb(tmp_path, open_images(tmp_path), 1)
    Image.new("F", (8, 6), 0.5).save(tmp_path / "2.tif")
    with pytest.raises(OptionError, match=r"2\.tif cannot be read as an image \(its samples have 32 bits\)"):
        read_image(tmp_path / "2.tif")
    (tmp_path / "2.png").write_text("no image")
    with pytest.raises(OptionError, match=r"2\.png cannot be read as an image .*; give a PNG or JPEG file"):
        open_images(tmp_path)
