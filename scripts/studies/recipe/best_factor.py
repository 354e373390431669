"""The best factor of an episode: that whose pseudo-HQ is nearest to the true HQ, which only the study reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from trainer.data.clips import require_clip
from trainer.data.uint8 import UINT8_MAX, to_float
from trainer.degradation.learned.operator import LBO_SCALE
from trainer.degradation.scaling import downscale
from trainer.lbo.rescaling import FACTORS, Rescaling
from trainer.losses.metrics import Lpips, psnr
from trainer.vsr.weights import load_network
from vsanimesr.files import write_atomic

from .episodes import Data
from .hidden_faults import HiddenFault

WARM_UP = 6
"""Frames that the network runs on. The last one is measured."""
PSNR_UNIT, LPIPS_UNIT = 0.2, 0.005
"""As much PSNR, in dB, weighs as much as this LPIPS: what a suggestion may cost at most."""


@dataclass(frozen=True)
class FactorScore:
    """Distance of pseudo-HQ at one factor to HQ: means over scenes."""

    factor: float
    psnr: float
    """PSNR of R, G, B in dB."""
    lpips: float


def measure_factors(data: Data, fault: HiddenFault, model: Path, lpips: Lpips, scenes: int) -> list[FactorScore]:
    """Measure pseudo-HQ of an episode at each factor.

    Args:
        model: folder of the run whose network upscales.
        scenes: number of clips of the episode, from the first, of each of which a frame is measured.
    """
    rescaling = Rescaling(load_network(str(model)))
    episode, clips = require_clip(data.episode(fault), "episode"), data.episode_clips(fault)[:scenes]
    found: dict[float, list[tuple[float, float]]] = {factor: [] for factor in FACTORS}
    first = 0
    for clip in clips:
        frames = episode.read(range(first, first + WARM_UP))
        hq = downscale(data.read_hq(clip)[WARM_UP - 1 : WARM_UP].float() / UINT8_MAX, LBO_SCALE, "area")
        features = lpips.features(hq)
        for factor in FACTORS:
            *_, picture = rescaling.pseudo_hq(frames, factor)
            pseudo_hq = to_float(np.array(picture)[None])
            distance = lpips.distance(lpips.features(pseudo_hq), features).item()
            found[factor].append((psnr(pseudo_hq, hq).item(), distance))
        first += min(data.frames, len(clip))
    return [FactorScore(factor, *map(float, np.mean(pairs, 0))) for factor, pairs in found.items()]


def find_best(scores: Sequence[FactorScore]) -> FactorScore:
    """Return the score of the factor with the smallest loss of PSNR and LPIPS to the best of each, in their units."""
    psnr, lpips = max(each.psnr for each in scores), min(each.lpips for each in scores)
    return min(scores, key=lambda each: (psnr - each.psnr) / PSNR_UNIT + (each.lpips - lpips) / LPIPS_UNIT)


def write_factors(file: Path, scores: dict[str, list[FactorScore]]) -> None:
    """Write the scores of episodes, by name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {name: [asdict(each) for each in own] for name, own in scores.items()}
    write_atomic(file, json.dumps(content, indent=1).encode())


def read_factors(file: Path) -> dict[str, list[FactorScore]]:
    """Read what `write_factors` wrote."""
    return {name: [FactorScore(**each) for each in own] for name, own in json.loads(file.read_text()).items()}
