"""NN-only: its size, its training, and that it is the whole degradation of another training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainer.core import checkpoints
from trainer.data.clips import find_clips, require_clip
from trainer.data.toy_clips import write_toy_clips, write_toy_episode
from trainer.degradation.scaling import downscale
from trainer.settings import override
from trainer.table2 import nn_only
from trainer.vsr.config import preset
from trainer.vsr.train import build_samples


def test_nn_only_has_the_papers_size_and_is_initially_the_identity() -> None:
    network = nn_only.NNOnly()
    picture = torch.rand(2, 3, 12, 16)

    assert round(sum(weight.numel() for weight in network.parameters()) / 1000) == 594
    assert torch.allclose(network(picture), picture, atol=0.1)  # the last bias is random


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, vgg: None) -> None:
    monkeypatch.setattr(nn_only, "BATCH", 1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> nn_only.UnpairedPictures:
    folder = tmp_path_factory.mktemp("pictures")
    write_toy_clips(folder / "hq")
    write_toy_episode(folder / "old")
    return nn_only.UnpairedPictures.load(folder / "hq", [folder / "old"])


def test_pictures_are_hq_of_the_size_of_lq_and_frames_of_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toy_clips(tmp_path / "hq")
    write_toy_episode(tmp_path / "old")
    first, second = find_clips(tmp_path / "hq")
    episode = require_clip(tmp_path / "old", "episode")
    pictures = nn_only.UnpairedPictures.load(tmp_path / "hq", [tmp_path / "old"])

    assert [len(kind) for kind in (pictures.clean, pictures.real)] == [len(first) + len(second), len(episode)]
    small = downscale(torch.from_numpy(first.read([0])[0].copy()).permute(2, 0, 1)[None].float() / 255, 4, "area")
    assert np.abs(pictures.clean[0] / 255 - small[0].permute(1, 2, 0).numpy()).max() < 1 / 255
    assert np.array_equal(pictures.real[5], episode.read([5])[0])
    monkeypatch.setattr(nn_only, "MOST", 10)
    fewer = nn_only.UnpairedPictures.load(tmp_path / "hq", [tmp_path / "old"])
    assert all(5 <= len(kind) <= 10 for kind in (fewer.clean, fewer.real))


@pytest.mark.usefixtures("small")
def test_nn_only_learns_from_unpaired_pictures(pictures: nn_only.UnpairedPictures, tmp_path: Path) -> None:
    """Checks that the weights change, not that the result is good."""
    torch.manual_seed(0)
    before = nn_only.NNOnly().state_dict()

    file = tmp_path / "nn-only.safetensors"
    trained = nn_only.train_or_load(lambda: pictures, file, 2).state_dict()
    loaded = nn_only.train_or_load(lambda: pytest.fail("trained again"), file, 2).state_dict()

    assert any(not torch.equal(weight, before[name]) for name, weight in trained.items())
    assert all(torch.equal(weight, trained[name]) for name, weight in loaded.items())


@pytest.mark.usefixtures("small")
def test_a_training_that_was_stopped_goes_on_with_the_same_bits_unless_its_pictures_changed(
    pictures: nn_only.UnpairedPictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nn_only, "SAVE", 1)
    whole = nn_only.train_or_load(lambda: pictures, tmp_path / "whole.safetensors", 2)
    nn_only.train_or_load(lambda: pictures, tmp_path / "part.safetensors", 1, made_of="a").state_dict()
    files = [tmp_path / f"{name}.safetensors" for name in ("part", "other")]
    shutil.copytree(tmp_path / "part", tmp_path / "other")
    (tmp_path / "part.safetensors").unlink()

    monkeypatch.setattr(nn_only, "_crop", counted := Counted(nn_only._crop))
    same, other = (
        nn_only.train_or_load(lambda: pictures, file, 2, made_of=made_of)
        for file, made_of in zip(files, ("a", "b"), strict=True)
    )

    assert counted.calls == 2 * 1 + 2 * 2  # of both kinds of pictures: one step, then two
    for network in (same, other):
        assert all(torch.equal(whole.state_dict()[name], each) for name, each in network.state_dict().items())


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *arguments: object) -> Tensor:
        self.calls += 1
        return self.function(*arguments)


def test_low_and_high_frequencies_sum_to_the_picture() -> None:
    picture = torch.rand(1, 3, 20, 24)
    even = torch.full((1, 3, 20, 24), 0.3)

    assert torch.allclose(nn_only.low_frequencies(picture) + nn_only.high_frequencies(picture), picture, atol=1e-6)
    assert nn_only.high_frequencies(even).abs().max() < 1e-6
    assert nn_only.high_frequencies(picture).mean((2, 3)).abs().max() < 0.02


class Darken(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return pictures / 2


def test_nn_only_is_the_whole_degradation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_toy_clips(tmp_path / "hq")
    settings = override(preset("vsr-final", "debug"), [f"data={tmp_path / 'hq'}", "degradation.down.lbo_mode=replace"])
    operator = nn_only.NNOnlyOperator(Darken(), bf16=False)
    samples = build_samples(nn_only.alone(settings), find_clips(tmp_path / "hq"), [operator])

    grey = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)  # the codec halves the size of the chroma
    for index in range(5, 30, 7):
        sample = samples[0, index]
        small = downscale(sample.target.float() / 255, 4, "area") / 2
        assert ((sample.input - small) * grey).sum(-3).abs().mean() < 0.007


@pytest.mark.parametrize("where", ["workers", "device"])
def test_a_network_is_trained_with_nn_only_in_place_of_all_operators(where: str, tmp_path: Path) -> None:
    write_toy_clips(tmp_path / "hq")
    tiny = ["steps=1", "losses.gan=0", "start=random", "lbo_pool=[missing]", f"data={tmp_path / 'hq'}"]
    settings = override(preset("vsr-final", "debug"), [*tiny, f"degrade_on={where}"])

    runs = []
    for number, network in enumerate((nn_only.NNOnly(), Darken(), Darken())):
        nn_only.train_with_nn_only(settings, network, tmp_path / str(number))
        runs.append(checkpoints.read_newest(tmp_path / str(number))["sources"])

    assert all(checkpoints.has_ended(tmp_path / str(number)) for number in range(3))
    assert runs[0]["operators"] == "1"
    assert runs[0] != runs[1] == runs[2]  # by the content of the network
