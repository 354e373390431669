"""`animesr compare`: inputs, choices, what the page holds, progress, errors."""

from __future__ import annotations

import json
import os
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import vapoursynth as vs
from PIL import Image

from tests.cli.terminal import run_in_terminal
from vsanimesr import progress
from vsanimesr.cli import compare, main

CUT, FRAMES, WIDTH, HEIGHT = 5, 12, 64, 48
RNG = np.random.default_rng(2)
PICTURES = [RNG.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(2)]
UPSCALE = """
import vapoursynth as vs
core = vs.core
print("a script may print")
clip = core.bs.VideoSource("source.mkv", cachemode=0)
core.animesr.Upscale(clip, backend="null").set_output()
"""


def draw(n: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return PICTURES[n >= CUT]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with source.mkv (two scenes), up.vpy, and hq: images of four times the size."""
    if not hasattr(vs.core, "bs"):
        pytest.skip("vapoursynth-bestsource is not installed")
    folder = tmp_path_factory.mktemp("clips")
    with av.open(str(folder / "source.mkv"), "w") as container:
        stream = container.add_stream("libx264", Fraction(24))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for n in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(n), format="rgb24")))
        container.mux(stream.encode())
    (folder / "up.vpy").write_text(UPSCALE)
    (folder / "hq").mkdir()
    for n in range(FRAMES):
        picture = draw(n).repeat(4, 0).repeat(4, 1).copy()
        if n == 9:
            picture[:64, :64] ^= 255  # here the clips differ most
        Image.fromarray(picture).save(folder / "hq" / f"{n:02}.png")
    return folder


@pytest.fixture
def clips(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the current folder."""
    monkeypatch.chdir(made)
    return made


def read_data(file: Path) -> dict[str, Any]:
    """Return what the page was given."""
    text = file.read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])
    return found


def run(output: Path, *arguments: str) -> dict[str, Any]:
    """Run the command, which must succeed, and return what the page was given."""
    assert main(["compare", *arguments, "-o", str(output)]) == 0
    return read_data(output)


def test_a_source_a_script_and_a_reference(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    data = run(page, "source.mkv", "up.vpy", "--reference", "hq", "--count", "2")

    said = capsys.readouterr()
    assert said.err.endswith(f"{page}: {page.stat().st_size / 1e6:.1f} MB; open it in a browser\n")
    assert "source.mkv has no matrix, and is taken as BT.601\n" in said.err
    assert list(tmp_path.iterdir()) == [page]
    assert data["size"] == [4 * WIDTH, 4 * HEIGHT]
    assert [view["label"] for view in data["views"]] == ["source (nearest)", "source (bicubic)", "up", "reference"]
    assert [clip["label"] for clip in data["clips"]] == ["source", "up", "reference"]
    assert dict(data["clips"][1]["rows"])["AnimeSRBackend"].startswith("null")
    assert data["facts"][0].startswith("Frames: 2 of 12, from different scenes")
    # A frame of each scene, with figures of what can be compared.
    assert [shot["scene"] for shot in data["shots"]] == [1, 2]
    for shot in data["shots"]:
        nearest, bicubic, up, reference = shot["metrics"]
        assert nearest is reference is None
        assert up["psnr"] > bicubic["psnr"] > 10
        assert 0 < bicubic["ssim"] < up["ssim"] < 1
        assert shot["props"][2]["AnimeSRAnchor"] == ["0", str(CUT)][shot["scene"] - 1]


def test_frames_are_chosen_where_the_clips_differ_most(clips: Path, tmp_path: Path) -> None:
    # bicubic and hq are compared: they differ most in frame 9.
    data = run(tmp_path / "report.html", "source.mkv", "hq", "--count", "1")

    assert [shot["n"] for shot in data["shots"]] == [9]
    assert data["shots"][0]["places"][0][0] < 64 > data["shots"][0]["places"][0][1]


def test_as_many_frames_are_shown_as_were_asked_for(clips: Path, tmp_path: Path) -> None:
    data = run(tmp_path / "report.html", "source.mkv", "hq", "--count", "4", "--samples", "2")

    assert len(data["shots"]) == 4
    assert data["facts"][0].endswith(" 4 frames in 2 scenes were measured.")


def test_a_folder_that_takes_no_file_is_told_before_the_work(
    clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare, "_open", lambda *_: pytest.fail("the work has begun"))
    usual = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and usual(path, mode))

    assert main(["compare", "source.mkv", "hq", "-o", "hq/x.html"]) == 1
    assert "-o hq/x.html: nothing can be written to the folder hq; use another path" in capsys.readouterr().err


def test_frames_are_chosen_by_hand(clips: Path, tmp_path: Path) -> None:
    data = run(tmp_path / "report.html", "source.mkv", "hq", "--frames", "10, 3,10", "--labels", "DVD", "original")

    assert [(shot["n"], shot["scene"]) for shot in data["shots"]] == [(3, None), (10, None)]
    assert [view["label"] for view in data["views"]] == ["DVD (nearest)", "DVD (bicubic)", "original"]
    assert data["facts"][0] == "Frames: 2 of 12, chosen by hand (--frames)."


def test_the_same_page_twice(clips: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "1.html", tmp_path / "2.html"
    run(one, "source.mkv", "up.vpy", "hq")
    run(two, "source.mkv", "up.vpy", "hq")

    assert one.read_bytes() == two.read_bytes()


def test_the_page_takes_no_more_than_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        Image.fromarray(RNG.integers(0, 255, (600, 1000, 3), np.uint8)).save(f"{name}.png", compress_level=1)
    data = run(Path("report.html"), "a.png", "b.png", "--megabytes", "1")

    assert Path("report.html").stat().st_size <= 1e6
    (shot,) = data["shots"]
    assert 200 < shot["crop"][2] < 1000
    assert any("1 of 1 frames: only a part" in fact for fact in data["facts"])


def test_a_page_that_cannot_be_so_small_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        Path(name).mkdir()
        for n in range(50):
            Image.fromarray(RNG.integers(0, 255, (64, 64, 3), np.uint8)).save(f"{name}/{n:02}.png")
    frames = ",".join(map(str, range(50)))
    run(Path("report.html"), "a", "b", "--frames", frames, "--megabytes", "1")

    assert Path("report.html").stat().st_size > 1e6
    assert capsys.readouterr().err.endswith("more than --megabytes 1: show fewer frames, or allow more\n")
    run(Path("report.html"), "a", "b", "--frames", frames, "--megabytes", "2")
    assert "more than" not in capsys.readouterr().err


def test_lengths_may_differ_if_all_clips_have_the_frames(clips: Path, tmp_path: Path) -> None:
    data = run(tmp_path / "report.html", "source.mkv", "hq/00.png", "--frames", "0")

    assert [shot["n"] for shot in data["shots"]] == [0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["source.mkv", "-o", "x.html"], ["source.mkv alone cannot be compared", "--reference"]),
        (["source.mkv", "none.mkv", "-o", "x.html"], ["none.mkv does not exist", "a .vpy script"]),
        (["source.mkv", "hq", "-o", "hq"], ["-o hq is a folder; name a file in it"]),
        (["source.mkv", "hq", "-o", "none/x.html"], ["none does not exist; create it"]),
        (["source.mkv", "hq", "-o", "source.mkv"], ["-o source.mkv would overwrite source.mkv; use another path"]),
        (["source.mkv", "hq", "-o", "hq/00.png"], ["-o hq/00.png would overwrite a file in hq; use another path"]),
        (["source.mkv", "hq", "-o", "x" * 300], ["xxx cannot be used (File name too long)"]),
        (["source.mkv", "hq", "--labels", "a", "-o", "x.html"], ["--labels has 1 names for 2 clips; give each"]),
        (["source.mkv", "hq/00.png", "-o", "x.html"], ["source.mkv has 12 frames, and", "1; give", "--frames 10"]),
        (
            ["source.mkv", "hq", "--frames", "3,12", "-o", "x.html"],
            ["--frames has 12, but source.mkv ends with frame 11"],
        ),
        (["source.mkv", "text.mkv", "-o", "x.html"], ["text.mkv cannot be read as a video", ".vpy"]),
        (["source.mkv", "text.png", "-o", "x.html"], ["text.png cannot be read as an image", "PNG or JPEG"]),
        (["source.mkv", "fails.vpy", "-o", "x.html"], ["fails.vpy fails (ZeroDivisionError: division by zero)"]),
        (["source.mkv", "late.vpy", "-o", "x.html"], ["late.vpy: frame ", "cannot be read", "division by zero"]),
        (["late.vpy", "late.vpy", "-o", "x.html"], ["late.vpy: ", "division by zero"]),
        (["source.mkv", *["up.vpy"] * 8, "-o", "x.html"], ["10 pictures of each frame", "1 to 9; give fewer"]),
    ],
)
def test_what_cannot_be_used(
    clips: Path, arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.mkv").write_text("no video")
    Path("text.png").write_text("no image")
    Path("fails.vpy").write_text("1 / 0")
    late = "late = core.std.FrameEval(clip, lambda n: clip if n < 6 else 1 / 0)"
    Path("late.vpy").write_text(UPSCALE.replace('core.animesr.Upscale(clip, backend="null")', f"{late}\nlate"))

    assert main(["compare", *arguments]) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert not Path("x.html").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frames", "3,x"], "'3,x' is no list of frame numbers; write, for example, 10,20,300"),
        (["--frames", "-3"], "'-3' is no list of frame numbers"),
        (["--count", "0"], "'0' is not a whole number from 1 to 99999"),
        (["--megabytes", "1.5"], "'1.5' is not a whole number"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "a", "b", "-o", "x.html", *arguments])
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["a/x.mkv", "y.vpy"], ["x", "y"]),
        (["x.mkv", "x.vpy"], ["x.mkv", "x.vpy"]),
        (["a/x.mkv", "b/x.mkv"], [str(Path("a/x.mkv")), str(Path("b/x.mkv"))]),
        (["x.mkv", "x.mkv"], ["x.mkv (1)", "x.mkv (2)"]),
    ],
)
def test_labels_differ(paths: list[str], labels: list[str]) -> None:
    assert compare._labels([Path(path) for path in paths], None) == labels


@pytest.mark.parametrize(("module", "package"), [("PIL.Image", "pillow"), ("skimage.metrics", "scikit-image")])
def test_a_package_that_is_missing(
    clips: Path, module: str, package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(compare, "_open", lambda *_: pytest.fail("the work has begun"))

    assert main(["compare", "source.mkv", "up.vpy", "--reference", "up.vpy", "--frames", "0", "-o", "x.html"]) == 1
    said = capsys.readouterr().err
    assert f"needs the package {package}" in said
    assert 'pip install "vapoursynth-animesr[compare]"' in said


def test_stdout_stays_empty_whatever_a_script_prints(clips: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    code, out, shown = run_in_terminal("compare", "source.mkv", "up.vpy", "--frames", "0", "-o", str(page))

    assert (code, out) == (0, "")
    assert b"a script may print" in shown
    assert len(read_data(page)["shots"]) == 1


def test_progress(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SHORT_INTERVAL", 0.0)
    run(tmp_path / "report.html", "source.mkv", "hq", "--samples", "3", "--count", "2")

    lines = [line for line in capsys.readouterr().err.splitlines() if line.endswith((" left", "finishing"))]
    assert [line.partition(" frames, ")[0] for line in lines] == [
        *(f"scenes: {n + 1}/{FRAMES}" for n in range(FRAMES)),
        *(f"differences: {n + 1}/3" for n in range(3)),
        *(f"pictures: {n + 1}/2" for n in range(2)),
    ]
    assert all(re.search(r" frames/s, (\d+ s left|finishing)$", line) for line in lines)
