"""Distance between a degradation and a synthetic fault, on held-out clips.

The degradations are the paper's equation 2 with an operator as one of its scalings, and the same with basic operators
only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from trainer.data.clips import Clip
from trainer.data.uint8 import UINT8_MAX, Frames, quantize, to_float
from trainer.degradation.blur import blur
from trainer.degradation.codec import encode_decode, h264_options
from trainer.degradation.learned.operator import LBO_SCALE
from trainer.degradation.noise import add_noise
from trainer.degradation.scaling import downscale
from trainer.losses.metrics import Lpips, psnr

from .episodes import read_hq

FRAMES = 4
"""Frames of each clip; LPIPS compares the last one."""
BLURS = (0.2, 0.5, 0.8, 1.1, 1.5)
"""Sigmas, in pixels of a picture of twice the size of LQ; 0.2 has no visible effect."""
NOISES = (0.0, 3.0)
RATES = (None, 18.0, 23.0, 28.0)
"""CRF of H.264, the codec of the paper's basic operators; None is no codec."""

type Halving = Callable[[Tensor], Tensor]
"""Halves a clip of twice the size of LQ, float32 (frames, 3, height, width)."""

AREA: Halving = partial(downscale, factor=LBO_SCALE, mode="area")
BICUBIC: Halving = partial(downscale, factor=LBO_SCALE, mode="bicubic")


@dataclass(frozen=True)
class Setting:
    """Strength of the basic operators before and after scaling down."""

    blur: float
    noise: float
    rate: float | None

    def degrade(self, hq: Tensor, halving: Halving) -> Tensor:
        """Degrade an HQ clip of twice the size of LQ. The values are those of 8 bits."""
        clip = blur(hq, self.blur, self.blur, 0)
        if self.noise:
            clip = add_noise(clip, len(clip) * [self.noise / UINT8_MAX], len(clip) * [False], range(len(clip)))
        lq = halving(clip).clamp(0, 1)
        return quantize(lq) if self.rate is None else encode_decode(lq, "h264", h264_options(self.rate, "high"))

    def __str__(self) -> str:
        return f"blur {self.blur:g}, noise {self.noise:g}{'' if self.rate is None else f', crf {self.rate:g}'}"


SETTINGS = tuple(Setting(*values) for values in itertools.product(BLURS, NOISES, RATES))
"""All settings that are tried; the first one does almost nothing."""


@dataclass(frozen=True)
class Case:
    """A clip, float32 (frames, 3, height, width) in [0, 1]: HQ at twice the size of LQ, and LQ with the fault."""

    hq: Tensor
    lq: Tensor


@dataclass(frozen=True)
class Distance:
    """Distance between a degradation and a fault: means over clips."""

    setting: Setting
    psnr: float
    """PSNR of R, G, B."""
    lpips: float


def make_cases(degrade: Callable[[Tensor], Frames], clips: Sequence[Clip]) -> list[Case]:
    """Degrade clips with a fault.

    Args:
        degrade: degrades an HQ clip, as `SyntheticFault.degrade` does.
    """
    cases = []
    for clip in clips:
        hq = read_hq(clip, range(FRAMES))
        cases.append(Case(quantize(AREA(hq.float() / UINT8_MAX)), to_float(degrade(hq))))
    return cases


def nearest(distances: Sequence[Distance]) -> tuple[Distance, Distance]:
    """Return the nearest by PSNR, and by LPIPS."""
    return max(distances, key=lambda each: each.psnr), min(distances, key=lambda each: each.lpips)


def measure_distances(
    halving: Halving, cases: Sequence[Case], settings: Sequence[Setting], lpips: Lpips
) -> Iterator[Distance]:
    """Measure the distance of each setting."""
    features = lpips.features(_last_frames([case.lq for case in cases]))
    for setting in settings:
        clips = [setting.degrade(case.hq, halving) for case in cases]
        psnrs = [psnr(clip, case.lq).mean().item() for clip, case in zip(clips, cases, strict=True)]
        distances = lpips.distance(lpips.features(_last_frames(clips)), features)
        yield Distance(setting, float(np.mean(psnrs)), distances.mean().item())


def _last_frames(clips: Sequence[Tensor]) -> Tensor:
    return torch.stack([clip[-1] for clip in clips])
