"""Scores of a network on held-out clips: to HQ, to HQ with sharpened lines, and without reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.random import SeedSequence
from torch import Tensor

from trainer.data.clips import Clip, Frame
from trainer.data.lines import sharpen_lines
from trainer.data.uint8 import UINT8_MAX, to_uint8
from trainer.degradation.pipeline import degrade
from trainer.degradation.sampling import sample_degradation
from trainer.degradation.settings import PRESETS
from trainer.evaluation.look import look
from trainer.evaluation.upscaler import Bicubic, NetworkUpscaler
from trainer.losses.metrics import Lpips
from trainer.settings import override
from trainer.vsr.evaluation import measure_frames, upscale_bicubic
from vsanimesr.network.torch_network import AnimeSR

from ..commands import choose_precision
from ..fast.judge import upscale

VIDEO = "as video"
DEGRADATIONS = {
    VIDEO: PRESETS["paper"],
    "frames coded alone": override(PRESETS["paper"], ["codec.intra.probability=1"]),
}
MEASURES = ("PSNR-Y", "LPIPS", "PSNR-Y to lines", "LPIPS to lines", "edges", "texture", "flicker")
"""To HQ, to HQ with sharpened lines, and those of `trainer.evaluation.look` without reference."""
SIDE = 16
"""Sides of HQ are cropped to a multiple of this."""

type Scores = dict[str, dict[str, list[float]]]
"""Those of each clip by degradation and measure; NaN where a clip has none."""


@dataclass(frozen=True)
class Limits:
    """How much of the held-out clips is scored."""

    clips: int
    frames: int
    width: int
    height: int
    """Largest part of a frame, from its middle, in pixels of HQ."""


FULL, QUICK = Limits(8, 12, 640, 352), Limits(2, 2, 128, 96)


class LrClip:
    """LR frames as a clip."""

    def __init__(self, name: str, lr: Tensor) -> None:
        self.name = name
        self._frames = to_uint8(lr)

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        return [self._frames[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        return self._frames.shape[2], self._frames.shape[1]

    def digest(self) -> str:
        return ""


def read_hq(clip: Clip, limits: Limits) -> Tensor:
    """Return the middle of the first frames of a clip, uint8 (frames, 3, height, width)."""
    frames = np.stack(clip.read(range(min(limits.frames, len(clip)))))
    sides = zip(frames.shape[1:3], (limits.height, limits.width), strict=True)
    height, width = (min(side, limit) // SIDE * SIDE for side, limit in sides)
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    crop = frames[:, top : top + height, left : left + width]
    return torch.from_numpy(crop).permute(0, 3, 1, 2).contiguous()


def degrade_clip(hq: Tensor, kind: str, number: int) -> Tensor:
    """Return LR frames of a clip, always the same for its number: float32 (frames, 3, height, width)."""
    degradation = DEGRADATIONS[kind]
    sample = sample_degradation(degradation, np.random.default_rng(SeedSequence((11, number))), len(hq))
    lr, _ = degrade(hq, degradation, sample)
    return lr


def score(network: AnimeSR | None, clips: Sequence[Clip], limits: Limits, lpips: Lpips) -> Scores:
    """Score a network; None for bicubic."""
    found: Scores = {}
    for kind in DEGRADATIONS:
        rows = list(_score_clips(network, kind, clips[: limits.clips], limits, lpips))
        found[kind] = {measure: [row[measure] for row in rows] for measure in MEASURES}
    return found


def _score_clips(
    network: AnimeSR | None, kind: str, clips: Iterable[Clip], limits: Limits, lpips: Lpips
) -> Iterator[dict[str, float]]:
    for number, clip in enumerate(clips):
        hq = read_hq(clip, limits)
        lr = degrade_clip(hq, kind, number)
        with _bf16():
            sr = upscale_bicubic(lr).clamp(0, 1) if network is None else upscale(network, lr)
        found = []
        for target in (hq, sharpen_lines(hq)):
            frames = (each.float() / UINT8_MAX for each in torch.split(target, 1))
            psnr, distance = measure_frames(sr.float(), frames, cast(Lpips, partial(_measure_lpips, lpips)), 4)
            assert distance is not None
            found += [psnr, distance]
        upscaler = Bicubic() if network is None else NetworkUpscaler("", network)
        with _bf16():
            (own,), _ = look([upscaler], LrClip(clip.name, lr), torch.device("cpu"))
        found += [own.edge_steepness, own.flat_texture, own.held_flicker]
        yield dict(zip(MEASURES, found, strict=True))


def _measure_lpips(lpips: Lpips, sr: Tensor, hq: Tensor) -> Tensor:
    with _bf16():
        return cast(Tensor, lpips(*(each.contiguous(memory_format=torch.channels_last) for each in (sr, hq))))


def _bf16() -> torch.autocast:
    """Where the processor has it, networks and LPIPS are computed in bf16, which takes a small part of the time."""
    return torch.autocast("cpu", torch.bfloat16, enabled=choose_precision() == "bf16")
