"""Additive Gaussian noise, grey or coloured (facts 2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def noisy(clip: Tensor, sigmas: Sequence[float], grey: Sequence[bool], seed: int, *, frozen_grey: bool) -> Tensor:
    """A clip with noise, clamped to [0, 1].

    Args:
        clip: float32 (frames, 3, height, width) in [0, 1].
        sigmas: standard deviation for each frame, in the clip's units.
        grey: for each frame, whether its three colours get the same.
        seed: of the noise; the same one gives the same noise.
        frozen_grey: all grey frames get the same pattern, each with its own strength.
    """
    frames, colours, height, width = clip.shape
    generator = torch.Generator().manual_seed(seed)
    frozen = torch.randn(1, height, width, generator=generator) if frozen_grey else None
    out = torch.empty_like(clip)
    for n in range(frames):
        if grey[n] and frozen is not None:
            pattern = frozen
        else:
            pattern = torch.randn(1 if grey[n] else colours, height, width, generator=generator)
        torch.add(clip[n], pattern, alpha=sigmas[n], out=out[n])
    return out.clamp_(0, 1)
