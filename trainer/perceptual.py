"""The perceptual loss: how far apart features of the frames are (facts 4.3)."""

from __future__ import annotations

from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from .errors import LossError
from .settings import NonNegative, Settings
from .vgg import Vgg, last_layers
from .vgg_weights import VggWeights


class Perceptual(Settings):
    """How much it counts, which network's features are compared, and how much each of its blocks counts."""

    weight: NonNegative = 0.0
    weights: str = "auto"
    """`torchvision` (VGG19), `stand-in` (VGG16), `auto` (the first, or else the second), or the path of a file."""
    blocks: Annotated[tuple[NonNegative, NonNegative, NonNegative, NonNegative, NonNegative], Field(strict=False)] = (
        0.1,
        0.1,
        1,
        1,
        1,
    )
    """Of the last convolution of each of the five blocks, before its ReLU: conv1_2 to conv5_4 in VGG19. Of a block with
    0 nothing is computed."""

    @model_validator(mode="after")
    def _any(self) -> Self:
        if not any(self.blocks):
            raise ValueError("all blocks are 0; give one more")
        return self


class PerceptualLoss(nn.Module):
    """Weighted sum of mean absolute differences between features.

    Args:
        settings: how much each block counts; where the weights come from is for the caller to have heeded.
        weights: of a VGG; its last convolutions are compared, whichever its depth.
    """

    def __init__(self, settings: Perceptual, weights: VggWeights) -> None:
        super().__init__()
        layers = last_layers(weights.depth, "conv")
        self._weights = {layer: weight for layer, weight in zip(layers, settings.blocks, strict=True) if weight}
        self._vgg = Vgg(weights.depth, tuple(self._weights), weights.tensors)

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        """The loss, a single number; only `sr` gets a gradient.

        Args:
            sr: (batch, 3, height, width), R, G, B in [0, 1]; the frames of clips are folded into the batch.
            hq: as `sr`.

        Raises:
            LossError: the two are not of one shape, or of none that VGG takes.
        """
        if sr.shape != hq.shape:  # a mean of differences would spread the smaller over the larger
            raise LossError(f"SR is of shape {tuple(sr.shape)}, and HQ of {tuple(hq.shape)}; make them the same")
        with torch.no_grad():
            wanted: dict[str, Tensor] = self._vgg(hq)
        found: dict[str, Tensor] = self._vgg(sr)
        losses = [weight * l1_loss(found[layer], wanted[layer]) for layer, weight in self._weights.items()]
        return torch.stack(losses).sum()
