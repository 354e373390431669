"""Input rescaling against the HQ that nobody was told: what each factor keeps, and what it takes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from trainer.clips import Clip, opened_clip
from trainer.degradation.levels import LEVELS, clip_of
from trainer.degradation.scaling import scaled_down
from trainer.episode import windows
from trainer.lbo.measures import measured
from trainer.lbo.operator import HALVING
from trainer.lbo.rescaling import FACTORS, Rescaling
from trainer.lbo.scenes import FRAMES, Scene, drawn_scenes
from trainer.lbo.scenes import opened as picture_of
from trainer.metrics import Lpips, psnr
from trainer.weights import opened

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


def scenes_of(episode: Path, base: Path, folder: Path) -> list[Scene]:
    """Those that `lbo pairs` would show to choose by.

    Args:
        base: the run of the network that upscales.
        folder: where they are kept.
    """
    opened_episode = opened_clip(episode, "episode")
    return drawn_scenes(opened_episode, windows(opened_episode), Rescaling(opened(str(base))), folder)


def factors(scenes: Sequence[Scene], clips: Sequence[Clip], lpips: Lpips) -> list[Factor]:
    """Of the scenes of an episode.

    Args:
        clips: HQ, in the order in which the episode shows them.
    """
    wanted = [hq_behind(scene, clips) for scene in scenes]
    seen = [lpips.seen(each) for each in wanted]
    found = []
    for factor in FACTORS:
        pictures = [picture_of(scene.pseudo_hq[factor]) for scene in scenes]
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


def hq_behind(scene: Scene, clips: Sequence[Clip]) -> Tensor:
    """The HQ of a scene's picture, in half its size, as pseudo-HQ has it: (1, 3, height, width)."""
    number = int(scene.name) + FRAMES - 1
    for clip in clips:
        if number < len(clip):
            return scaled_down(hq_of(clip, [number]).float() / LEVELS, HALVING, "area")
        number -= len(clip)
    raise IndexError(number)
