"""Input rescaling against the HQ that nobody was told: what each factor keeps, and what it takes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.clips import Clip
from trainer.degradation.draw import LEVELS
from trainer.degradation.scaling import scaled_down
from trainer.lbo import folder
from trainer.lbo.measures import measured
from trainer.lbo.operator import HALVING
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.scenes import FRAMES, file_of, opened
from trainer.metrics import Lpips, psnr_y


@dataclass(frozen=True)
class Factor:
    """The means over scenes."""

    factor: float
    psnr_y: float
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
    wanted = [_hq(clips, int(scene.name) + FRAMES - 1) for scene in scenes]
    found = []
    for factor in FACTORS:
        pictures = [opened(file_of(scene, factor)) for scene in scenes]
        own = [_tensor(picture) for picture in pictures]
        measure = measured(pictures)
        found.append(
            Factor(
                factor,
                float(np.mean([psnr_y(a, b).item() for a, b in zip(own, wanted, strict=True)])),
                float(np.mean([lpips(a, b).item() for a, b in zip(own, wanted, strict=True)])),
                measure.sharpness,
                measure.artefacts,
            )
        )
    return found


def _hq(clips: Sequence[Clip], number: int) -> Tensor:
    """The frame of that number, in half its size: (1, 3, height, width)."""
    for clip in clips:
        if number < len(clip):
            (picture,) = clip.read([number])
            return scaled_down(_tensor(Image.fromarray(picture)), HALVING, "area")
        number -= len(clip)
    raise IndexError(number)


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / LEVELS
