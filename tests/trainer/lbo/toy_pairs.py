"""Pairs for tests, made from toy clips with a known degradation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.data.clips import find_clips
from trainer.degradation.scaling import downscale
from trainer.lbo import folder


def degrade_toy(hq: Tensor) -> Tensor:
    """Halve the size, darken, and replace red by green: no basic operator does that."""
    small = downscale(hq, 2, "area")
    return 0.7 * torch.stack([small[:, 1], small[:, 1], small[:, 2]], 1) + 0.1


def write_pairs(path: Path, clips: Path) -> Path:
    """Write pairs of 8 frames from each clip into the folder of an operator."""
    for clip in find_clips(clips):
        hq = torch.from_numpy(np.stack(clip.read(range(8)))).permute(0, 3, 1, 2).float() / 255
        for kind, frames in ((folder.hq(path), hq), (folder.lq(path), degrade_toy(hq))):
            (kind / clip.name).mkdir(parents=True)
            for n, frame in enumerate((255 * frames).round().byte().permute(0, 2, 3, 1).numpy()):
                Image.fromarray(frame).save(kind / clip.name / f"{n:08}.png")
    return path
