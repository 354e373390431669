"""Scores: of the right frames, in order, and reproducible."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainer.clips import cartoon_clip
from trainer.data.clips import Clip, Frame
from trainer.data.toy_clips import write_toy_clips
from trainer.degradation.settings import PRESETS
from trainer.errors import ClipError
from trainer.losses.metrics import psnr_y
from trainer.settings import override
from trainer.vsr import evaluation
from trainer.vsr.config import preset
from trainer.vsr.evaluation import Score, mean_scores, score_clips, upscale_bicubic
from trainer.vsr.train import train
from trainer.vsr.weights import load_network
from vsanimesr.network.torch_network import AnimeSR

CLEAN = override(PRESETS["paper"], ["blur.sigma=[0.2,0.2]", "blur.isotropic=1", "noise.sigma=[0,0]", "codec.crf=[1,1]"])


class ShapesClip:
    """A clip of shapes, with a size that must be cropped."""

    def __init__(self, name: str, frames: int = 5, side: int = 100) -> None:
        self.name = name
        self._pictures = list(cartoon_clip(frames, side, side).permute(0, 2, 3, 1).numpy())

    def __len__(self) -> int:
        return len(self._pictures)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        return [self._pictures[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        return 100, 100

    def digest(self) -> str:
        return self.name


class Distance(torch.nn.Module):
    """Stands in for LPIPS, and counts the frames it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = torch.nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        self.shown.add_(1)
        return (sr - hq).abs().mean((1, 2, 3))


def network() -> AnimeSR:
    torch.manual_seed(0)
    return AnimeSR(features=4, blocks=(1, 0, 0))


def score(clips: Sequence[Clip], **more: int) -> list[Score]:
    return list(score_clips({"net": network()}, clips, CLEAN, Distance(), **more))  # type: ignore[arg-type]


def test_each_clip_is_scored_for_each_upscaler() -> None:
    found = score([ShapesClip("a"), ShapesClip("b", frames=3)])

    assert [(score.clip, score.upscaler) for score in found] == [
        *(("a", "bicubic"), ("a", "net")),
        *(("b", "bicubic"), ("b", "net")),
    ]
    assert found == score([ShapesClip("a"), ShapesClip("b", frames=3)])
    assert found != score([ShapesClip("a"), ShapesClip("b", frames=3)], seed=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_scores_on_a_gpu_are_those_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    expected = score([ShapesClip("a")])
    networks, distance = {"net": network().cuda()}, Distance().cuda()

    found = list(score_clips(networks, [ShapesClip("a")], CLEAN, distance))  # type: ignore[arg-type]

    for one, other in zip(found, expected, strict=True):
        assert one.psnr_y == pytest.approx(other.psnr_y, abs=0.001)
        assert one.lpips == pytest.approx(other.lpips, rel=1e-4)


def test_psnr_of_hardly_degraded_frames_is_that_of_bicubic() -> None:
    clip = ShapesClip("a")
    hq = cartoon_clip(5, 100, 100)[:, :, :96, :96].float() / 255
    lr = torch.nn.functional.interpolate(hq, scale_factor=0.25, mode="area")

    bicubic, _ = score([clip])

    assert bicubic.psnr_y == pytest.approx(psnr_y(upscale_bicubic(lr), hq).mean().item(), abs=0.7)


@pytest.mark.parametrize(("frames", "every", "shown"), [(24, 1, 5), (24, 2, 2), (24, 5, 1), (24, 99, 1), (3, 1, 3)])
def test_lpips_has_an_interval_and_at_least_one_frame(frames: int, every: int, shown: int) -> None:
    distance = Distance()

    found = list(score_clips({}, [ShapesClip("a")], CLEAN, distance, frames=frames, every=every))  # type: ignore[arg-type]

    assert distance.shown.item() == shown
    assert all(np.isfinite([score.psnr_y, score.lpips]).all() for score in found)


def test_means_count_each_clip_the_same() -> None:
    found = [Score("a", "x", 30, 0.5), Score("a", "y", 20, 0.25), Score("b", "x", 34, 0.25), Score("b", "y", 10, 0.5)]

    assert mean_scores(found) == [Score("all", "x", 32, 0.375), Score("all", "y", 15, 0.375)]


def test_a_clip_that_is_too_small_is_named() -> None:
    with pytest.raises(ClipError, match="clip 'tiny' has 48x48 pixels, and 64x64 are the least; leave it out"):
        score([ShapesClip("tiny", side=60)])


def test_a_run_is_loaded_in_its_own_shape_and_v2_in_the_released_one(tmp_path: Path) -> None:
    write_toy_clips(tmp_path / "clips", clips=1)
    settings = override(preset("vsr-l1", "debug"), [f"data={tmp_path / 'clips'}", "steps=1", "records.preview=0"])
    train(settings, tmp_path / "run")

    assert load_network(str(tmp_path / "run")).features == settings.network.features
    assert load_network("v2").features == 64
    assert evaluation.BICUBIC not in {"v2", "run"}
