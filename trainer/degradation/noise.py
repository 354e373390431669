"""Additive Gaussian noise, grey or colour (docs/paper-and-release.md, 2.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .device import upload

COLOURS = 3
RANDOM_BITS = 16
"""Random bits per value. So noise has 65,536 different values, all within 4.3 sigma."""


def add_noise(clip: Tensor, sigmas: Sequence[float], grey: Sequence[bool], seeds: Sequence[int]) -> Tensor:
    """Add noise to a clip and clamp it to [0, 1].

    Args:
        clip: float32 (frames, 3, height, width) in [0, 1].
        sigmas: standard deviation for each frame, in the clip's units.
        grey: for each frame, whether its three colours get the same noise.
        seeds: seed for each frame. The same seed gives the same pattern.
    """
    out = torch.empty_like(clip)
    for n, frame in enumerate(clip):
        pattern = _gaussian(seeds[n], 1 if grey[n] else len(frame), *frame.shape[1:])
        torch.add(frame, pattern, alpha=sigmas[n], out=out[n])
    return out.clamp_(0, 1)


def draw_words(grey: Sequence[bool], seeds: Sequence[int], height: int, width: int) -> Tensor:
    """Draw the random bits of a clip's noise: one plane for each frame with grey noise, else three.

    Returns:
        int16 (planes, height, width). `add_noise_to_clips` looks these words up, as `add_noise` does.
    """
    pixels = height * width
    planes = [_words(seed, pixels if is_grey else COLOURS * pixels) for seed, is_grey in zip(seeds, grey, strict=True)]
    return torch.from_numpy(np.concatenate(planes).view(np.int16)).view(-1, height, width)


def add_noise_to_clips(clips: Tensor, words: Tensor, sigmas: Tensor, grey: Sequence[Sequence[bool]]) -> Tensor:
    """Add noise to clips and clamp them to [0, 1], on their device.

    Args:
        clips: float32 (clips, frames, 3, height, width) in [0, 1].
        words: planes of `draw_words`, of all clips in order, on the device.
        sigmas: standard deviation for each frame, (clips, frames), in the clips' units, on the device.
        grey: for each frame of each clip, whether its three colours get the same noise.
    """
    order: list[int] = []
    plane = 0
    for is_grey in chain.from_iterable(grey):
        order += COLOURS * [plane] if is_grey else range(plane, plane + COLOURS)
        plane += 1 if is_grey else COLOURS
    places = words.index_select(0, upload(torch.tensor(order), clips.device)).int() & (2**RANDOM_BITS - 1)
    patterns = _quantiles_on(clips.device).index_select(0, places.flatten()).view(clips.shape)
    return patterns.mul_(sigmas[..., None, None, None]).add_(clips).clamp_(0, 1)


def _gaussian(seed: int, *shape: int) -> Tensor:
    """Return normally distributed values from a table, in a third of the time that PyTorch takes to compute them."""
    places = torch.from_numpy(_words(seed, math.prod(shape)).astype(np.int32))
    return _quantiles().index_select(0, places).view(shape)


def _words(seed: int, count: int) -> NDArray[np.uint16]:
    return np.random.SFC64(seed).random_raw(-(-count * RANDOM_BITS // 64)).view(np.uint16)[:count]


@cache
def _quantiles_on(device: torch.device) -> Tensor:
    return _quantiles().to(device)


@cache
def _quantiles() -> Tensor:
    """Return the centres of equally probable intervals of a normal distribution, from low to high."""
    middles = (torch.arange(2**RANDOM_BITS, dtype=torch.float64) + 0.5) / 2**RANDOM_BITS
    values: Tensor = torch.special.ndtri(middles)
    return values.float()
