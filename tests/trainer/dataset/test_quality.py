"""The stand-in tells soft and blocky frames from crisp ones; hyperIQA has weights from a file; pyiqa is a stand-in."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn

from tests.trainer.dataset.shows import FRAMES, write
from tests.trainer.stand_ins import install_pyiqa
from trainer.cli import main
from trainer.data.clips import Frame
from trainer.dataset.build import Request, build_set
from trainer.dataset.candidates import Rules
from trainer.dataset.manifest import Manifest
from trainer.dataset.quality import EdgeScorer, open_scorer
from trainer.errors import DatasetError
from vsanimesr.errors import MissingDependencyError


def draw_shapes(count: int = 60) -> Frame:
    """Return rectangles at places without any period: what repeats every 8 pixels looks like blocks."""
    random = np.random.default_rng(1)
    frame = np.full((360, 640, 3), 128, np.uint8)
    for _ in range(count):
        (y, x), (height, width) = random.integers(0, (340, 620)), random.integers(10, 120, 2)
        frame[y : y + height, x : x + width] = random.integers(0, 256, 3)
    return frame


CRISP = draw_shapes()


def soften(radius: float) -> Frame:
    return np.asarray(Image.fromarray(CRISP).filter(ImageFilter.GaussianBlur(radius)))


def test_softer_frames_score_lower() -> None:
    scores = [EdgeScorer().score(each) or 0 for each in (CRISP, soften(1), soften(2), soften(4))]

    assert 90 <= scores[0] <= 100
    assert all(a > 1.2 * b for a, b in pairwise(scores))


def test_a_grid_of_blocks_scores_lower() -> None:
    soft = soften(2).astype(np.int16)
    y, x = np.mgrid[: soft.shape[0], : soft.shape[1]]
    blocky = np.clip(soft + 6 * ((x // 8 + y // 8) % 2)[..., None], 0, 255).astype(np.uint8)

    assert (EdgeScorer().score(blocky) or 0) < 0.9 * (EdgeScorer().score(soft.astype(np.uint8)) or 0)


def test_what_shows_nothing_has_no_score() -> None:
    assert EdgeScorer().score(np.full((360, 640, 3), 128, np.uint8)) is None


class Network(nn.Module):
    """Scores a picture by its mean, times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, picture: Tensor) -> Tensor:
        return self.weight * picture.mean()[None, None]


def save(file: Path, weight: float) -> Path:
    torch.save({"params": {"weight": torch.tensor([weight])}}, file)
    return file


@pytest.fixture
def pyiqa(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What pyiqa and timm were asked for."""
    return install_pyiqa(monkeypatch, Network)


def test_hyper_iqa_is_measured_with_the_weights_of_a_file(
    tmp_path: Path, pyiqa: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    scorer = open_scorer(save(tmp_path / "koniq.pth", 2))

    assert scorer.score(np.full((30, 40, 3), 51, np.uint8)) == pytest.approx(40)
    assert (pyiqa["name"], pyiqa["pretrained"], pyiqa["part"]) == ("hyperiqa", False, ("vit", False))
    assert capsys.readouterr().out == ""  # nothing is fetched, and stdout is the video's


def test_a_set_says_what_measured_its_quality_and_measures_anew_with_other_weights(
    tmp_path: Path, pyiqa: dict[str, Any]
) -> None:
    video = write(tmp_path / "a.mkv", [(1, FRAMES)])

    def build(weight: float | None, *videos: Path) -> Manifest:
        weights = None if weight is None else save(tmp_path / "koniq.pth", weight)
        request = Request(videos or [video], tmp_path / "avc", Rules(frames=FRAMES), hyperiqa=weights, jobs=1)
        return build_set(request).manifest

    first, second, third = build(1), build(1.5), build(None)

    assert first.scorer.startswith("hyperiqa ")
    assert "hyperIQA, as in the paper" in first.quality_note
    assert first.rules["least_quality"] == 30
    assert first.scorer != second.scorer
    # the manifest rounds to 4 digits
    assert second.clips[0].quality == pytest.approx(1.5 * first.clips[0].quality, abs=1e-3)
    assert third.scorer == "edges"
    with pytest.raises(DatasetError, match=r"quality is by edges.* hyperiqa .*a\.mkv"):
        build(1, write(tmp_path / "b.mkv", [(2, FRAMES)]))


def test_weights_that_do_not_fit_are_refused_before_anything_is_measured(
    tmp_path: Path, pyiqa: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    video = write(tmp_path / "a.mkv", [(1, FRAMES)])
    torch.save({"other": torch.ones(1)}, tmp_path / "other.pth")
    torch.save(Network(), tmp_path / "program.pth")

    for name, message in (("other", "holds no weights of hyperiqa"), ("program", "cannot be read"), ("no", "no.pth")):
        command = ["dataset", "build", str(video), "-o", str(tmp_path / "avc"), "--hyperiqa"]
        assert main([*command, str(tmp_path / f"{name}.pth")]) == 1
        assert message in capsys.readouterr().err
    assert not list((tmp_path / "avc").rglob("*.npz"))


def test_without_pyiqa_hyper_iqa_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyiqa", None)

    with pytest.raises(MissingDependencyError, match=r"--hyperiqa needs .*pip install pyiqa"):
        open_scorer(save(tmp_path / "koniq.pth", 1))
