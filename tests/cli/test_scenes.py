"""`animesr scenes`: files, scripts, formats, progress, errors."""

from __future__ import annotations

import re
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

from tests.cli.terminal import run_in_terminal
from vsanimesr import progress
from vsanimesr.cli import main
from vsanimesr.episode import clips
from vsanimesr.scene_file import read_scene_file

CUTS = (0, 12, 20)
FRAMES = 30
SCRIPT = """
import vapoursynth as vs
core = vs.core
one = core.std.BlankClip(format=vs.GRAY8, width=64, height=48, length=10, color=20)
two = core.std.BlankClip(one, color=200)
print("a script may print")
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video file with three scenes."""
    if not hasattr(vs.core, "bs"):
        pytest.skip("vapoursynth-bestsource is not installed")
    file = tmp_path_factory.mktemp("video") / "clip.mkv"
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1) for _ in CUTS]
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for n in range(FRAMES):
            picture = pictures[sum(n >= cut for cut in CUTS) - 1]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file


@pytest.mark.parametrize(
    ("name", "options", "start"),
    [
        ("scenes.txt", [], "0\n12\n20\n"),
        ("scenes", [], "0\n12\n20\n"),
        ("scenes.qp", [], "0 I -1\n"),
        ("scenes.json", [], '{"frames": 30, "scenes": [{"start_frame": 0, "end_frame": 12'),
        ("scenes.CSV", [], "Timecode List:,00:00:00.500,00:00:00.833\nScene Number"),
        ("scenes.txt", ["--format", "qpfile"], "0 I -1\n"),
    ],
)
def test_the_scenes_of_a_video(
    video: Path, tmp_path: Path, name: str, options: list[str], start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    assert main(["scenes", str(video), "-o", str(file), *options]) == 0

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith(f"{file}: 3 scenes in 30 frames\n")
    assert file.read_text().startswith(start)
    assert read_scene_file(str(file)) == CUTS
    assert list(tmp_path.iterdir()) == [file]


def test_the_scenes_of_a_script(tmp_path: Path) -> None:
    script, file = tmp_path / "clip.vpy", tmp_path / "scenes.txt"
    (tmp_path / "beside.py").write_text("LENGTH = 10\n")
    script.write_text(f"{SCRIPT}\nfrom beside import LENGTH\n(one + two[:LENGTH]).set_output()\n")
    assert main(["scenes", str(script), "-o", str(file)]) == 0

    assert read_scene_file(str(file)) == (0, 10)


def test_a_script_may_change_the_folder_and_the_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    changes = "import os, sys\nos.chdir('other')\nsys.path.pop(0)\nsys.path.append('nowhere')"
    Path("clip.vpy").write_text(f"{changes}\n{SCRIPT}\none.set_output()\n")
    before = [*sys.path]

    assert main(["scenes", "clip.vpy", "-o", "scenes.txt"]) == 0
    assert sys.path == before
    assert read_scene_file(str(tmp_path / "scenes.txt")) == (0,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_like_this", ["clip.vpy fails", "ModuleNotFoundError", "nothing_like_this"]),
        ("raise SystemExit(3)", ["clip.vpy fails", "SystemExit"]),
        (SCRIPT, ["no clip as output 0", "set_output()"]),
        (f"{SCRIPT}\ncore.std.BlankAudio().set_output()", ["no clip as output 0"]),
        (f"{SCRIPT}\ncore.std.Splice([one, one.std.Crop(2)], mismatch=True).set_output()", ["changes its size"]),
        (f"{SCRIPT}\nvs.core.std.FrameEval(one, lambda n: 1 / 0).set_output()", ["clip.vpy", "division by zero"]),
    ],
)
def test_a_script_that_fails(tmp_path: Path, text: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    script, file = tmp_path / "clip.vpy", tmp_path / "scenes.txt"
    script.write_text(text)
    file.write_text("old")

    assert main(["scenes", str(script), "-o", str(file)]) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert file.read_text() == "old"


def test_bad_paths(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.mkv"
    text.write_text("no video")
    for arguments, words in (
        ([str(tmp_path / "none.mkv"), "-o", str(tmp_path / "x")], ["none.mkv is no file"]),
        ([str(text), "-o", str(tmp_path / "x")], ["text.mkv cannot be read as a video", ".vpy"]),
        ([str(video), "-o", str(tmp_path / "none" / "x")], ["none does not exist", "create it"]),
        ([str(video), "-o", str(tmp_path)], ["is a folder; name a file in it"]),
        (["x" * 300, "-o", str(tmp_path / "x")], ["xxx cannot be used (File name too long)"]),
        ([str(text), "-o", str(tmp_path / ("x" * 300) / "x")], ["xxx cannot be used (File name too long)"]),
        (
            [str(text), "-o", f"{tmp_path}/../{tmp_path.name}/text.mkv"],
            ["would overwrite", "text.mkv; use another path"],
        ),
    ):
        assert main(["scenes", *arguments]) == 1
        said = capsys.readouterr().err
        assert all(word in said for word in words), said
    assert list(tmp_path.iterdir()) == [text]
    assert text.read_text() == "no video"


def test_no_plugin_that_opens_videos(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clips, "READERS", {"nothing": "Source"})

    assert main(["scenes", str(video), "-o", str(tmp_path / "x")]) == 1
    assert "pip install vapoursynth-bestsource" in capsys.readouterr().err


def test_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SHORT_INTERVAL", 0.0)
    script = tmp_path / "clip.vpy"
    script.write_text(f"{SCRIPT}\none[:3].set_output()\n")

    assert main(["scenes", str(script), "-o", str(tmp_path / "scenes.txt")]) == 0

    lines = [line for line in capsys.readouterr().err.splitlines() if "/3 frames, " in line]
    assert [line.partition(" frames, ")[0] for line in lines] == ["1/3", "2/3", "3/3"]
    assert all(re.search(r" frames/s, \d+ s left$", line) for line in lines[:-1])
    assert lines[-1].endswith(" frames/s, finishing")


def test_frame_0_starts_a_scene_whatever_its_property_says() -> None:
    clip = vs.core.std.BlankClip(format=vs.GRAY8, width=16, height=16, length=6)
    marked = clip.std.SetFrameProps(_SceneChangePrev=0)

    cut = marked[:1].std.SetFrameProps(_SceneChangePrev=1)
    assert clips.find_scenes(marked[:3] + cut + marked[:2], "") == [0, 3]


def test_a_terminal_shows_one_line_and_clears_it(tmp_path: Path) -> None:
    script = tmp_path / "clip.vpy"
    script.write_text(
        f"{SCRIPT}\nimport time\ncore.std.FrameEval(one, lambda n: time.sleep(0.1) or one).set_output()\n"
    )

    code, out, shown = run_in_terminal("scenes", str(script), "-o", str(tmp_path / "scenes.txt"))

    assert code == 0
    assert out == ""  # what the script prints goes to stderr
    assert b"a script may print" in shown
    assert b"/10 frames, " in shown
    assert shown.rpartition(b"\r\x1b[K")[2].endswith(b"1 scenes in 10 frames\r\n")
