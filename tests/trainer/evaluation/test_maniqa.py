"""MANIQA: fixed crops, and a file of weights that runs no code. The network is a stand-in; pyiqa's is not installed."""

from __future__ import annotations

import re
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
from trainer.losses.pyiqa_network import load_pyiqa_network
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
        Maniqa(tmp_path / "none.pth", CPU)


@pytest.mark.parametrize(
    "content",
    [
        Network(),
        [torch.ones(1)],
        3,
        {"params": 3},
        {1: torch.ones(1)},
        {"weight": 2},
        {"params": [torch.ones(1)]},
        None,
    ],
)
def test_what_is_no_state_dict_is_refused_without_advice_to_run_it(
    content: object, tmp_path: Path, pyiqa: dict[str, Any]
) -> None:
    file = save(tmp_path, content)  # the first is a pickled program, as MANIQA's ensemble of the release
    with pytest.raises(LossError) as refused:
        load_pyiqa_network("hyperiqa", file, "--hyperiqa")
    assert str(refused.value).startswith(f"--hyperiqa {file} cannot be read as a state dict; give a checkpoint of")
    assert not re.search("weights_only|maniqa(?!.pth)", str(refused.value), re.IGNORECASE)


@pytest.mark.parametrize("content", [b"", b"\0", b"G", b"PK\3\4", b"\x80\2(.", b"hello"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path, pyiqa: dict[str, Any]) -> None:
    file = tmp_path / "damaged.pth"
    file.write_bytes(content)
    with pytest.raises(LossError, match="cannot be read as a state dict"):
        load_pyiqa_network("hyperiqa", file, "--hyperiqa")


def test_without_pyiqa_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(MissingDependencyError, match="pip install pyiqa"):
        Maniqa(save(tmp_path, {"weight": torch.ones(1)}), CPU)
