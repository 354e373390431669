"""Training from a pool: it changes no result, except where the clips do not fit, and then the run says so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from safetensors.torch import save_file

from trainer.core import checkpoints
from trainer.data import pool
from trainer.data.toy_clips import FRAMES, SIDE, write_toy_clips
from trainer.errors import CheckpointError, SettingError
from trainer.settings import override
from trainer.vsr import train as training
from trainer.vsr.config import VSRConfig, preset
from trainer.vsr.train import check, divide_clips, train

SMALL = (
    *("network.features=4", "sampling.size=32", "sampling.frames=3", "sampling.strides=[1,2]", "steps=2"),
    *("records.log=1", "records.preview=0"),
)
ALL_BYTES = 2 * FRAMES * SIDE * SIDE * 3


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_toy_clips(folder)
    return folder


@pytest.fixture(autouse=True)
def pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pools"


def small(clips: Path, memory: float, *more: str) -> VSRConfig:
    return override(preset("vsr-l1", "debug"), [*SMALL, f"data={clips}", f"memory={memory:f}", *more])


def weights(run: Path, folder: Path) -> bytes:
    save_file(checkpoints.read_newest(run)["network"], folder / "weights.safetensors")
    return (folder / "weights.safetensors").read_bytes()


def test_a_pool_of_all_clips_changes_no_weight_and_may_come_and_go(clips: Path, pools: Path, tmp_path: Path) -> None:
    train(small(clips, 0), tmp_path / "none")
    assert not pools.exists()
    train(small(clips, 1), tmp_path / "all")
    assert len(list(pools.glob(f"*{pool.SUFFIX}"))) == 1
    for memory, steps in ((0, 1), (1, 2)):
        train(small(clips, memory, f"steps={steps}"), tmp_path / "both")

    for path in pools.glob(f"*{pool.SUFFIX}"):
        path.unlink()
    train(small(clips, 1), tmp_path / "all")
    assert not list(pools.glob(f"*{pool.SUFFIX}"))  # a run that is finished needs none

    results = {name: weights(tmp_path / name, tmp_path) for name in ("none", "all", "both")}
    assert results["none"] == results["all"] == results["both"]


def test_parts_are_sources_of_the_run_and_it_learns_from_them_alone(
    clips: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    half = ALL_BYTES / 2 / 1e9
    train(small(clips, half), tmp_path / "parts")

    sources = checkpoints.sources_of(checkpoints.read_newest(tmp_path / "parts"))
    parts = [name for name in sources if name.startswith("clip ")]
    assert len(parts) > 2
    assert {name[: len("clip shapes-0")] for name in parts} == {"clip shapes-0", "clip shapes-1"}
    assert all(", 40x40 at " in name for name in parts)
    assert any("memory=" in line and "of the HQ" in line for line in caplog.messages)
    with pytest.raises(CheckpointError, match=r"was trained otherwise: clip shapes-0, frames .* was "):
        train(small(clips, 1), tmp_path / "parts")
    train(small(clips, half, "steps=3"), tmp_path / "parts")
    train(small(clips, half, "steps=3"), tmp_path / "whole")
    assert weights(tmp_path / "parts", tmp_path) == weights(tmp_path / "whole", tmp_path)


def test_parts_are_large_enough_for_hq_that_is_made_smaller(clips: Path) -> None:
    parts, _ = divide_clips(small(clips, ALL_BYTES / 2 / 1e9, "sampling.zoom=[0.5,0.5]"))

    assert all(min(part.check()) >= 32 / 0.5 for part in parts)


def test_faults_are_found_before_clips_are_decoded(
    clips: Path, pools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "pack_clips", lambda *_: pytest.fail("decoded"))
    with pytest.raises(CheckpointError, match="nowhere"):
        train(small(clips, 1, "start=nowhere.safetensors"), tmp_path / "run")
    with pytest.raises(SettingError, match=r"memory=.* has no room"):
        train(small(clips, 1e-6), tmp_path / "run")
    check(small(clips, 1), tmp_path / "run")
    assert not pools.exists()
