"""Additive Gaussian noise, grey or coloured (facts 2.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

BITS = 16
"""Of randomness in a value: a 65536th of the noise lies between two neighbours, and none beyond 4.3 sigmas."""


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
        pattern = _gaussian(seeds[n], 1 if grey[n] else len(frame), *frame.shape[1:])
        torch.add(frame, pattern, alpha=sigmas[n], out=out[n])
    return out.clamp_(0, 1)


def _gaussian(seed: int, *shape: int) -> Tensor:
    """Normal values: looked up, which takes a third of the time that PyTorch takes to compute them."""
    count = math.prod(shape)
    words = np.random.SFC64(seed).random_raw(-(-count * BITS // 64))
    places = torch.from_numpy(words.view(np.uint16)[:count].astype(np.int32))
    return _quantiles().index_select(0, places).view(shape)


@cache
def _quantiles() -> Tensor:
    """What a normal value is in the middle of each of as many equally likely parts, from the lowest to the highest."""
    middles = (torch.arange(2**BITS, dtype=torch.float64) + 0.5) / 2**BITS
    values: Tensor = torch.special.ndtri(middles)
    return values.float()
