"""The discriminator: three PatchGANs with spectral norm, for a frame, its half and its quarter (facts 4.4)."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2
MOST = 8
"""Times the first layer's channels, of the widest layer."""


class MultiScaleDiscriminator(nn.Module):
    """Several PatchGANs of their own weights; each looks at the frame in half the size of the one before.

    Args:
        features: channels of each one's first layer.
        layers: for each scale, how many layers halve the size.
    """

    def __init__(self, *, features: int = 64, layers: tuple[int, ...] = (3, 3, 3)) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_patch_gan(features, count) for count in layers)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """What each scale takes each patch for: 1 real, 0 made.

        Args:
            frames: (batch, 3, height, width).

        Returns:
            A map for each scale, (batch, 1, h, w): for 256x256 frames 30x30, 14x14 and 6x6.
        """
        maps = []
        for number, scale in enumerate(self.scales):
            if number:
                half = frames.shape[-2] // 2, frames.shape[-1] // 2
                frames = functional.interpolate(frames, half, mode="bilinear", align_corners=True)
            maps.append(scale(frames))
        return maps


def smallest_side(layers: tuple[int, ...]) -> int:
    """Of a frame in pixels, so that every scale has a map."""
    return max(_smallest(count) << number for number, count in enumerate(layers))


def _smallest(count: int) -> int:
    """One that leaves the convolutions of 4x4 which keep the size (less one) a pixel each."""
    return 3 << count


def _patch_gan(features: int, count: int) -> nn.Sequential:
    """Layers that halve the size, and two that keep it, less one; no normalisation but that of the weights."""
    widths = [3, *(features * min(2**number, MOST) for number in range(count + 1)), 1]
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        stride = 2 if number < count else 1
        layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, stride, 1)), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1])
