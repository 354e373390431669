"""Where a network's weights begin."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainer import checkpoints
from trainer.errors import CheckpointError
from trainer.weights import checkpoint_at, load
from vsanimesr.torch_network import AnimeSR

SMALL = {"features": 4, "blocks": (2, 1, 1)}


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
        state = {"step": step, "settings": "", "network": small(step).state_dict(), "average": small(70).state_dict()}
        checkpoints.save(run, step, state, keep=3)
    return run


def test_a_run_gives_its_newest_weights_and_their_average(folder: Path) -> None:
    network, average = small(0), small(0)

    load(str(folder), network, average)

    assert equal(network, small(7))
    assert equal(average, small(70))


def test_a_checkpoint_gives_its_own(folder: Path) -> None:
    network, average = small(0), small(0)

    load(str(checkpoints.path_of(folder, 5)), network, average)

    assert equal(network, small(5))


def test_released_weights_by_name_and_files_begin_both(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    network, average, again = AnimeSR(), AnimeSR(), AnimeSR()
    load("v2", network, average)
    assert equal(network, average)

    save_file(network.state_dict(), file)
    load(str(file), again, AnimeSR())
    assert equal(again, network)


def test_weights_of_another_network_are_refused_with_what_differs(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is of another network .*; set network.features, network.blocks"):
        load(str(folder), AnimeSR(), AnimeSR())


@pytest.mark.parametrize(("start", "said"), [("v3", "v3"), ("nowhere.pt", "No such file"), ("", "holds no checkpoint")])
def test_what_is_not_there_is_told(start: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=said):
        load(start or str(tmp_path), small(0), small(0))


def test_a_run_without_checkpoints_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint; name a run's folder, or a file"):
        checkpoint_at(tmp_path)
