"""The benchmark: what it measures adds up, and its table says what limits a run."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainer.bench import plan, steps
from trainer.bench.data import DRAWN_FRAMES, DRAWN_SIZE, DataTime, draw_clip
from trainer.bench.plan import Outcome, Stage, Waiting
from trainer.bench.report import format_outcome
from trainer.bench.steps import Load, StepTime
from trainer.bench.timing import seconds_each
from trainer.cli import main
from trainer.core.config import RunConfig
from trainer.core.fabric import launch
from trainer.data.clips import find_clips
from trainer.data.toy_clips import write_toy_clips
from trainer.lbo import config as lbo_config
from trainer.settings import override
from trainer.vsr.config import preset

CPU, GPU = torch.device("cpu"), torch.device("cuda")
TINY = (
    *("network.features=4", "network.blocks=[1,1,1]", "discriminator.features=2", "discriminator.layers=[1]"),
    *("losses.perceptual.weight=0", "sampling.size=64", "sampling.frames=2", "batch=1"),
)
WHOLE = Load(4, 15, 256)
DATA = DataTime(
    read=0.2, parts={"blur": 0.02, "noise": 0.02, "scaling": 0.01, "codec": 0.05}, device=None, encode=0.025
)


def stage(step: float, data: DataTime | None = DATA, **settings: object) -> Stage:
    config = preset("vsr-l1", "paper").model_copy(update={"steps": 3600, **settings})
    return Stage("vsr-l1", config, StepTime(step, WHOLE, WHOLE), data)


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "cores_per_process", lambda: 4)
    monkeypatch.setattr("trainer.core.loader.cores", lambda: 4)


def test_a_slow_step_is_the_limit_on_a_cpu_and_loading_takes_its_cores() -> None:
    found = stage(10.0).seconds(CPU)

    assert found == pytest.approx({"step": 10 + 4 * 0.3 / 4, "loading": 4 * 0.3})  # one worker is enough
    assert stage(10.0).hours(CPU) == pytest.approx(10.3)


@pytest.mark.parametrize(
    ("data", "limit", "seconds"),
    [
        (replace(DATA, device=0.01), "reading", 4 * 0.2 / 3),  # three workers
        (replace(DATA, device=0.01, encode=0.2), "codec", 4 * 0.2),
        (replace(DATA, device=0.01, read=0.001, parts={"codec": 1.0}), "cores", 4 * 1.001 / 4),
        (replace(DATA, device=0.1), "step", 0.1 + 4 * 0.1),
    ],
)
def test_the_slowest_part_limits_a_gpu(data: DataTime, limit: str, seconds: float) -> None:
    found = stage(0.1, data, degrade_on="device").seconds(GPU)

    assert max(found, key=lambda name: found[name]) == limit
    assert found[limit] == pytest.approx(seconds)


def test_workers_that_degrade_for_a_gpu_take_none_of_its_time() -> None:
    found = stage(0.1, replace(DATA, device=0.1), degrade_on="workers").seconds(GPU)

    assert found == pytest.approx({"step": 0.1, "loading": 4 * 0.3 / 3})


def test_the_table_tells_hours_waiting_and_what_is_scaled() -> None:
    scaled = replace(stage(0.5), step=StepTime(0.5, Load(1, 2, 64), WHOLE))
    outcome = Outcome(
        CPU,
        {
            "paper": (stage(0.5), replace(stage(40.0, degrade_on="device"), name="vsr-gan")),
            "release": (scaled,),
            "recipe": (replace(stage(2.0, None), name="lbo-l1"), replace(scaled, name="vsr-final")),
        },
        Waiting(2.0, 0.25),
    )

    text = format_outcome(outcome)

    assert "| read and crop, one core | 5 | 5 | 5 |" in text
    assert "| all of it, one core | 3.33 | 3.33 | 3.33 |" in text
    assert "| vsr-l1 | 0.5 | 8 | 4 x 15 frames of 256x256 |" in text
    assert "| vsr-final | ~0.5 | 8 | scaled from 1 x 2 frames of 64x64 |" in text
    assert "| paper | vsr-l1 | 3,600 | 1.2 h | 33 % | loading |" in text  # 0.8 of 1.2 s a step
    assert "| paper | vsr-gan | 3,600 | 40 h | 0 % | step |" in text
    assert "| paper | all | | **42 h** | | |" in text
    assert "| recipe | lbo-l1 | 3,600 | 2 h | 0 % | step |" in text
    assert "vsr-l1 runs 2 steps a second and waits for clips 25 % of the time." in text


def test_work_is_timed_without_its_first_call() -> None:
    calls: list[float] = []

    def work() -> None:
        calls.append(0.5 if not calls else 0.01)
        time.sleep(calls[-1])

    assert 0.009 < seconds_each(work, 0.0) < 0.25  # a busy machine wakes late
    assert len(calls) == 2


@pytest.mark.parametrize(
    "settings",
    [
        preset("vsr-l1", "paper"),
        preset("vsr-gan", "paper"),
        preset("vsr-gan", "debug"),
        lbo_config.preset("lbo-gan", "paper"),
        lbo_config.preset("lbo-l1", "debug"),
    ],
)
def test_smaller_steps_are_smaller_and_the_last_one_is_whole(settings: RunConfig) -> None:
    *smaller, last = steps._loads(settings, steps._whole(settings))

    assert last == steps._whole(settings)
    assert all(load.pixels < last.pixels for load in smaller)
    batch = steps._noise(settings, last)
    assert len(batch.input) == settings.batch


@pytest.mark.parametrize("budget", [0.0, 60.0])
def test_a_step_is_scaled_only_if_there_is_no_time(budget: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "seconds_each", lambda work, left, device: work() and 2.0)
    settings = override(preset("vsr-gan", "debug"), [*TINY, "batch=4", "sampling.frames=4"])
    fabric, scaler = launch(settings)

    found = steps.time_step(settings, fabric, scaler, budget)

    assert found.whole == Load(4, 4, 64)
    if budget:
        assert (found.seconds, found.scaled) == (2.0, False)
    else:
        assert found.measured == Load(1, 2, 64)
        assert found.seconds == pytest.approx(2.0 * 8)


def test_a_drawn_clip_is_long_and_large_enough(tmp_path: Path) -> None:
    draw_clip(tmp_path)

    (clip,) = find_clips(tmp_path / "clips")
    assert len(clip) == DRAWN_FRAMES >= 14 * 3 + 1
    assert clip.check() == DRAWN_SIZE


def test_the_command_prints_tables_on_stdout_and_progress_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy_clips(tmp_path, clips=1)
    monkeypatch.setattr(plan, "_operators", lambda: [lbo_config.preset(stage, "debug") for stage in lbo_config.STAGES])

    assert main(["bench", "--data", str(tmp_path), "--seconds", "5", *TINY]) == 0

    out = capsys.readouterr().out
    rates = re.findall(r"^\| (.*), one core \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", out, re.MULTILINE)
    assert [name for name, *_ in rates] == [
        "read and crop",
        "blur",
        "noise",
        "scaling or operators",
        "codec",
        "all of it",
    ]
    for column in (1, 2, 3):
        parts = [1 / float(row[column]) for row in rates]
        assert sum(parts[:-1]) == pytest.approx(parts[-1], rel=0.02)
    assert re.search(r"^\| paper \| all \| \| \*\*.+\*\* \| \| \|$", out, re.MULTILINE)
    assert "waits for clips" in out


@pytest.mark.parametrize("seconds", ["0", "-5", "4", "1.5", "x"])
def test_a_time_too_short_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", f"--seconds={seconds}"])

    assert "is not a time; write a number of seconds from 5 on" in capsys.readouterr().err
