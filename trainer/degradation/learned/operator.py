"""The operator: three convolutions that degrade a frame like an episode (docs/paper-and-release.md, 3.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

COLOURS = 3
FEATURES = 64
NARROW_FEATURES = 8
"""Features of a narrow operator, which degrades in a fraction of the time (docs/reports/bench.md)."""
LEAKY_SLOPE = 0.2
LBO_SCALE = 2
"""Ratio of the sides of pseudo-HQ and LQ frames."""


class Operator(nn.Module):
    """No residual connection, no clamp, no last activation. The state dict has the keys of the release's operators.

    Args:
        halves: True: the operator halves the sides itself, by pixel unshuffle at its input, as in the release. False:
            it keeps the size and follows a stage of downscaling, as in equation 2 of the paper.
        features: channels of the two inner layers.
    """

    def __init__(self, *, halves: bool, features: int = FEATURES) -> None:
        super().__init__()
        self.halves = halves
        inputs = COLOURS * LBO_SCALE**2 if halves else COLOURS
        self.main = nn.Sequential(
            _conv(inputs, features),
            nn.LeakyReLU(LEAKY_SLOPE),
            _conv(features, features),
            nn.LeakyReLU(LEAKY_SLOPE),
            _conv(features, COLOURS),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Degrade frames.

        Args:
            frames: float32 (n, 3, height, width) in [0, 1]; even sides if the operator halves them.

        Returns:
            float32 (n, 3, ...), not clamped.
        """
        output: Tensor = self.main(functional.pixel_unshuffle(frames, LBO_SCALE) if self.halves else frames)
        return output


class Framewise(nn.Module):
    """An operator applied to each frame of clips.

    Args:
        layout: memory layout of frames, the same as that of the operator's weights.
    """

    def __init__(self, operator: Operator, *, layout: torch.memory_format = torch.contiguous_format) -> None:
        super().__init__()
        self.operator = operator
        self._layout = layout

    def forward(self, clips: Tensor) -> Tensor:
        """Degrade clips, (batch, frames, 3, height, width)."""
        frames = clips.flatten(0, 1).contiguous(memory_format=self._layout)
        output: Tensor = self.operator(frames).unflatten(0, clips.shape[:2])
        return output


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # Conv2d has a bias here
    return conv
