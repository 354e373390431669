"""The operator: three convolutions that degrade a picture as an episode is degraded (facts 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

COLOURS = 3
FEATURES = 64
NARROW = 8
"""Features of an operator that degrades in a fraction of the time (docs/bench.md)."""
SLOPE = 0.2
HALVING = 2
"""By what an operator that halves divides the sides."""


class Operator(nn.Module):
    """Without residual connection, clamp or last activation; its state dict has the keys of the release's operators.

    Args:
        halves: whether it halves the sides itself, by unshuffling pixels at its entrance, as in the release; or keeps
            the size and comes after a scaling down, as in the paper's equation 2.
        features: channels of its two inner layers.
    """

    def __init__(self, *, halves: bool, features: int = FEATURES) -> None:
        super().__init__()
        self.halves = halves
        inputs = COLOURS * HALVING**2 if halves else COLOURS
        self.main = nn.Sequential(
            _conv(inputs, features),
            nn.LeakyReLU(SLOPE),
            _conv(features, features),
            nn.LeakyReLU(SLOPE),
            _conv(features, COLOURS),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Degrade pictures.

        Args:
            pictures: float32 (n, 3, height, width) in [0, 1]; sides are even where it halves.

        Returns:
            float32 (n, 3, ...), not clamped.
        """
        degraded: Tensor = self.main(functional.pixel_unshuffle(pictures, HALVING) if self.halves else pictures)
        return degraded


class Framewise(nn.Module):
    """An operator on clips: each frame by itself.

    Args:
        layout: of frames, as the operator's weights have it.
    """

    def __init__(self, operator: Operator, *, layout: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__()
        self.operator = operator
        self._layout = layout

    def forward(self, clips: Tensor) -> Tensor:
        """Degrade clips, (batch, frames, 3, height, width)."""
        pictures = clips.flatten(0, 1).contiguous(memory_format=self._layout)
        degraded: Tensor = self.operator(pictures).unflatten(0, clips.shape[:2])
        return degraded


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one
    return conv
