"""How near an operator's LQ comes to what is hidden, on clips that nobody has learned from; beside basic operators."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.clips import Clip
from trainer.degradation.blur import blurred
from trainer.degradation.codec import h264, transcoded
from trainer.degradation.draw import LEVELS
from trainer.degradation.noise import noisy
from trainer.degradation.scaling import scaled_down
from trainer.lbo.operator import HALVING
from trainer.metrics import Lpips, psnr_y

from .episodes import whole
from .hidden import Hidden

FRAMES = 6
"""Of each clip; the last one is looked at by LPIPS."""
BLURS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 2.6, 3.0)
MODES = ("area", "bicubic")
NOISES = (0.0, 4.0)
RATES = (None, 18.0, 23.0, 28.0, 33.0)
"""Of H.264; None is without."""

type Degrades = Callable[[Tensor], Tensor]
"""An HQ clip of twice the size of LQ, float32 (frames, 3, height, width), to an LQ one."""


@dataclass(frozen=True)
class Case:
    """A clip, float32 (frames, 3, ...) in [0, 1]: HQ at twice the size of LQ, and LQ as it is hidden."""

    hq: Tensor
    lq: Tensor


@dataclass(frozen=True)
class Nearness:
    """Of a degradation to the hidden one: the means over clips."""

    name: str
    psnr_y: float
    lpips: float


@dataclass(frozen=True)
class Basic:
    """Basic operators, each at one setting."""

    blur: float
    mode: str
    noise: float
    rate: float | None

    def __call__(self, hq: Tensor) -> Tensor:
        clip = scaled_down(blurred(hq, self.blur, self.blur, 0), HALVING, self.mode).clamp(0, 1)
        if self.noise:
            clip = noisy(clip, len(clip) * [self.noise / LEVELS], len(clip) * [False], range(len(clip)))
        if self.rate is None:
            return clip
        pictures = np.ascontiguousarray((LEVELS * clip).round().byte().permute(0, 2, 3, 1).numpy())
        coded = torch.from_numpy(transcoded(pictures, "h264", h264(self.rate, "high")))
        return coded.permute(0, 3, 1, 2).float() / LEVELS

    def __str__(self) -> str:
        coded = "" if self.rate is None else f", crf {self.rate:g}"
        return f"blur {self.blur:g}, {self.mode}, noise {self.noise:g}{coded}"


def basics() -> Iterator[Basic]:
    """Every setting that is tried."""
    for values in itertools.product(BLURS, MODES, NOISES, RATES):
        yield Basic(*values)


def cases(hidden: Hidden, clips: Sequence[Clip]) -> list[Case]:
    """Clips with what is hidden behind them."""
    found = []
    for clip in clips:
        hq = whole(clip)[:FRAMES]
        wanted = torch.from_numpy(hidden.lq(hq)).permute(0, 3, 1, 2).float() / LEVELS
        half = scaled_down(hq.float() / LEVELS, HALVING, "area")
        found.append(Case((LEVELS * half).round() / LEVELS, wanted))
    return found


def nearness(name: str, degrades: Degrades, cases: Sequence[Case], lpips: Lpips) -> Nearness:
    """Measure a degradation."""
    found = []
    for case in cases:
        own = (LEVELS * degrades(case.hq).clamp(0, 1)).round() / LEVELS
        found.append((psnr_y(own, case.lq).mean().item(), lpips(own[-1:], case.lq[-1:]).item()))
    return Nearness(name, *(float(np.mean(values)) for values in zip(*found, strict=True)))
