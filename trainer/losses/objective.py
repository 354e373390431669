"""Losses and their weighted sum: L1, MSE, the perceptual loss, LSGAN for generator and discriminator.

Source: docs/paper-and-release.md, 4.2 and 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from ..settings import NonNegative, Settings
from .discriminator import MultiScaleDiscriminator
from .perceptual import Perceptual, PerceptualLoss

type LossValues = dict[str, Tensor]
"""Losses by name, each a single number."""

SHARPEN_AMOUNT = 0.3
SHARPEN_RADIUS = 25
"""Radius of the Gaussian in pixels: 51 taps."""
SHARPEN_SIGMA = 8.0
"""Sigma that OpenCV computes for 51 taps: 0.3 * ((51 - 1) / 2 - 1) + 0.8."""
SHARPEN_THRESHOLD = 10 / 255
"""Smallest difference from the blurred frame that counts as an edge."""


class Losses(Settings):
    """Weights of the losses. A loss of weight 0 is not computed."""

    l1: NonNegative = 1.0
    """Weight of the mean absolute difference."""
    mse: NonNegative = 0.0
    """Weight of the mean squared difference, which the release uses in the first stage of operators
    (docs/paper-and-release.md, 3.3)."""
    sharpen: bool = False
    """Compute L1 against the sharpened HQ frame, as the release does in its first stage and the paper does not mention
    (docs/paper-and-release.md, 4.2)."""
    perceptual: Perceptual = Perceptual()
    gan: NonNegative = 0.0
    """Weight of the GAN loss. Above 0, a discriminator is trained too."""


class Objective:
    """Computes the losses of generator and discriminator.

    Args:
        weights: weights of the losses.
        perceptual: the perceptual loss, or None if its weight is 0.
    """

    def __init__(self, weights: Losses, perceptual: PerceptualLoss | None) -> None:
        self._weights = weights
        self._perceptual = perceptual

    def generator_losses(
        self, output: Tensor, target: Tensor, discriminator: MultiScaleDiscriminator | None
    ) -> LossValues:
        """Compute the losses of the generator's output.

        Args:
            output, target: (batch, frames, 3, height, width).
            discriminator: the discriminator of a GAN loss. Its weights and gradients are not changed.
        """
        output, target = output.flatten(0, 1), target.flatten(0, 1)
        weights = self._weights
        losses: LossValues = {}
        if weights.l1:
            losses["l1"] = weights.l1 * l1(output, sharpen(target) if weights.sharpen else target)
        if weights.mse:
            losses["mse"] = weights.mse * mse(output, target)
        if self._perceptual:
            losses["perceptual"] = weights.perceptual.weight * self._perceptual(output, target)
        if discriminator:
            discriminator.requires_grad_(False)
            losses["gan"] = weights.gan * lsgan(discriminator(output), real=True)
            discriminator.requires_grad_(True)
        return losses

    def discriminator_losses(self, maps: list[Tensor]) -> LossValues:
        """Compute the losses of the discriminator.

        Args:
            maps: its outputs for a batch of target frames followed by the same number of generated frames.
        """
        halves = [each.chunk(2) for each in maps]
        return {
            "d_real": lsgan([real for real, _ in halves], real=True),
            "d_fake": lsgan([fake for _, fake in halves], real=False),
        }


def total_loss(losses: LossValues) -> Tensor:
    """Return the sum of the losses, for backpropagation."""
    return torch.stack(list(losses.values())).sum()


def l1(sr: Tensor, hq: Tensor) -> Tensor:
    """Compute the mean absolute difference."""
    return functional.l1_loss(sr, hq)


def mse(sr: Tensor, hq: Tensor) -> Tensor:
    """Compute the mean squared difference."""
    return functional.mse_loss(sr, hq)


def lsgan(maps: Sequence[Tensor], *, real: bool) -> Tensor:
    """Compute the LSGAN loss: the mean squared distance to the label, averaged over the scales.

    Args:
        maps: outputs of `MultiScaleDiscriminator`, (batch, 1, h, w) for each scale.
        real: True for label 1, False for label 0.
    """
    label = float(real)
    return torch.stack([(each.float() - label).square().mean() for each in maps]).mean()


def sharpen(frames: Tensor) -> Tensor:
    """Sharpen edges by an unsharp mask: the release's target of the L1 stage (docs/paper-and-release.md, 4.2).

    Args:
        frames: float32 (n, 3, height, width) in [0, 1]; sides above 25.

    Returns:
        The same shape, in [0, 1].
    """
    with torch.autocast(frames.device.type, enabled=False):  # in bfloat16 the error would be a grey level
        residue = frames - _blur(frames)
        edges = _blur((residue.abs() > SHARPEN_THRESHOLD).float())
        sharp = (frames + SHARPEN_AMOUNT * residue).clamp(0, 1)
        return edges * sharp + (1 - edges) * frames


def _blur(frames: Tensor) -> Tensor:
    taps = _gaussian_taps().to(frames.device)
    planes = frames.reshape(-1, 1, *frames.shape[-2:])
    planes = functional.pad(planes, (SHARPEN_RADIUS,) * 4, mode="reflect")
    planes = functional.conv2d(functional.conv2d(planes, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))
    return planes.reshape(frames.shape)


@cache
def _gaussian_taps() -> Tensor:
    place = torch.arange(-SHARPEN_RADIUS, SHARPEN_RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (place / SHARPEN_SIGMA) ** 2)
    return (weights / weights.sum()).float()
