"""The losses of a step, each times its weight, by name (facts 4.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from .discriminator import MultiScaleDiscriminator
from .losses import l1, mse, sharpened, taken_for_made, taken_for_real
from .perceptual import PerceptualLoss
from .stages import Losses

type Figures = dict[str, Tensor]


class Objective:
    """What the network and the discriminator minimise.

    Args:
        weights: of the losses; those of weight 0 are not computed.
        perceptual: there where its weight is not 0.
    """

    def __init__(self, weights: Losses, perceptual: PerceptualLoss | None) -> None:
        self._weights = weights
        self._perceptual = perceptual

    def of_network(self, made: Tensor, target: Tensor, discriminator: MultiScaleDiscriminator | None) -> Figures:
        """Losses of the frames that it made.

        Args:
            made, target: (batch, frames, 3, height, width).
            discriminator: it is not changed, nor are its gradients.
        """
        made, target = made.flatten(0, 1), target.flatten(0, 1)
        weights = self._weights
        losses: Figures = {}
        if weights.l1:
            losses["l1"] = weights.l1 * l1(made, sharpened(target) if weights.sharpened else target)
        if weights.mse:
            losses["mse"] = weights.mse * mse(made, target)
        if self._perceptual:
            losses["perceptual"] = weights.perceptual.weight * self._perceptual(made, target)
        if discriminator:
            discriminator.requires_grad_(False)
            losses["gan"] = weights.gan * taken_for_real(discriminator(made))
            discriminator.requires_grad_(True)
        return losses

    def of_discriminator(self, maps: list[Tensor]) -> Figures:
        """Losses of what it said about target frames and, after them in the same batch, about as many made ones."""
        halves = [each.chunk(2) for each in maps]
        return {
            "real": taken_for_real([real for real, _ in halves]),
            "made": taken_for_made([made for _, made in halves]),
        }


def total(losses: Figures) -> Tensor:
    """What is differentiated."""
    return torch.stack(list(losses.values())).sum()
