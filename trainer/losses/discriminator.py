"""The discriminator: PatchGANs with spectral norm for a frame at full, half and quarter size.

Source: docs/paper-and-release.md, 4.4.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from ..settings import Settings

LEAKY_SLOPE = 0.2
MAX_WIDENING = 8
"""Channels of the widest layer, relative to the first one."""


class DiscriminatorConfig(Settings):
    """Size of the discriminator of a GAN stage."""

    features: Annotated[int, Field(ge=1, le=1024)] = 64
    """Channels of the first layer of each PatchGAN."""
    layers: Annotated[tuple[Annotated[int, Field(ge=1, le=6)], ...], Field(strict=False, min_length=1)] = (3, 3, 3)
    """Number of layers that halve the size, for each scale. Each scale after the first sees the frame at half the size
    of the previous one."""


class MultiScaleDiscriminator(nn.Module):
    """PatchGANs with separate weights. Each sees the frame at half the size of the previous one.

    Args:
        features: channels of the first layer of each PatchGAN.
        layers: number of layers that halve the size, for each scale.
    """

    def __init__(self, *, features: int = 64, layers: tuple[int, ...] = (3, 3, 3)) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_patch_gan(features, count) for count in layers)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Rate each patch at each scale: 1 for real, 0 for generated.

        Args:
            frames: (batch, 3, height, width).

        Returns:
            One map per scale, (batch, 1, h, w): 30x30, 14x14 and 6x6 for 256x256 frames.
        """
        maps = []
        for number, scale in enumerate(self.scales):
            if number:
                half = frames.shape[-2] // 2, frames.shape[-1] // 2
                frames = functional.interpolate(frames, half, mode="bilinear", align_corners=True)
            maps.append(scale(frames))
        return maps


def smallest_side(layers: tuple[int, ...]) -> int:
    """Return the smallest side of a frame, in pixels, for which every scale has a map."""
    return max(_smallest(count) << number for number, count in enumerate(layers))


def _smallest(count: int) -> int:
    """Return the smallest side that leaves at least a pixel after the two last convolutions."""
    return 3 << count


def _patch_gan(features: int, count: int) -> nn.Sequential:
    """Return `count` layers that halve the size and two that reduce it by a pixel. Features are not normalised."""
    widths = [3, *(features * min(2**number, MAX_WIDENING) for number in range(count + 1)), 1]
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        stride = 2 if number < count else 1
        layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, stride, 1)), nn.LeakyReLU(LEAKY_SLOPE)]
    return nn.Sequential(*layers[:-1])
