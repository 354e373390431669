"""`animesr upscale` and `animesr verify`: arguments, folders, output."""

from __future__ import annotations

import io
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import sources
from tests.cli.terminal import run_in_terminal
from tests.episode.jobs import frame_digests, inline, needs_episodes
from vsanimesr.cli import main, upscale
from vsanimesr.episode import job, muxing
from vsanimesr.episode.manifest import Folder
from vsanimesr.episode.request import Request
from vsanimesr.episode.script import upscale_arguments

__all__ = ["inline"]
pytestmark = needs_episodes

NULL = ["--backend", "null", "--encoder", "ffv1"]


@pytest.fixture(scope="module")
def vfr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn episode, 64x48."""
    folder = tmp_path_factory.mktemp("vfr")
    sources.write_vfr(folder, sources.draw_episode(64, 48))
    return folder / "episode.mkv"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that the program would work on."""
    requests: list[Request] = []
    monkeypatch.setattr(upscale, "upscale", lambda request, display: requests.append(request))
    return requests


def test_arguments_reach_the_job(asked: list[Request], tmp_path: Path) -> None:
    scenes = tmp_path / "scenes.txt"
    scenes.write_text("0\n")
    network = ["--model", "v1", "--held", "skip", "--segment", "100,8", "--tiles", "480x270", "--square"]
    network += ["--backend", "openvino", "--backend-option", "threads=1", "--backend-option", "streams=2"]
    encoder = ["--crf", "18", "--preset", "fast", "--encoder-option", "x265-params=aq-mode=3:rd=4"]
    rest = ["--range", "1:00-2:00", "--preview", "30s", "--workers", "2", "--chunk", "99", "--restart", "--no-estimate"]
    rest += ["--deinterlace", "--streams-from", "x.mkv", "--scene-change", str(scenes)]

    assert main(["upscale", "in.mkv", "-o", "out.mp4", *network, *encoder, *rest]) == 0

    assert asked == [
        Request(
            input=Path("in.mkv"),
            output=Path("out.mp4"),
            arguments={
                "model": ["v1"],
                "backend": ["openvino"],
                "backend_options": ["threads=1", "streams=2"],
                "scene_change": [str(scenes.resolve())],
                "segment": ["100", "8"],
                "held": ["skip"],
                "tiles": ["480", "270"],
                "square": ["1"],
            },
            fields="deinterlace",
            encoder="x265",
            encoder_options={"crf": "18", "preset": "fast", "x265-params": "aq-mode=3:rd=4"},
            range="1:00-2:00",
            preview="30s",
            chunk=99,
            workers=2,
            streams=Path("x.mkv"),
            restart=True,
            estimate=False,
        )
    ]


def test_what_makes_the_chunks_reaches_the_job(asked: list[Request]) -> None:
    start = ["upscale", "in.mkv", "-o", "out.mkv"]

    assert main([*start, "--gpus", "0,2"]) == 0
    assert main([*start, "--scheduler", "tcp://host:8786", "--resource", "CARD"]) == 0

    plain = Request(input=Path("in.mkv"), output=Path("out.mkv"))
    assert asked == [replace(plain, gpus=(0, 2)), replace(plain, scheduler="tcp://host:8786", resource="CARD")]


def test_without_options_nothing_is_set(asked: list[Request], tmp_path: Path) -> None:
    assert main(["upscale", "in.mkv", "-o", str(tmp_path)]) == 0
    assert asked == [Request(input=Path("in.mkv"), output=tmp_path / "in.mkv")]


def test_every_argument_has_a_text() -> None:
    assert set(upscale.HELP) == set(upscale_arguments())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["in.mkv"], 1, ["-o is missing; write, for example, -o new.mkv"]),
        (["none.mkv", "-o", "new.mkv"], 1, ["none.mkv is no file"]),
        ([".", "-o", "new"], 1, [". holds no video files"]),
        (["in.mkv", "-o", "new.mkv", "--chunk", "0"], 2, ["'0' is no number from 1 on"]),
        (["in.mkv", "-o", "new.mkv", "--gpus", "0,x"], 2, ["'0,x' is no list of numbers such as 0,1"]),
        (
            ["in.mkv", "-o", "new.mkv", "--gpus", "0", "--scheduler", "tcp://h:1"],
            2,
            ["not allowed with argument --gpus"],
        ),
        (["in.mkv", "-o", "new.mkv", "--gpus", "0", "--device", "1"], 1, ["--device 1: --gpus says which devices"]),
        (["in.mkv", "-o", "new.mkv", "--encoder-option", "aq"], 2, ["'aq' is not of the form name=value"]),
        (["in.mkv", "-o", "new.mkv", "--encoder", "x266"], 2, ["x266", "x265"]),
        (["in.mkv", "-o", "new.mkv", "--seek", "preview"], 2, ["unrecognized arguments: --seek"]),
    ],
)
def test_wrong_arguments(
    arguments: list[str],
    code: int,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if code == 2:
        with pytest.raises(SystemExit, match="2"):
            main(["upscale", *arguments])
    else:
        assert main(["upscale", *arguments]) == code
    said = capsys.readouterr().err
    assert [word for word in words if word not in said] == [], said
    assert list(tmp_path.iterdir()) == []


def test_vpy_prints_the_script_and_nothing_else(
    vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["upscale", str(vfr), "--vpy", *NULL, "--range", "10-20", "--height", "96"]) == 0

    assert capfd.readouterr().out == (
        f"import vapoursynth as vs\ncore = vs.core\nclip = core.bs.VideoSource({str(vfr)!r})\n"
        "clip = core.animesr.Upscale(clip, backend='null', height=96, format=vs.YUV420P10)\nclip = clip[10:20]\n"
        "clip.set_output()\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_vpy_of_a_script_is_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "mine.vpy"
    script.write_text("1 / 0  # not run\n")

    assert main(["upscale", str(script), "--vpy"]) == 0
    assert capsys.readouterr().out == "1 / 0  # not run\n"
    assert main(["upscale", str(script), "--vpy", "--preview", "30s"]) == 1
    assert "leave out --range and --preview" in capsys.readouterr().err


def test_vpy_can_be_run_where_a_pipe_has_another_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "mine.vpy"
    script.write_text("name = 'é アニメ'  # ü\n", encoding="utf-8")
    for encoding, same in (("utf-8", True), ("cp1252", False), ("cp932", False)):
        pipe = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding=encoding))
        assert main(["upscale", str(script), "--vpy"]) == 0
        sys.stdout.flush()
        variables: dict[str, str] = {}
        exec(pipe.getvalue(), variables)  # bytes without a declaration are UTF-8
        assert variables["name"] == "é アニメ"
        assert (pipe.getvalue() == script.read_bytes()) is same


@pytest.mark.usefixtures("inline")
def test_a_folder(vfr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, results = tmp_path / "season", tmp_path / "new"
    folder.mkdir()
    for name in ("e02.mkv", "e01.MKV", "e04.mkv"):
        (folder / name).write_bytes(vfr.read_bytes())
    (folder / "e03.mp4").write_text("no video")
    (folder / "notes.txt").write_text("no video")
    (folder / "._e01.mkv").write_text("what macOS keeps beside a file")
    arguments = ["upscale", str(folder), "-o", str(results), *NULL, "--range", "0-4"]

    assert main(arguments) == 1

    said = capsys.readouterr().err
    places = [said.index(f"[{n}/4] {name}") for n, name in enumerate(("e01.MKV", "e02.mkv", "e03.mp4", "e04.mkv"), 1)]
    assert places == sorted(places)
    assert "e03.mp4 cannot be read" in said
    assert said.endswith("animesr: 1 of 4 files failed: e03.mp4\n")
    assert sorted(path.name for path in results.glob("*.mkv")) == ["e01.mkv", "e02.mkv", "e04.mkv"]
    assert [path.name for path in results.iterdir() if path.is_dir()] == []
    before = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    assert main(arguments) == 1
    assert {path: path.stat().st_mtime_ns for path in results.iterdir()} == before
    (folder / "e04.avi").write_bytes(b"")
    assert main(arguments) == 1
    assert "would both become" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "more", "words"),
    [
        (["a.avi", "a.b.mkv", "a.mkv"], ["-o", "new"], "season/a.avi and season/a.mkv would both become new/a.mkv"),
        (["a.avi"], ["-o", "season"], "-o season is the folder of the videos; give another one"),
        (["a.avi"], ["-o", "new", "--streams-from", "x.mkv"], "--streams-from x.mkv is one file, but season is a"),
    ],
)
def test_folders_that_are_refused(
    names: list[str],
    more: list[str],
    words: str,
    asked: list[Request],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("season").mkdir()
    for name in names:
        (Path("season") / name).touch()

    assert main(["upscale", "season", *more]) == 1
    assert words in capsys.readouterr().err
    assert asked == []


def test_weights_are_found_from_the_current_folder(
    asked: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script runs in the folder of its video."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine.pth", "v1"):
        Path(name).touch()
        assert main(["upscale", "in.mkv", "-o", "new.mkv", "--model", name]) == 0

    assert [request.arguments["model"] for request in asked] == [[str(tmp_path / "mine.pth")], ["v1"]]


@pytest.mark.usefixtures("inline")
def test_what_a_container_cannot_hold_is_said_once_and_before_the_work(
    vfr: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--backend", "null", "--preset", "ultrafast"]
    assert main(["upscale", str(vfr), "-o", str(tmp_path / "new.mp4"), *options]) == 0

    lines = capfd.readouterr().err.splitlines()
    said = [number for number, line in enumerate(lines) if "left out" in line]
    assert len(said) == 1, lines
    assert "new.mp4: 48 frames" in lines[-1]
    assert said[0] < len(lines) - 1


@pytest.mark.usefixtures("inline")
def test_verify(vfr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new.mkv"
    assert main(["upscale", str(vfr), "-o", str(output), *NULL, "--chunk", "16"]) == 0
    capsys.readouterr()

    assert main(["verify", str(output)]) == 0
    assert capsys.readouterr().out == f"{output}: 48 frames in 3 chunks are those that were encoded\n"

    sidecar = job.sidecar_path(output)
    text = sidecar.read_text()
    digest = text.split('"')[-4]
    sidecar.write_text(text.replace(digest, "0" * 64))
    assert main(["verify", str(output)]) == 1
    found = capsys.readouterr().out
    assert re.fullmatch(rf"{output}: frames (14 to 36|37 to 47) are not those that were encoded\n", found)

    sidecar.write_text("{}")
    assert main(["verify", str(output)]) == 1
    assert "cannot be read" in capsys.readouterr().err
    sidecar.unlink()
    assert main(["verify", str(output)]) == 1
    assert "new.mkv.animesr.json does not exist" in capsys.readouterr().err


@pytest.mark.usefixtures("inline")
def test_verify_finds_another_picture(vfr: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result whose frames are others, with the manifest of the first."""
    one, two = tmp_path / "one.mkv", tmp_path / "two.mkv"
    for output, more in ((one, []), (two, ["--preroll", "2"])):
        assert main(["upscale", str(vfr), "-o", str(output), *NULL, "--chunk", "16", *more]) == 0
    one.write_bytes(two.read_bytes())
    capsys.readouterr()

    assert main(["verify", str(one)]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert len(frame_digests(one)) == 48


@pytest.mark.usefixtures("inline")
def test_verify_of_a_job_in_work(
    vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new.mkv"
    with monkeypatch.context() as patched:
        patched.setattr(muxing, "mux", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main(["upscale", str(vfr), "-o", str(output), *NULL, "--chunk", "16"])
    folder = Folder.of(output)
    folder.take_out(0)
    capsys.readouterr()

    assert main(["verify", str(output)]) == 0
    assert capsys.readouterr().out == (
        f"{output}: 34 frames in 2 chunks of 3 that are finished are those that were encoded\n"
    )
    folder.chunk_path(1).write_bytes(folder.chunk_path(2).read_bytes())
    assert main(["verify", str(output)]) == 1
    assert capsys.readouterr().out == f"{output}: frames 14 to 36 are not those that were encoded\n"
    folder.chunk_path(1).write_text("no video")
    assert main(["verify", str(output)]) == 1
    assert capsys.readouterr().out == f"{output}: frames 14 to 36 are not those that were encoded\n"


def test_a_terminal_shows_one_line_that_changes(vfr: Path, tmp_path: Path) -> None:
    code, out, shown = run_in_terminal("upscale", str(vfr), "-o", str(tmp_path / "new.mkv"), *NULL, "--held", "skip")

    assert code == 0
    assert out == ""
    text = shown.decode()
    assert re.search(r"\r\d+/48 frames, ([\d.]+ frames/s, (\d+ s left|finishing)|starting), \d/3 scenes", text), text
    assert "new.mkv: 48 frames, 3 scenes, 7 held frames skipped\r\n" in text
    assert text.endswith("\r\x1b[K")


@pytest.mark.usefixtures("inline")
def test_paths_may_be_relative(vfr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("episodes")
    folder.mkdir()
    shutil.copy(vfr, folder)
    script = "import vapoursynth as vs\nclip = vs.core.bs.VideoSource('episode.mkv', cachemode=0)\n"
    (folder / "clip.vpy").write_text(f"{script}vs.core.animesr.Upscale(clip, backend='null').set_output()\n")

    assert main(["upscale", "episodes/episode.mkv", "-o", "a.mkv", *NULL, "--format", "YUV420P10"]) == 0
    assert main(["upscale", "episodes/clip.vpy", "-o", "b.mkv", "--encoder", "ffv1"]) == 0
    assert main(["scenes", "episodes/clip.vpy", "-o", "scenes.txt"]) == 0

    assert len(frame_digests(tmp_path / "a.mkv")) == len(frame_digests(tmp_path / "b.mkv"))
    assert Path("scenes.txt").read_text().startswith("0\n")
