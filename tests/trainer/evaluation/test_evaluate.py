"""The command: from clips and networks to tables, files, and the frames for other programs; errors before the work."""

from __future__ import annotations

import shutil
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.lbo.networks import save_debug_network
from trainer.baselines.rrdb import Rrdb
from trainer.cli import main
from trainer.data.toy_clips import write_toy_clips
from trainer.evaluation.measures import to_8_bits
from trainer.evaluation.sets import SetClip, open_set
from trainer.losses.metrics import psnr_y
from trainer.vsr.evaluation import upscale_bicubic
from vsanimesr.network.shapes import Shape

SHAPE = Shape(8, (2, 1, 1))
"""Of the network of `save_debug_network`."""
MACS = SHAPE.macs
PARAMETERS = sum(prod(shape) for shape in SHAPE.tensors().values())
CHEAP = "psnr_y,warping_error,flicker,line_stability"


@pytest.fixture
def folder(tmp_path: Path, empty_cache: Path) -> Path:
    write_toy_clips(tmp_path / "set")
    return tmp_path / "set"


def test_tables_files_and_results_of_another_program(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    network, lr, out = save_debug_network(tmp_path / "mine.safetensors"), tmp_path / "lr", tmp_path / "out"
    common = ["--data", str(folder), "--frames", "3", "--no-time", "--measures", CHEAP, "-o", str(out)]
    assert main(["evaluate", network, *common, "--write-lr", str(lr)]) == 0
    first = capsys.readouterr().out
    assert first == (out / "report.md").read_text(encoding="utf-8")
    parameters, macs = (f"{value:.{digits}f}" for value, digits in ((PARAMETERS / 1e6, 2), (MACS / 1e3, 0)))
    assert f"| {network} | {parameters} | {macs} |" in first
    assert f"* Set: {folder}, LR of preset paper, seed 0, of HQ; at most 3 frames of a clip." in first
    assert sorted(path.name for path in out.iterdir()) == [
        *("clips.csv", "differences.csv", "means.csv", "report.html", "report.md")
    ]

    assert sorted(path.name for path in lr.iterdir()) == ["lr.json", "shapes-0", "shapes-1"]
    for picture in lr.glob("*/*.png"):
        place = tmp_path / "results" / picture.relative_to(lr)
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(picture) as image:
            image.resize((128, 128), Image.Resampling.BICUBIC).save(place)
    assert main(["evaluate", str(tmp_path / "results"), network, *common]) == 0
    found = capsys.readouterr()
    assert "8 of 10 results are there already" in caplog.text  # all but those of the other program
    assert f"## Differences to {tmp_path / 'results'}" in found.out
    (row,) = (line for line in first.splitlines() if line.startswith(f"| shapes-0 | {network} |"))
    assert row in found.out

    unknown = (
        f"* {tmp_path / 'results'}: nothing tells that it is made of this LR; a copy of lr.json of --write-lr would."
    )
    assert unknown in found.out
    shutil.copy(lr / "lr.json", tmp_path / "results")
    assert main(["evaluate", str(tmp_path / "results"), *common]) == 0
    assert "nothing tells" not in capsys.readouterr().out
    assert main(["evaluate", str(tmp_path / "results"), *common, "--seed", "1"]) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'results' / 'lr.json'} is of other LR ('shapes-0': draw was 0 0, now 1 0)" in error


def test_a_baseline_is_a_row_and_bicubic_always(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(Rrdb(blocks=1).state_dict(), tmp_path / "weights.pth")
    name = f"bsrgan={tmp_path / 'weights.pth'}"
    common = ["--data", str(folder), "--frames", "1", "--no-time", "--measures", "psnr_y"]
    assert main(["evaluate", name, "bicubic", *common]) == 0
    printed = capsys.readouterr().out
    means = printed.split("## Differences")[0]
    assert f"| {name} | " in means
    assert means.count("| bicubic |") == 1
    assert main(["evaluate", "bicubic", *common, name, "noise.sigma=[0,5]"]) == 0
    printed = capsys.readouterr().out
    assert f"| {name} | " in printed
    assert "preset paper noise.sigma=[0,5], seed" in printed
    assert main(["evaluate", "bsrgan=none.pth", *common]) == 1
    assert "bsrgan='none.pth' cannot be read" in capsys.readouterr().err


def test_lq_clips_without_hq(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = save_debug_network(tmp_path / "mine.safetensors")
    common = ["--lq", str(folder), "--frames", "2", "--no-time"]
    assert main(["evaluate", network, *common, "--measures", CHEAP]) == 0
    printed = capsys.readouterr().out
    assert "line stability" in printed
    assert "PSNR" not in printed
    assert "| HQ |" not in printed
    assert main(["evaluate", network, *common, "--measures", "psnr_y"]) == 1
    assert "need HQ" in capsys.readouterr().err


@pytest.fixture
def pairs(tmp_path: Path, empty_cache: Path) -> Path:
    """A set of the folders lq and hq, as `Image.reduce` makes LQ."""
    write_toy_clips(tmp_path / "pairs" / "hq")
    for picture in (tmp_path / "pairs" / "hq").rglob("*.png"):
        small = tmp_path / "pairs" / "lq" / picture.relative_to(tmp_path / "pairs" / "hq")
        small.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(picture) as image:
            image.reduce(4).save(small)
    return tmp_path / "pairs"


def test_lq_clips_with_hq_are_measured_against_it(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["bicubic", "--frames", "2", "--no-time", "--measures", "psnr_y,line_stability"]
    assert main(["evaluate", *common, "--lq", str(pairs)]) == 0
    printed = capsys.readouterr().out
    assert "LQ with HQ" in printed
    assert "| HQ |" in printed
    set_clip, *_ = open_set(pairs, 2, None)
    frames = set_clip.load()
    assert frames.hq is not None
    with Image.open(pairs / "hq" / set_clip.name / "00000001.png") as image:
        assert np.array_equal(frames.hq[1].permute(1, 2, 0).numpy(), np.asarray(image))
    sr = to_8_bits(upscale_bicubic(frames.lr.float() / 255))
    expected = psnr_y(sr.float() / 255, frames.hq.float() / 255).mean().item()
    (row,) = (line for line in printed.splitlines() if line.startswith(f"| {set_clip.name} | bicubic |"))
    assert f"| {expected:.2f} |" in row

    origin = set_clip.origin()
    (pairs / "hq" / set_clip.name / "00000000.png").write_bytes(
        (pairs / "hq" / set_clip.name / "00000001.png").read_bytes()
    )
    assert open_set(pairs, 2, None)[0].origin() != origin


def test_hq_that_does_not_fit_its_lq_is_refused(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = pairs / "hq" / "shapes-0"
    for picture in first.iterdir():
        with Image.open(picture) as image:
            image.resize((128, 120)).save(picture)
    assert main(["evaluate", "bicubic", "--lq", str(pairs)]) == 1
    assert "'shapes-0' has" in (error := capsys.readouterr().err)
    assert "of 128x120" in error
    first.rename(pairs / "gone")
    assert main(["evaluate", "bicubic", "--lq", str(pairs)]) == 1
    assert "no clip 'shapes-0'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["noise.sigmaa=3"], "did you mean 'noise.sigma'"),
        (["--every", "0"], "--every 0"),
        (["--frames", "0"], "--frames 0"),
        (["--measures", "psnr"], "--measures has 'psnr'"),
        (["--measures", "maniqa"], "--maniqa FILE"),
        (["-o", "{file}/out"], "-o "),
    ],
)
def test_mistakes_are_told_before_the_work(
    arguments: list[str],
    message: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SetClip, "load", lambda _: pytest.fail("the work has begun"))
    network = save_debug_network(tmp_path / "mine.safetensors")
    arguments = [each.format(file=network) for each in arguments]
    assert main(["evaluate", network, "--data", str(folder), *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["HQ", "LR", "bicubic", "v2", "realesr-animevideov3"])
def test_results_cannot_take_the_name_of_something_else(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for picture in folder.glob("*/*.png"):
        place = tmp_path / name / picture.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(picture) as image:
            Image.eval(image, lambda value: 255 - value).save(place)
    monkeypatch.chdir(tmp_path)
    common = ["--data", str(folder), "--frames", "1", "--no-time", "--measures", "psnr_y,warping_error"]
    assert main(["evaluate", name, *common]) == 1
    assert f"MODEL {name} " in (error := capsys.readouterr().err)
    assert f"./{name}" in error
    assert main(["evaluate", f"./{name}", *common]) == 0
    printed = capsys.readouterr().out
    values = {line.split(" | ")[1]: line for line in printed.splitlines() if line.startswith("| shapes-0 |")}
    assert values.keys() == {"bicubic", f"./{name}", "HQ"}
    assert float(values[f"./{name}"].split(" | ")[2]) < 15 < float(values["bicubic"].split(" | ")[2])


def test_what_nothing_is_named_by_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("none")
    for name in ("nosuch", "notes.txt", "nosuch/run"):
        assert main(["evaluate", name, "--data", str(folder)]) == 1
        assert (error := capsys.readouterr().err).startswith(f"error: MODEL {name!r} is unknown; use v1, v2")
        assert all(each in error for each in ("a folder of results", "realesrgan-x4plus-anime", "bsrgan=PATH"))
    assert main(["evaluate", "v2-fats", "--data", str(folder)]) == 1
    assert capsys.readouterr().err == "error: MODEL 'v2-fats' is unknown; did you mean 'v2-fast'?\n"


@pytest.mark.parametrize(
    "argument",
    [
        *("-o out", "--measures niqe", "--maniqa file", "--write-lr lr", "--frames 24", "--every 10", "--no-time"),
        *("--preset paper", "--seed 0", "noise.sigmaa=3"),
    ],
)
def test_what_is_of_no_use_with_an_episode_is_refused(
    argument: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["evaluate", "bicubic", "--lq", str(folder / "shapes-0"), *argument.split()]) == 1
    assert f"error: {argument.split()[0]} is of no use with --lq" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("argument", ["--preset paper", "--seed 0", "noise.sigmaa=3", "--show look.png"])
def test_what_is_of_no_use_with_lq_clips_is_refused(
    argument: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "bicubic", "--lq", str(folder), *argument.split()]) == 1
    assert f"error: {argument.split()[0]} is of no use with" in capsys.readouterr().err


def test_notes_name_what_was_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["evaluate", "bicubic", "--data", str(folder), "--frames", "1", "--no-time", "--measures"]
    assert main([*common, "psnr_y"]) == 0
    printed = capsys.readouterr().out
    for absent in ("Time:", "One frame in", "optical flow", "interval", "MANIQA", "NIQE"):
        assert absent not in printed
    assert main([*common, "psnr_y,ssimulacra2,flicker", "--every", "5"]) == 0
    printed = capsys.readouterr().out
    assert "* One frame in 5: SSIMULACRA2; all else: every frame." in printed
    assert "* Motion is found by DIS optical flow, once a clip, in HQ." in printed


def test_a_folder_without_results_is_told_what_they_are_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs").mkdir()
    assert main(["evaluate", str(tmp_path / "theirs"), "--data", str(folder)]) == 1
    assert f"or a folder of results, with {tmp_path / 'theirs' / 'shapes-0'} and so on" in capsys.readouterr().err


def test_a_clip_that_is_too_small_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "set" / "tiny").mkdir(parents=True)
    Image.fromarray(np.zeros((60, 128, 3), np.uint8)).save(tmp_path / "set" / "tiny" / "0.png")
    assert main(["evaluate", "v2-fast", "--data", str(tmp_path / "set")]) == 1
    assert "'tiny' has LR of 32x12" in capsys.readouterr().err
