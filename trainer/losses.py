"""What training minimises, but for the perceptual loss: L1, the GAN's two sides, and the sharpened target."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

SHARPENING = 0.3
RADIUS = 25
"""A kernel of 51 taps."""
SIGMA = 8.0
"""What OpenCV takes for 51 taps: 0.3 * ((51 - 1) / 2 - 1) + 0.8."""
THRESHOLD = 10 / 255


def l1(sr: Tensor, hq: Tensor) -> Tensor:
    """The mean of all absolute differences."""
    return functional.l1_loss(sr, hq)


def mse(sr: Tensor, hq: Tensor) -> Tensor:
    """The mean of all squared differences."""
    return functional.mse_loss(sr, hq)


def taken_for_real(maps: Sequence[Tensor]) -> Tensor:
    """LSGAN: how far the discriminator is from taking patches for real; the mean over its scales (facts 4.3)."""
    return _distance(maps, 1.0)


def taken_for_made(maps: Sequence[Tensor]) -> Tensor:
    """LSGAN: how far the discriminator is from taking patches for made by a network; the mean over its scales."""
    return _distance(maps, 0.0)


def _distance(maps: Sequence[Tensor], label: float) -> Tensor:
    return torch.stack([(each.float() - label).square().mean() for each in maps]).mean()


def sharpened(frames: Tensor) -> Tensor:
    """The release's target of the L1 stage: unsharp masking where there are edges only (facts 4.2).

    Args:
        frames: float32 (n, 3, height, width) in [0, 1]; sides above 25.

    Returns:
        The same shape, in [0, 1].
    """
    with torch.autocast(frames.device.type, enabled=False):  # in bfloat16 the target would be a grey level off
        residue = frames - _blurred(frames)
        edges = _blurred((residue.abs() > THRESHOLD).float())
        sharp = (frames + SHARPENING * residue).clamp(0, 1)
        return edges * sharp + (1 - edges) * frames


def _blurred(frames: Tensor) -> Tensor:
    taps = _gaussian().to(frames.device)
    planes = frames.reshape(-1, 1, *frames.shape[-2:])
    planes = functional.pad(planes, (RADIUS,) * 4, mode="reflect")
    planes = functional.conv2d(functional.conv2d(planes, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return planes.reshape(frames.shape)


@cache
def _gaussian() -> Tensor:
    place = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (place / SIGMA) ** 2)
    return (weights / weights.sum()).float()
