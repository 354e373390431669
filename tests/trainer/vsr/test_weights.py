"""Weights that a run starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainer.core import checkpoints
from trainer.core.checkpoints import resolve
from trainer.core.start import load_start
from trainer.errors import CheckpointError
from trainer.vsr.config import VSRConfig
from vsanimesr.network.torch_network import AnimeSR

SMALL = {"features": 4, "blocks": (2, 1, 1)}

SHAPE = VSRConfig.shape_settings


def small(seed: int) -> AnimeSR:
    torch.manual_seed(seed)
    return AnimeSR(**SMALL)  # type: ignore[arg-type]


def equal(a: AnimeSR, b: AnimeSR) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    for step in (5, 7):
        state = {"step": step, "settings": "", "network": small(step).state_dict(), "ema": small(70).state_dict()}
        checkpoints.save(run, step, state, keep=3)
    return run


def test_a_run_gives_its_newest_weights_and_ema(folder: Path) -> None:
    network, ema = small(0), small(0)

    load_start(str(folder), network, ema, SHAPE)

    assert equal(network, small(7))
    assert equal(ema, small(70))


def test_a_checkpoint_gives_its_own_weights(folder: Path) -> None:
    network, ema = small(0), small(0)

    load_start(str(checkpoints.path_of(folder, 5)), network, ema, SHAPE)

    assert equal(network, small(5))


def test_released_weights_and_files_fill_both_networks(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    network, ema, again = AnimeSR(), AnimeSR(), AnimeSR()
    load_start("v2", network, ema, SHAPE)
    assert equal(network, ema)

    save_file(network.state_dict(), file)
    load_start(str(file), again, AnimeSR(), SHAPE)
    assert equal(again, network)


def test_weights_of_another_network_are_refused_with_the_difference(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is of another network .*; set network.features, network.blocks"):
        load_start(str(folder), AnimeSR(), AnimeSR(), SHAPE)


@pytest.mark.parametrize(
    ("start", "message"), [("v3", "v3"), ("nowhere.pt", "No such file"), ("", "holds no checkpoint")]
)
def test_missing_weights_are_an_error(start: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_start(start or str(tmp_path), small(0), small(0), SHAPE)


def test_a_run_without_checkpoints_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint; name a run's folder, or a file"):
        resolve(tmp_path)
