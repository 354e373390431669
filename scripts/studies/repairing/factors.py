"""Pseudo-HQ at each factor of input rescaling, compared with the true HQ, which training never sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from trainer.data.clips import Clip, require_clip
from trainer.data.uint8 import UINT8_MAX, to_float
from trainer.degradation.learned.operator import LBO_SCALE
from trainer.degradation.scaling import downscale
from trainer.lbo import scenes as lbo_scenes
from trainer.lbo.episode import find_windows
from trainer.lbo.factor import measure
from trainer.lbo.pairs import describe_pseudo_hq
from trainer.lbo.rescaling import FACTORS, Rescaling
from trainer.lbo.scenes import Scene
from trainer.losses.metrics import Lpips, psnr
from trainer.vsr.weights import load_network

from .episodes import read_hq


@dataclass(frozen=True)
class FactorScore:
    """Measures of pseudo-HQ at one factor: means over scenes."""

    factor: float
    psnr: float
    """PSNR of R, G, B."""
    lpips: float
    sharpness: float
    artefacts: float


def render_scenes(episode: Path, base: Path, folder: Path) -> list[Scene]:
    """Render the scenes that the page of `lbo pairs` would show.

    Args:
        base: folder of the run whose network upscales.
        folder: where the pictures are written.
    """
    clip, network = require_clip(episode, "episode"), load_network(str(base))
    made_of = describe_pseudo_hq(clip, network)
    return lbo_scenes.render_scenes(clip, find_windows(clip), Rescaling(network), folder, made_of)


def measure_factors(scenes: Sequence[Scene], clips: Sequence[Clip], lpips: Lpips) -> list[FactorScore]:
    """Measure the scenes of an episode at each factor.

    Args:
        clips: the episode's HQ clips, in order.
    """
    hq = [scene_hq(scene, clips) for scene in scenes]
    features = [lpips.features(each) for each in hq]
    scores = []
    for factor in FACTORS:
        pictures = [lbo_scenes.open_picture(scene.pseudo_hq[factor]) for scene in scenes]
        pseudo_hq = [to_float(np.array(picture)[None]) for picture in pictures]
        psnrs = [psnr(a, b).item() for a, b in zip(pseudo_hq, hq, strict=True)]
        distances = [lpips.distance(lpips.features(a), b).item() for a, b in zip(pseudo_hq, features, strict=True)]
        hints = measure(pictures)
        scores.append(
            FactorScore(factor, float(np.mean(psnrs)), float(np.mean(distances)), hints.sharpness, hints.artefacts)
        )
    return scores


def scene_hq(scene: Scene, clips: Sequence[Clip]) -> Tensor:
    """Return the HQ of a scene's picture at half size, the size of pseudo-HQ: (1, 3, height, width)."""
    number = int(scene.name) + lbo_scenes.SCENE_FRAMES - 1
    for clip in clips:
        if number < len(clip):
            return downscale(read_hq(clip, [number]).float() / UINT8_MAX, LBO_SCALE, "area")
        number -= len(clip)
    raise IndexError(number)
