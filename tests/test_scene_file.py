"""Scene files: every format is read and written without loss, and an error names file, line, value and remedy."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsanimesr.errors import OptionError
from vsanimesr.options import Options
from vsanimesr.scene_file import LAST_FRAME, WRITTEN, parse_scenes, read_scene_file, write_scenes

NTSC = Fraction(24000, 1001)
PYSCENEDETECT = """Timecode List:,00:00:00.417,00:00:01.043
Scene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode,End Time (seconds)
1,1,00:00:00.000,0.000,10,00:00:00.417,0.417
2,11,00:00:00.417,0.417,25,00:00:01.043,1.043
3,26,00:00:01.043,1.043,60,00:00:02.502,2.502
"""


@given(
    st.sets(st.integers(0, LAST_FRAME), max_size=50), st.sampled_from(WRITTEN), st.sampled_from([NTSC, Fraction(25)])
)
def test_what_is_written_is_read(scenes: set[int], format: str, rate: Fraction) -> None:
    text = write_scenes(scenes, max(scenes, default=0) + 1, rate, format)

    assert parse_scenes(text, "file") == tuple(sorted({0, *scenes}))


@pytest.mark.parametrize(
    ("text", "scenes"),
    [
        ("10\n0\n 25 \n10", (0, 10, 25)),
        ("# scenes\n\n7\r\n9\r\n", (7, 9)),
        ("0 I -1\n10 K -1\n12 P 20\n13 b\n14 B 3\n15 i 10\n25 IDR", (0, 10, 25)),
        ('{"scene_changes":[0,10,25],"frame_count":60,"speed":300.5}', (0, 10, 25)),
        ('{"frames": 60, "scenes": [{"start_frame": 0, "end_frame": 10}, {"start_frame": 10}]}', (0, 10)),
        (PYSCENEDETECT, (0, 10, 25)),
        (PYSCENEDETECT.partition("\n")[2], (0, 10, 25)),
        (PYSCENEDETECT.replace("Timecode List:,", ""), (0, 10, 25)),
    ],
)
def test_formats(text: str, scenes: tuple[int, ...]) -> None:
    assert parse_scenes(text, "file") == scenes


def test_the_text_of_each_format() -> None:
    assert write_scenes([10, 25], 60, NTSC, "lines") == "0\n10\n25\n"
    assert write_scenes([10, 25], 60, NTSC, "qpfile") == "0 I -1\n10 I -1\n25 I -1\n"
    parts = json.loads(write_scenes([10, 25], 60, NTSC, "av1an"))["scenes"]
    assert [(part["start_frame"], part["end_frame"]) for part in parts] == [(0, 10), (10, 25), (25, 60)]
    table = write_scenes([10, 25], 60, NTSC, "pyscenedetect").splitlines()
    assert [line[: len(row)] for line, row in zip(table, PYSCENEDETECT.splitlines(), strict=True)] == (
        PYSCENEDETECT.splitlines()
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no frame numbers", "qpfile"]),
        ("0 P -1", ["no frame numbers"]),
        ("0\nten\n", ["line 2", "'ten'", "whole numbers from 0"]),
        ("0\n-4\n", ["line 2", "'-4'"]),
        ("0\n2147483648\n", ["line 2", "'2147483648'", "2147483646"]),
        ("0\n5 X -1\n", ["line 2", "'5 X -1'", "qpfile"]),
        ("0\n5 and more text than an error should repeat in full\n", ["line 2", "..."]),
        ("0\n\u0663\n", ["line 2", "no frame number"]),
        ('{"scene_changes": [0, "x"]}', ["scene 2", "'x'"]),
        ('{"scene_changes": [0, 1.5]}', ["scene 2", "'1.5'"]),
        ('{"scene_changes": [true]}', ["scene 1", "'True'"]),
        ('{"scenes": [{"end_frame": 3}]}', ["scene 1", "'None'"]),
        ('{"frames": 3}', ["scene_changes", "av-scenechange"]),
        ("[0, 10]", ["scene_changes"]),
        ('{"scenes":\n[', ["line 2", "damaged JSON"]),
        ("[" * 100_000, ["JSON"]),
        (PYSCENEDETECT.replace("2,11", "2,0"), ["line 4", "'0'", "from 1"]),
        (PYSCENEDETECT.replace("2,11", "2,x"), ["line 4", "'x'"]),
        (PYSCENEDETECT + "4", ["line 6", "'Start Frame'"]),
        ("Frame Number,Timecode,content_val\n1,00:00:00.000,3.5\n", ["line 1", "'Frame"]),
    ],
)
def test_an_error_names_file_place_value_and_remedy(text: str, words: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        parse_scenes(text, "cuts.txt")

    assert str(caught.value).startswith("cuts.txt")
    for word in words:
        assert word in str(caught.value)


@settings(max_examples=50)
@given(st.text() | st.from_regex(r"\A[0-9IKP# \n,{}\[\]:\"]*\Z"))
def test_any_text_is_read_or_refused(text: str) -> None:
    scenes: tuple[int, ...] = ()
    with suppress(OptionError):  # and nothing else
        scenes = parse_scenes(text, "file")

    assert list(scenes) == sorted(set(scenes))
    assert all(0 <= frame <= LAST_FRAME for frame in scenes)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "clip.mkv"
    binary.write_bytes(b"\x1a\x45\xdf\xa3\xff")

    for path, word in ((tmp_path / "none", "does not exist"), (tmp_path, "cannot be read"), (binary, "no text file")):
        with pytest.raises(OptionError, match=word) as caught:
            read_scene_file(str(path))
        assert str(path) in str(caught.value)
        assert "qpfile" in str(caught.value)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "cuts.txt"
    file.write_bytes(b"\xef\xbb\xbf0\r\n10\r\n")

    assert read_scene_file(str(file)) == (0, 10)


@pytest.mark.parametrize(
    ("scene_change", "detects", "name", "anchors"),
    [
        ("auto", True, "_SceneChangePrev", None),
        ("props", False, "_SceneChangePrev", None),
        ("props:VFMSceneChange", False, "VFMSceneChange", None),
        ("none", False, None, ()),
        ((3, 9), False, None, (3, 9)),
    ],
)
def test_options_say_where_anchors_come_from(
    scene_change: str | tuple[int, ...], detects: bool, name: str | None, anchors: tuple[int, ...] | None
) -> None:
    options = Options(scene_change=scene_change)

    assert (options.detects_scenes, options.scene_property, options.anchors) == (detects, name, anchors)


def test_options_read_a_file_once(tmp_path: Path) -> None:
    file = tmp_path / "cuts.txt"
    file.write_text("0\n10\n25\n")
    options = Options(scene_change=str(file))
    file.unlink()

    assert (options.detects_scenes, options.scene_property, options.anchors) == (False, None, (0, 10, 25))
    options.check_length(26)
    with pytest.raises(OptionError, match=r"cuts\.txt' has frame 25, but the clip ends with frame 24; use"):
        options.check_length(25)


def test_a_scene_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cuts.txt").write_text("0\n10\n")

    assert Options(scene_change="~/cuts.txt").anchors == (0, 10)


def test_a_list_beyond_the_clip_is_refused() -> None:
    options = Options(scene_change=(20, 4000))

    options.check_length(4001)
    with pytest.raises(OptionError, match="scene_change has frame 4000, but the clip ends with frame 59; use"):
        options.check_length(60)


@pytest.mark.parametrize("scene_change", ["auto", "props", "props:X", "none"])
def test_the_length_does_not_matter_without_a_list(scene_change: str) -> None:
    Options(scene_change=scene_change).check_length(1)


@pytest.mark.parametrize("name", ["", "two words", "3d", "a-b"])
def test_a_property_needs_a_name(name: str) -> None:
    with pytest.raises(OptionError, match=r"names no frame property; use, for example, 'props:VFMSceneChange'"):
        Options(scene_change=f"props:{name}")


def test_a_damaged_file_is_told_by_argument_and_line(tmp_path: Path) -> None:
    file = tmp_path / "cuts.txt"
    file.write_text("0\nx\n")

    with pytest.raises(OptionError, match=r"scene_change='.*cuts\.txt.*line 2: 'x' is no frame number"):
        Options(scene_change=str(file))
