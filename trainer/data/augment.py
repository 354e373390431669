"""Augmentation: horizontal flip, vertical flip and transposition, so that one clip gives eight."""

from __future__ import annotations

from numpy.random import Generator
from torch import Tensor

type Flips = tuple[bool, bool, bool]
"""Whether a clip is flipped horizontally, flipped vertically, transposed."""

NO_FLIP: Flips = (False, False, False)


def sample_flips(generator: Generator, *, enabled: bool = True) -> Flips:
    """Sample flips, each with a probability of one half.

    Args:
        enabled: if False, nothing is flipped. The generator advances all the same.
    """
    horizontal, vertical, transpose = (bool(point < 0.5) for point in generator.random(3))
    return (horizontal, vertical, transpose) if enabled else NO_FLIP


def flip(clip: Tensor, flips: Flips) -> Tensor:
    """Flip a clip, (..., height, width), in the order of `flips`."""
    horizontal, vertical, transpose = flips
    clip = clip.flip(-1) if horizontal else clip
    clip = clip.flip(-2) if vertical else clip
    return (clip.mT if transpose else clip).contiguous()
