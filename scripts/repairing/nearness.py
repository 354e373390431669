"""How near a degradation comes to what is hidden, on clips that nobody has learned from: the paper's equation 2 with an
operator where it scales down, beside the same with basic operators alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from trainer.clips import Clip
from trainer.degradation.blur import blurred
from trainer.degradation.codec import coded, h264
from trainer.degradation.levels import LEVELS, clip_of, rounded
from trainer.degradation.noise import noisy
from trainer.degradation.scaling import scaled_down
from trainer.lbo.operator import HALVING
from trainer.metrics import Lpips, psnr

from .episodes import hq_of
from .hidden import Hidden

FRAMES = 4
"""Of each clip; the last one is looked at by LPIPS."""
BLURS = (0.2, 0.5, 0.8, 1.1, 1.5)
"""Sigmas, in pixels of a picture of twice the size of LQ; 0.2 changes nothing that can be seen."""
NOISES = (0.0, 3.0)
RATES = (None, 18.0, 23.0, 28.0)
"""Of H.264, the codec that the paper's basic operators have; None is without."""

type Halves = Callable[[Tensor], Tensor]
"""A clip of twice the size of LQ, float32 (frames, 3, height, width), to one of its size."""

AREA: Halves = partial(scaled_down, factor=HALVING, mode="area")
BICUBIC: Halves = partial(scaled_down, factor=HALVING, mode="bicubic")


@dataclass(frozen=True)
class Setting:
    """Of the basic operators before and after scaling down."""

    blur: float
    noise: float
    rate: float | None

    def degraded(self, hq: Tensor, halves: Halves) -> Tensor:
        """An HQ clip of twice the size of LQ, degraded: values of 8 bits."""
        clip = blurred(hq, self.blur, self.blur, 0)
        if self.noise:
            clip = noisy(clip, len(clip) * [self.noise / LEVELS], len(clip) * [False], range(len(clip)))
        lq = halves(clip).clamp(0, 1)
        return rounded(lq) if self.rate is None else coded(lq, "h264", h264(self.rate, "high"))

    def __str__(self) -> str:
        return f"blur {self.blur:g}, noise {self.noise:g}{'' if self.rate is None else f', crf {self.rate:g}'}"


def settings() -> Iterator[Setting]:
    """Every one that is tried; the first does next to nothing."""
    for values in itertools.product(BLURS, NOISES, RATES):
        yield Setting(*values)


@dataclass(frozen=True)
class Case:
    """A clip, float32 (frames, 3, ...) in [0, 1]: HQ at twice the size of LQ, and LQ as it is hidden."""

    hq: Tensor
    lq: Tensor


@dataclass(frozen=True)
class Nearness:
    """Of a degradation to the hidden one: the means over clips."""

    setting: Setting
    psnr: float
    """Of R, G, B."""
    lpips: float


def cases(hidden: Hidden, clips: Sequence[Clip]) -> list[Case]:
    """Clips with what is hidden behind them."""
    found = []
    for clip in clips:
        hq = hq_of(clip, range(FRAMES))
        found.append(Case(rounded(AREA(hq.float() / LEVELS)), clip_of(hidden.lq(hq))))
    return found


def nearest(tried: Sequence[Nearness]) -> tuple[Nearness, Nearness]:
    """By PSNR, and by LPIPS."""
    return max(tried, key=lambda each: each.psnr), min(tried, key=lambda each: each.lpips)


def nearnesses(halves: Halves, cases: Sequence[Case], tried: Sequence[Setting], lpips: Lpips) -> Iterator[Nearness]:
    """Of each setting."""
    wanted = lpips.seen(_last([case.lq for case in cases]))
    for setting in tried:
        own = [setting.degraded(case.hq, halves) for case in cases]
        near = [psnr(one, case.lq).mean().item() for one, case in zip(own, cases, strict=True)]
        distances = lpips.between(lpips.seen(_last(own)), wanted)
        yield Nearness(setting, float(np.mean(near)), distances.mean().item())


def _last(clips: Sequence[Tensor]) -> Tensor:
    return torch.stack([clip[-1] for clip in clips])
