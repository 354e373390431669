"""Additive Gaussian noise, grey or coloured (facts 2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def noisy(clip: Tensor, sigmas: Sequence[float], grey: Sequence[bool], seeds: Sequence[int]) -> Tensor:
    """A clip with noise, clamped to [0, 1].

    Args:
        clip: float32 (frames, 3, height, width) in [0, 1].
        sigmas: standard deviation for each frame, in the clip's units.
        grey: for each frame, whether its three colours get the same.
        seeds: for each frame, of its noise: the same one gives the same pattern.
    """
    out = torch.empty_like(clip)
    for n, frame in enumerate(clip):
        generator = torch.Generator().manual_seed(seeds[n])
        pattern = torch.randn(1 if grey[n] else len(frame), *frame.shape[1:], generator=generator)
        torch.add(frame, pattern, alpha=sigmas[n], out=out[n])
    return out.clamp_(0, 1)
