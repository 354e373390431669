"""The stand-in tells soft and blocky frames from crisp ones; hyperIQA is taken where it works."""

from __future__ import annotations

import logging
import sys
from importlib.machinery import ModuleSpec
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from tests.trainer.dataset.shows import FRAMES, write
from trainer.data.clips import Frame
from trainer.dataset.build import Request, build_set
from trainer.dataset.candidates import Rules
from trainer.dataset.quality import EdgeScorer, open_scorer
from trainer.errors import DatasetError


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


def fake_pyiqa(monkeypatch: pytest.MonkeyPatch, *, works: bool) -> None:
    module = ModuleType("pyiqa")
    module.__spec__ = ModuleSpec("pyiqa", None)  # without one, find_spec fails

    def create_metric(name: str, device: torch.device) -> object:
        assert name == "hyperiqa"
        if not works:
            raise OSError("no route to host")
        return lambda picture: picture.mean()[None]

    module.create_metric = create_metric  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyiqa", module)


def test_hyper_iqa_is_taken_where_pyiqa_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_pyiqa(monkeypatch, works=True)
    frame = np.full((30, 40, 3), 51, np.uint8)

    assert open_scorer().name == "hyperiqa"
    assert open_scorer().score(frame) == pytest.approx(20)
    video = write(tmp_path / "a.mkv", [(1, FRAMES)])
    manifest = build_set(Request([video], tmp_path / "avc", Rules(frames=FRAMES), jobs=1))
    assert manifest.scorer == "hyperiqa"
    assert "hyperIQA, as in the paper" in manifest.quality_note
    assert manifest.rules["least_quality"] == 30


def test_without_its_weights_the_stand_in_is_taken_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake_pyiqa(monkeypatch, works=False)
    caplog.set_level(logging.INFO)

    assert open_scorer().name == "edges"
    assert "no route to host" in caplog.text
    assert "stand-in" in caplog.text
    with pytest.raises(DatasetError, match="weights cannot be loaded"):
        open_scorer("hyperiqa")


def test_without_pyiqa_hyper_iqa_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(DatasetError, match="pip install pyiqa"):
        open_scorer("hyperiqa")
