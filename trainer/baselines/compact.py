"""SRVGGNetCompact, the network of Real-ESRGAN for animation videos (animevideov3).

Source: the model card of Real-ESRGAN's anime video models, and the graph that is published with the weights. A chain of
convolutions and PReLUs at LR size computes the 16 sub-pixels' difference to the LR pixel.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from vsanimesr.network.shapes import COLOURS, SCALE, SR_CHANNELS

from .network import BaselineNetwork, conv3x3


class Compact(BaselineNetwork):
    """SRVGGNetCompact for a factor of 4. Its state dict has the published keys.

    Args:
        features: channels of each layer.
        blocks: convolutions between the first and the last.
    """

    def __init__(self, *, features: int = 64, blocks: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (COLOURS, *[features] * blocks):
            layers += [conv3x3(inputs, features), nn.PReLU(features)]
        self.body = nn.Sequential(*layers, conv3x3(features, SR_CHANNELS))

    def forward(self, frame: Tensor) -> Tensor:
        """Upscale a frame.

        Args:
            frame: (1, 3, height, width) in [0, 1].

        Returns:
            (1, 3, 4 * height, 4 * width), not clamped.
        """
        return pixel_shuffle(self.body(frame), SCALE) + interpolate(frame, scale_factor=SCALE, mode="nearest")
