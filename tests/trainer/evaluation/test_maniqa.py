"""MANIQA: fixed crops, and a file of weights that runs no code. The network is a stand-in; pyiqa's is not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.trainer.stand_ins import install_pyiqa
from trainer.errors import LossError
from trainer.evaluation.maniqa import CROPS, SIDE, Maniqa, choose_crops
from vsanimesr.errors import MissingDependencyError

CPU = torch.device("cpu")


class Network(nn.Module):
    """Scores a crop by its mean, times a weight. As pyiqa's, it takes the top left of frames larger than a crop."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, crops: Tensor) -> Tensor:
        assert min(crops.shape[-2:]) > SIDE
        return self.weight * crops[..., :SIDE, :SIDE].mean((1, 2, 3))[:, None]


@pytest.fixture
def pyiqa(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What pyiqa and timm were asked for."""
    return install_pyiqa(monkeypatch, Network)


def save(folder: Path, state: object) -> Path:
    torch.save(state, folder / "maniqa.pth")
    return folder / "maniqa.pth"


@pytest.mark.parametrize("wrapped", [True, False])
def test_it_is_the_mean_of_fixed_crops(
    wrapped: bool, tmp_path: Path, pyiqa: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    state = {"weight": torch.tensor([2.0])}
    measure = Maniqa(save(tmp_path, {"params": state} if wrapped else state), CPU)
    frame = torch.rand((1, 3, 300, 400), generator=torch.Generator().manual_seed(0))
    crops = [frame[..., top : top + SIDE, left : left + SIDE] for top, left in choose_crops("clip", 300, 400)]
    expected = 2 * sum(crop.mean().item() for crop in crops) / CROPS
    assert measure(frame, "clip") == pytest.approx(expected, abs=1e-5)
    assert measure(frame, "clip") == measure(frame, "clip")
    assert measure(frame, "other") != measure(frame, "clip")
    assert pyiqa["part"] == ("vit", False)  # nothing is fetched
    assert capsys.readouterr().out == ""


@given(st.text(), st.integers(SIDE, 3000), st.integers(SIDE, 3000))
def test_crops_lie_in_the_frame(clip: str, height: int, width: int) -> None:
    crops = choose_crops(clip, height, width)
    assert len(crops) == CROPS
    assert all(0 <= top <= height - SIDE and 0 <= left <= width - SIDE for top, left in crops)
    assert choose_crops(clip, height, width) == crops


def test_a_frame_smaller_than_a_crop_has_none(tmp_path: Path, pyiqa: dict[str, Any]) -> None:
    measure = Maniqa(save(tmp_path, {"weight": torch.ones(1)}), CPU)
    assert torch.tensor(measure(torch.zeros(1, 3, SIDE - 1, 400), "clip")).isnan()


def test_other_files_are_refused(tmp_path: Path, pyiqa: dict[str, Any]) -> None:
    with pytest.raises(LossError, match="holds no weights of maniqa-pipal"):
        Maniqa(save(tmp_path, {"other": torch.ones(1)}), CPU)
    with pytest.raises(LossError, match="cannot be read"):
        Maniqa(save(tmp_path, Network()), CPU)  # a pickled program, as the ensemble of the release
    with pytest.raises(LossError, match="cannot be read"):
        Maniqa(tmp_path / "none.pth", CPU)


def test_without_pyiqa_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(MissingDependencyError, match="pip install pyiqa"):
        Maniqa(save(tmp_path, {"weight": torch.ones(1)}), CPU)
