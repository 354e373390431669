"""Input rescaling against the HQ that nobody was told: what each factor keeps, and what it takes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from trainer.clips import Clip
from trainer.degradation.levels import LEVELS, clip_of
from trainer.degradation.scaling import scaled_down
from trainer.lbo import folder
from trainer.lbo.measures import measured
from trainer.lbo.operator import HALVING
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.scenes import FRAMES, file_of, opened
from trainer.metrics import Lpips, psnr

from .episodes import hq_of


@dataclass(frozen=True)
class Factor:
    """The means over scenes."""

    factor: float
    psnr: float
    """Of R, G, B."""
    lpips: float
    sharpness: float
    artefacts: float


def factors(lbo: Path, clips: Sequence[Clip], lpips: Lpips) -> list[Factor]:
    """Of the scenes of an episode.

    Args:
        lbo: the folder of its operator.
        clips: HQ, in the order in which the episode shows them.
    """
    scenes = sorted(folder.scenes(lbo).iterdir())
    wanted = [hq_behind(scene, clips) for scene in scenes]
    seen = [lpips.seen(each) for each in wanted]
    found = []
    for factor in FACTORS:
        pictures = [opened(file_of(scene, factor)) for scene in scenes]
        own = [clip_of(np.array(picture)[None]) for picture in pictures]
        measure = measured(pictures)
        found.append(
            Factor(
                factor,
                float(np.mean([psnr(a, b).item() for a, b in zip(own, wanted, strict=True)])),
                float(np.mean([lpips.between(lpips.seen(a), b).item() for a, b in zip(own, seen, strict=True)])),
                measure.sharpness,
                measure.artefacts,
            )
        )
    return found


def hq_behind(scene: Path, clips: Sequence[Clip]) -> Tensor:
    """The HQ of a scene's picture, in half its size, as pseudo-HQ has it: (1, 3, height, width)."""
    number = int(scene.name) + FRAMES - 1
    for clip in clips:
        if number < len(clip):
            return scaled_down(hq_of(clip, [number]).float() / LEVELS, HALVING, "area")
        number -= len(clip)
    raise IndexError(number)
