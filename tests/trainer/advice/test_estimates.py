"""Estimates: durations in words, and trials of stages before they begin."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import Path

import pytest
from torch import Tensor

from tests.trainer.lbo.networks import save_debug_network
from trainer.advice import estimates
from trainer.core import forecast
from trainer.core.forecast import Forecast, clock
from trainer.data.clips import require_clip
from trainer.data.toy_clips import write_toy_clips, write_toy_episode
from trainer.lbo import config as lbo_config
from trainer.vsr.config import preset
from trainer.vsr.train import train
from trainer.vsr.weights import load_network
from vsanimesr.machine import cores


@pytest.fixture(autouse=True)
def _short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "TRIAL", 0.5)


NOW = datetime(2026, 11, 26, 12, 20)


def test_a_forecast_tells_when_it_ends() -> None:
    assert forecast.forecast(1.92, 10_000, NOW) == "about 5 h 20 min for 10,000 steps, ends about 17:40"
    assert clock(86400, NOW) == "12:20 on 2026-11-27"


def test_first_steps_do_not_count(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    run = Forecast("runs/l1", 100, 10_100)
    for step, seconds in enumerate([500, 400, *[2] * 400], 101):
        now += seconds
        run.advance(step)

    first, second = (each.getMessage() for each in caplog.records)
    # 8 steps of 2 s are the first that take 15 s, and 300 those that take 600 s
    assert first.startswith("runs/l1: about 5 h 33 min for 9,990 steps, ends about ")
    assert second.startswith("runs/l1: about 5 h 23 min for 9,698 steps")


def test_a_trial_leaves_nothing_and_finished_stages_take_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy_clips(tmp_path / "clips")
    monkeypatch.chdir(tmp_path)
    config = preset("vsr-gan", "debug").model_copy(update={"data": str(tmp_path / "clips"), "steps": 100})
    known: dict[str, float] = {}
    stages = [config, *(lbo_config.preset(stage, "debug") for stage in lbo_config.STAGES)]
    for settings in stages:
        (found,) = estimates.estimate_training("one", settings, tmp_path / "no run", known)
        assert found.seconds == settings.steps * known[settings.stage] > 0
        assert found.of == f"{settings.steps} steps"
    assert [each.name for each in tmp_path.iterdir()] == ["clips"]

    done = preset("vsr-l1", "debug").model_copy(update={"data": str(tmp_path / "clips"), "steps": 1})
    train(done, tmp_path / "run")
    assert estimates.estimate_training("", done, tmp_path / "run", known) == []


def test_slow_samples_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step waits for its clips, which each core makes one after the other."""
    write_toy_clips(tmp_path)
    config = preset("vsr-l1", "debug").model_copy(update={"data": str(tmp_path), "steps": 100, "batch": 4})

    def slow_blur(frames: Tensor, *_: float) -> Tensor:
        time.sleep(0.1)
        return frames

    monkeypatch.setattr("trainer.bench.data.blur", slow_blur)
    (found,) = estimates.estimate_training("", config, tmp_path / "no run", {})

    assert found.seconds > 100 * 4 * 0.1 / cores()


def test_pairs_take_time_by_their_number_and_factor(tmp_path: Path) -> None:
    write_toy_episode(tmp_path / "old")
    network = load_network(save_debug_network(tmp_path / "debug.safetensors"))
    few, many, small = (
        estimates.estimate_pairs("", require_clip(tmp_path / "old", ""), network, count, factor).seconds
        for count, factor in [(1, 1.0), (1000, 1.0), (1000, 0.1)]
    )

    assert 0 < few < small < many


def test_the_page_takes_as_long_as_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_toy_episode(tmp_path / "old")
    network = load_network(save_debug_network(tmp_path / "debug.safetensors"))
    monkeypatch.setattr(estimates, "_time_frame", lambda episode, network: 0.5)

    found = estimates.estimate_page("page", [require_clip(tmp_path / "old", "")] * 2, network)

    assert (found.seconds, found.of) == (2 * 12 * (4 + 5) * 0.5, "up to 12 scenes by two models")
