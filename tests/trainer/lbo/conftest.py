"""Fixtures for tests of operators: toy clips, pairs, an episode, and networks for pseudo-HQ."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.trainer.lbo.networks import Bilinear, save_debug_network, save_network
from tests.trainer.lbo.toy_pairs import write_pairs
from trainer.data.toy_clips import write_toy_clips, write_toy_episode


@pytest.fixture(scope="package")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips")
    write_toy_clips(path, clips=3)
    return path


@pytest.fixture(scope="package")
def pairs(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an operator, to read only."""
    return write_pairs(tmp_path_factory.mktemp("pairs"), clips)


@pytest.fixture
def pairs_copy(pairs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pairs, tmp_path / "copy"))


@pytest.fixture(scope="package")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("episode") / "old"
    write_toy_episode(path)
    return path


@pytest.fixture(scope="package")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A weights file of `Bilinear`."""
    return save_network(Bilinear(), tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="package")
def debug_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A weights file of a random network with the size of the preset `debug`."""
    return save_debug_network(tmp_path_factory.mktemp("model") / "debug.safetensors")
