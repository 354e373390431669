"""Scores: of the right frames, in the right order, the same each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer import evaluation
from trainer.clips import Clip, Picture
from trainer.degradation.settings import PRESETS
from trainer.drawn_clips import draw_clips
from trainer.errors import ClipError
from trainer.evaluation import Score, enlarged, means, scores
from trainer.metrics import psnr_y
from trainer.settings import changed
from trainer.stages import preset
from trainer.training import train
from trainer.weights import opened
from vsanimesr.torch_network import AnimeSR

from .clips import drawn_clip

CLEAN = changed(PRESETS["paper"], ["blur.sigma=[0.2,0.2]", "blur.isotropic=1", "noise.sigma=[0,0]", "codec.crf=[1,1]"])


class Still:
    """A clip of shapes; of a size that has to be cropped."""

    def __init__(self, name: str, frames: int = 5, side: int = 100) -> None:
        self.name = name
        self._pictures = list(drawn_clip(frames, side, side).permute(0, 2, 3, 1).numpy())

    def __len__(self) -> int:
        return len(self._pictures)

    def read(self, numbers: Sequence[int]) -> list[Picture]:
        return [self._pictures[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        return 100, 100


class Distance(torch.nn.Module):
    """In place of LPIPS: counts the frames it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = torch.nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        self.shown.add_(1)
        return (sr - hq).abs().mean((1, 2, 3))


def network() -> AnimeSR:
    torch.manual_seed(0)
    return AnimeSR(features=4, blocks=(1, 0, 0))


def measured(clips: Sequence[Clip], **more: int) -> list[Score]:
    return list(scores({"net": network()}, clips, CLEAN, Distance(), **more))  # type: ignore[arg-type]


def test_each_clip_is_scored_for_each_upscaler() -> None:
    found = measured([Still("a"), Still("b", frames=3)])

    assert [(score.clip, score.upscaler) for score in found] == [
        *(("a", "bicubic"), ("a", "net")),
        *(("b", "bicubic"), ("b", "net")),
    ]
    assert found == measured([Still("a"), Still("b", frames=3)])
    assert found != measured([Still("a"), Still("b", frames=3)], seed=1)


def test_psnr_is_that_of_bicubic_on_hardly_degraded_frames() -> None:
    clip = Still("a")
    hq = drawn_clip(5, 100, 100)[:, :, :96, :96].float() / 255
    lr = torch.nn.functional.interpolate(hq, scale_factor=0.25, mode="area")

    bicubic, _ = measured([clip])

    assert bicubic.psnr_y == pytest.approx(psnr_y(enlarged(lr), hq).mean().item(), abs=0.7)


@pytest.mark.parametrize(("frames", "every", "shown"), [(24, 1, 5), (24, 2, 2), (24, 5, 1), (24, 99, 1), (3, 1, 3)])
def test_lpips_is_of_every_so_manieth_frame_and_never_of_none(frames: int, every: int, shown: int) -> None:
    distance = Distance()

    found = list(scores({}, [Still("a")], CLEAN, distance, frames=frames, every=every))  # type: ignore[arg-type]

    assert distance.shown.item() == shown
    assert all(np.isfinite([score.psnr_y, score.lpips]).all() for score in found)


def test_means_count_each_clip_the_same() -> None:
    found = [Score("a", "x", 30, 0.5), Score("a", "y", 20, 0.25), Score("b", "x", 34, 0.25), Score("b", "y", 10, 0.5)]

    assert means(found) == [Score("all", "x", 32, 0.375), Score("all", "y", 15, 0.375)]


def test_a_clip_that_is_too_small_is_named() -> None:
    with pytest.raises(ClipError, match="clip 'tiny' has 48x48 pixels, and 64x64 are the least; leave it out"):
        measured([Still("tiny", side=60)])


def test_a_run_is_opened_in_its_own_shape_and_a_file_in_the_released_one(tmp_path: Path) -> None:
    draw_clips(tmp_path / "clips", clips=1)
    settings = changed(preset("vsr-l1", "debug"), [f"data={tmp_path / 'clips'}", "steps=1", "records.show=0"])
    train(settings, tmp_path / "run")

    assert opened(str(tmp_path / "run")).features == settings.network.features
    assert opened("v2").features == 64
    assert evaluation.BICUBIC not in {"v2", "run"}
