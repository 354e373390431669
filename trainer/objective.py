"""The losses of a step, each times its weight, by name (facts 4.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from .discriminator import MultiScaleDiscriminator
from .losses import l1, sharpened, taken_for_made, taken_for_real
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

    def of_network(self, sr: Tensor, hq: Tensor, discriminator: MultiScaleDiscriminator | None) -> Figures:
        """Losses of SR frames.

        Args:
            sr, hq: (batch, frames, 3, height, width).
            discriminator: it is not changed, nor are its gradients.
        """
        sr, hq = sr.flatten(0, 1), hq.flatten(0, 1)
        weights = self._weights
        losses: Figures = {}
        if weights.l1:
            losses["l1"] = weights.l1 * l1(sr, sharpened(hq) if weights.sharpened else hq)
        if self._perceptual:
            losses["perceptual"] = weights.perceptual.weight * self._perceptual(sr, hq)
        if discriminator:
            discriminator.requires_grad_(False)
            losses["gan"] = weights.gan * taken_for_real(discriminator(sr))
            discriminator.requires_grad_(True)
        return losses

    def of_discriminator(self, maps: list[Tensor]) -> Figures:
        """Losses of what it said about HQ frames and, after them in the same batch, about as many SR frames."""
        halves = [each.chunk(2) for each in maps]
        return {
            "real": taken_for_real([real for real, _ in halves]),
            "made": taken_for_made([made for _, made in halves]),
        }


def total(losses: Figures) -> Tensor:
    """What is differentiated."""
    return torch.stack(list(losses.values())).sum()
