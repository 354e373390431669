"""The scripts and commands of docs/recipes.md, as they stand there, on small clips."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import vapoursynth as vs
from numpy.typing import NDArray

from tests import sources
from tests.recipes import BLOCKS, PAGE, QUICK, ROOT, bash, edit, edit_where_possible, needs, probe, run, script
from tests.sources import FRAMES, Pictures

core = vs.core

DVD_TAGS = {"color_range": "tv"} | dict.fromkeys(("color_space", "color_transfer", "color_primaries"), "smpte170m")
WEB_TAGS = {"color_range": "tv"} | dict.fromkeys(("color_space", "color_transfer", "color_primaries"), "bt709")


needs_dvd = needs("ffmpeg", "ffprobe", "bs", "vivtc", "bwdif")
needs_web = needs("ffmpeg", "ffprobe", "bs")


def frame_times(file: Path) -> list[int]:
    """Return the times of the video frames in milliseconds."""
    with av.open(str(file)) as container:
        packets = [(packet.pts, packet.time_base) for packet in container.demux(video=0)]
        return sorted(round(1000 * pts * unit) for pts, unit in packets if pts is not None and unit is not None)


def decode(file: Path) -> list[NDArray[np.integer]]:
    """Return the luma planes of a video in the codes of its bit depth, without any conversion."""
    with av.open(str(file)) as container:
        return [_luma(frame) for frame in container.decode(video=0)]


def _luma(frame: av.VideoFrame) -> NDArray[np.integer]:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, "<u2" if "10" in frame.format.name else "u1").reshape(frame.height, -1)
    return rows[:, : frame.width]


def assert_shows(file: Path, pictures: Pictures, range: str = "tv") -> None:
    """Check that frame n of a video of 10 bits shows picture n, in this range, and is not combed."""
    low, high = (64, 940) if range == "tv" else (0, 1023)
    frames = decode(file)
    assert len(frames) == len(pictures)
    for n, frame in enumerate(frames):
        rows, columns = (np.arange(size) * frame.shape[i] // size for i, size in enumerate(pictures.shape[1:]))
        cell = frame.shape[0] // (2 * pictures.shape[1])
        found = (frame[rows + cell][:, columns + cell].astype(float) - low) * 255 / (high - low)
        errors = [np.abs(found - picture).mean() for picture in pictures]
        assert errors[n] == min(errors)  # several pictures may be the same
        assert errors[n] < 6, f"frame {n}"


def assert_has_the_rest(file: Path, source: Path) -> None:
    """Check audio, subtitles, fonts, chapters and durations against the source's."""
    found, expected = probe(file), probe(source)

    def describe(streams: list[dict[str, Any]]) -> list[tuple[object, ...]]:
        tags = [(stream["codec_type"], stream.get("codec_name"), stream.get("tags", {})) for stream in streams[1:]]
        return sorted((kind, str(name), tag.get("language"), tag.get("filename")) for kind, name, tag in tags)

    def chapters(content: dict[str, Any]) -> list[tuple[float, str]]:
        return [(round(float(each["start_time"]), 2), each["tags"]["title"]) for each in content["chapters"]]

    assert describe(found["streams"]) == describe(expected["streams"])
    assert len(found["streams"]) == 4
    assert chapters(found) == chapters(expected) == [(0, "Opening"), (0.5, "Part A")]
    assert float(found["format"]["duration"]) == pytest.approx(float(expected["format"]["duration"]), abs=0.025)


def assert_video(file: Path, tags: Mapping[str, str], **expected: object) -> None:
    """Check properties of the video stream."""
    stream = probe(file)["streams"][0]
    expected = {**tags, "pix_fmt": "yuv420p10le", "chroma_location": "left"} | expected
    assert {name: stream.get(name) for name in expected} == expected


@needs_dvd
@needs("x265", "mkvmerge")
@pytest.mark.parametrize("square", [True, False])
def test_a_dvd(tmp_path: Path, square: bool) -> None:
    film = sources.write_dvd(tmp_path)
    (tmp_path / "dvd.vpy").write_text(script("dvd.vpy", {} if square else {", square=1": ""}))

    run(tmp_path, "dvd", {} if square else {"--sar 1:1": "--sar 32:27"})

    result = tmp_path / "new.mkv"
    assert_shows(result, film)
    assert_has_the_rest(result, tmp_path / "episode.mkv")
    assert_video(result, DVD_TAGS, codec_name="hevc", width=284 if square else 240, height=160)
    stream = probe(result)["streams"][0]
    assert stream["r_frame_rate"] == "24000/1001"
    pixel = Fraction(stream["sample_aspect_ratio"].replace(":", "/"))
    assert pixel == 1 if square else abs(pixel - Fraction(32, 27)) <= Fraction(1, 2 * 240)  # mkv rounds the shown width
    assert stream["width"] * pixel / 160 == pytest.approx(16 / 9, rel=0.005)
    start = frame_times(tmp_path / "episode.mkv")[0]
    assert frame_times(result) == pytest.approx([start + n * 1001 / 24 for n in range(FRAMES)], abs=1)


@needs_dvd
@needs("x265", "mkvmerge")
def test_a_dvd_that_says_the_wrong_order_of_fields(tmp_path: Path) -> None:
    film = sources.write_dvd(tmp_path, first_field="bottom")
    remedy = "clip = core.std.SetFieldBased(clip, 1)"
    assert remedy in PAGE
    (tmp_path / "dvd.vpy").write_text(script("dvd.vpy", {"matched =": f"{remedy}\nmatched ="}))

    run(tmp_path, "dvd")

    assert_shows(tmp_path / "new.mkv", film)


@needs_dvd
@pytest.mark.parametrize("combed", [False, True])
def test_only_frames_of_a_dvd_without_a_match_are_deinterlaced(tmp_path: Path, combed: bool) -> None:
    sources.write_dvd(tmp_path)
    claim = {"deinterlaced =": "matched = core.std.SetFrameProps(matched, _Combed=1)\ndeinterlaced ="}
    (tmp_path / "dvd.vpy").write_text(script("dvd.vpy", claim if combed else {}))

    bash(tmp_path, "vspipe --json props.json dvd.vpy --")

    frames = json.loads((tmp_path / "props.json").read_text())
    assert [frame["_FieldBased"] for frame in frames] == [0] * FRAMES
    assert ["VFMMatch" in frame for frame in frames] == [not combed] * FRAMES


@needs_web
@needs("x265", "SvtAv1EncApp", "mkvmerge")
@pytest.mark.parametrize(
    ("command", "codec", "full"),
    [
        ("web-x265", "hevc", {"--range limited": "--range full"}),
        ("web-svt-av1", "av1", {"--color-range 0": "--color-range 1"}),
    ],
)
@pytest.mark.parametrize("range", ["tv", "pc"])
def test_a_web_source(tmp_path: Path, command: str, codec: str, full: dict[str, str], range: str) -> None:
    pictures = sources.write_web(tmp_path, range)

    run(tmp_path, command, full if range == "pc" else {})

    result = tmp_path / "new.mkv"
    assert_shows(result, pictures, range)
    assert_has_the_rest(result, tmp_path / "episode.mkv")
    assert_video(result, WEB_TAGS | {"color_range": range}, codec_name=codec, width=128, sample_aspect_ratio="1:1")
    assert frame_times(result) == pytest.approx(frame_times(tmp_path / "episode.mkv"), abs=1)
    assert 80 < frame_times(result)[0] < 95


@needs_web
def test_what_the_page_says_of_a_source_is_what_ffprobe_prints(tmp_path: Path) -> None:
    sources.write_web(tmp_path)

    lines = run(tmp_path, "probe").splitlines()

    assert {"sample_aspect_ratio=1:1", "color_range=tv", "color_space=bt709", "start_time=0.088000"} < set(lines)
    assert {"color_transfer=bt709", "color_primaries=bt709"} < set(lines)


@needs_web
@needs("x265", "mkvmerge")
@pytest.mark.parametrize("writer", ["bestsource", "vspipe"])
def test_a_variable_frame_rate(tmp_path: Path, writer: str) -> None:
    pictures = sources.write_vfr(tmp_path)

    if writer == "bestsource":
        run(tmp_path, "vfr")
        (tmp_path / "times.txt").unlink()
        run(tmp_path, "vfr")  # with the index of the first run
    else:
        (tmp_path / "vfr.vpy").write_text(script("vfr.vpy", {', timecodes="times.txt"': ""}))
        command = "vspipe -c y4m --timecodes from-0.txt vfr.vpy -"
        run(tmp_path, "vfr-vspipe", {command: f"({command} || true)"})  # the last frame has no duration

    result = tmp_path / "new.mkv"
    assert_shows(result, pictures)
    assert_has_the_rest(result, tmp_path / "episode.mkv")
    assert frame_times(result) == frame_times(tmp_path / "episode.mkv")
    assert np.diff(frame_times(result)).tolist() == sources.DURATIONS[:-1]


@needs_web
@pytest.mark.parametrize("range", ["tv", "pc"])
def test_one_command_with_ffmpeg(tmp_path: Path, range: str) -> None:
    pictures = sources.write_web(tmp_path, range)

    run(tmp_path, "ffmpeg", {"range=tv": f"range={range}"})

    result = tmp_path / "new.mkv"
    assert_shows(result, pictures, range)
    assert_has_the_rest(result, tmp_path / "episode.mkv")
    assert_video(result, WEB_TAGS | {"color_range": range}, codec_name="hevc", sample_aspect_ratio="1:1")
    late = np.subtract(frame_times(result), frame_times(tmp_path / "episode.mkv"))
    assert np.ptp(late) <= 1
    assert abs(late[0]) <= 1001 / 24 / 2 + 1  # half a frame


@needs_dvd
def test_one_command_with_ffmpeg_for_a_dvd(tmp_path: Path) -> None:
    film = sources.write_dvd(tmp_path)
    (tmp_path / "dvd.vpy").write_text(script("dvd.vpy", {", square=1": ""}))

    run(tmp_path, "ffmpeg", {"web.vpy": "dvd.vpy", "setsar=1": "setsar=32/27", "bt709": "smpte170m"})

    assert_shows(tmp_path / "new.mkv", film)
    assert_video(tmp_path / "new.mkv", DVD_TAGS, sample_aspect_ratio="32:27")


def write_parts(folder: Path) -> None:
    """Write the recipe of parts for 24 frames and three scenes, without loss, and the scene file."""
    (folder / "scenes.txt").write_text("0\n7\n15\n")
    (folder / "parts.vpy").write_text(script("parts.vpy"))
    small = {"starts=(0 1440 2871) frames=34526": f"starts=(0 7 15) frames={FRAMES}", "--crf 16": "--lossless"}
    (folder / "parts.sh").write_text(edit_where_possible(edit(BLOCKS["parts.sh"], small), QUICK))


@needs_web
@needs("x265", "mkvmerge")
def test_parts_that_start_at_scenes_give_the_whole(tmp_path: Path) -> None:
    sources.write_web(tmp_path)
    write_parts(tmp_path)

    bash(tmp_path, "bash parts.sh")

    assert frame_times(tmp_path / "new.mkv") == pytest.approx([83 + n * 1001 / 24 for n in range(FRAMES)], abs=1)
    x265 = "x265 --y4m --output-depth 10 --lossless --preset ultrafast"
    bash(tmp_path, f"vspipe -c y4m parts.vpy - | {x265} - -o whole.hevc")
    for n, (part, frame) in enumerate(zip(decode(tmp_path / "new.mkv"), decode(tmp_path / "whole.hevc"), strict=True)):
        assert np.array_equal(part, frame), f"frame {n}"


@needs_web
@needs("x265", "mkvmerge")
def test_parts_that_are_there_are_not_encoded_again(tmp_path: Path) -> None:
    sources.write_web(tmp_path)
    write_parts(tmp_path)
    (tmp_path / "part000.hevc").write_bytes(b"kept")
    good = (tmp_path / "parts.vpy").read_text()
    stop = "source = clip\nclip = core.std.FrameEval(source, lambda n: source if n != 10 else None)"
    broken = edit(good, {"core.animesr": f"{stop}\ncore.animesr"})

    (tmp_path / "parts.vpy").write_text(broken)
    bash(tmp_path, "bash parts.sh", succeeds=False)
    assert not list(tmp_path.glob("part001*")), "a part that was stopped looks finished"

    (tmp_path / "parts.vpy").write_text(good)
    bash(tmp_path, "bash parts.sh", succeeds=False)  # mkvmerge refuses part000
    assert [file.name for file in sorted(tmp_path.glob("part0*"))] == [f"part{n:03}.hevc" for n in range(3)]
    assert (tmp_path / "part000.hevc").read_bytes() == b"kept"


@needs_web
@pytest.mark.parametrize(("name", "approximate"), [("__vapoursynth__", 0), ("__vsview__", 1), ("__vspreview__", 1)])
def test_one_script_is_exact_in_vspipe_and_quick_in_a_previewer(tmp_path: Path, name: str, approximate: int) -> None:
    sources.write_web(tmp_path)
    (tmp_path / "preview.vpy").write_text(script("preview.vpy"))
    jump = f"""
import runpy, vapoursynth as vs
runpy.run_path("preview.vpy", run_name={name!r})
print("approximate:", vs.get_output(0).clip.get_frame(20).props.get("AnimeSRApproximate", 0))
"""
    (tmp_path / "jump.py").write_text(jump)

    assert f"approximate: {approximate}" in bash(tmp_path, "python jump.py")


def test_vspipe_runs_a_script_under_the_name_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "name.vpy").write_text("raise ValueError(f'name: {__name__}')")

    assert "name: __vapoursynth__" in bash(tmp_path, "vspipe --info name.vpy - 2>&1 || true")


@needs_web
@pytest.mark.skipif(find_spec("vsscale") is None, reason="vs-jetpack is not installed")
def test_a_scaler_of_vs_jetpack(tmp_path: Path) -> None:
    pictures = sources.write_web(tmp_path)
    (tmp_path / "jetpack.vpy").write_text(script("jetpack.vpy", {"1440, 1080": "192, 144"}))

    info = bash(tmp_path, "vspipe --info jetpack.vpy -")

    assert {"Width: 192", "Height: 144", f"Frames: {len(pictures)}"} < set(info.splitlines())


@needs_web
@pytest.mark.parametrize("page", ["README.md", "docs/usage.md"])
def test_the_first_script_and_command_of_other_pages(tmp_path: Path, page: str) -> None:
    pictures = sources.write_web(tmp_path)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    vpy = next(text for language, text in blocks if language == "python")
    command = next(text for language, text in blocks if language == "sh" and "vspipe -" in text)
    (tmp_path / "upscale.vpy").write_text(edit(vpy, {"Upscale(clip": 'Upscale(clip, backend="null"'}))

    bash(tmp_path, edit(command, {"libx265": "libx265 -preset ultrafast -x265-params log-level=error"}))

    result = probe(tmp_path / "new.mkv")
    assert [stream["codec_type"] for stream in result["streams"]] == ["video", "audio", "subtitle", "attachment"]
    assert len(result["chapters"]) == 2
    assert len(decode(tmp_path / "new.mkv")) == len(pictures)


@needs_web
@pytest.mark.parametrize("file", ["scenes.txt", "scenes.json"])
def test_scenes_are_written_to_a_file_that_the_filter_reads(tmp_path: Path, file: str) -> None:
    sources.write_web(tmp_path)

    run(tmp_path, "scenes", {"scenes.txt": file})

    (tmp_path / "parts.vpy").write_text(script("parts.vpy", {"scenes.txt": file}))
    assert f"Frames: {FRAMES}" in bash(tmp_path, "vspipe --info parts.vpy -").splitlines()


def test_every_block_of_the_page_is_tested() -> None:
    """A block is named in this file, or is a script that a command of the page runs."""
    tests = Path(__file__).read_text(encoding="utf-8")
    run_by_commands = {name for command in BLOCKS.values() for name in re.findall(r"\S+\.vpy", command)}

    assert len(BLOCKS) == PAGE.count("```") // 2, "a block has no name"
    not_run = {"install"}
    assert [name for name in BLOCKS.keys() - run_by_commands - not_run if f'"{name}"' not in tests] == []
