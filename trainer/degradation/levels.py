"""Pictures of 8 bits, and clips of their values in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEVELS = 255

type Pictures = NDArray[np.uint8]
"""(frames, height, width, 3), R, G, B."""


def clip_of(pictures: Pictures) -> Tensor:
    """float32 (frames, 3, height, width) in [0, 1]."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float().div_(LEVELS)  # a copy: they may be read-only


def pictures_of(clip: Tensor, *, truncated: bool = False) -> Pictures:
    """A clip in 8 bits; what lies outside of [0, 1] is clipped.

    Args:
        clip: float32 (frames, 3, height, width).
        truncated: cut down to the grey level below, not rounded to the nearest.
    """
    levels = clip.permute(0, 2, 3, 1) * LEVELS
    if not truncated:
        levels = levels.round()
    return np.ascontiguousarray(levels.clamp(0, LEVELS).to(torch.uint8).numpy())


def rounded(clip: Tensor) -> Tensor:
    """The same values, as 8 bits have them, in the same type."""
    return (LEVELS * clip.clamp(0, 1)).round() / LEVELS
