"""Synthetic faults of old episodes, which no basic operator models.

Each is the degradation of one show: chroma bleed and ringing edges as in analogue circuits, then an old codec at a low
bit rate. Training sees the degraded episodes only, never these parameters.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.uint8 import UINT8_MAX, Frames, to_uint8
from trainer.degradation.analogue import chroma_bleed, rgb_to_luma
from trainer.degradation.blur import blur
from trainer.degradation.codec import quantiser_options, transcode
from trainer.degradation.scaling import downscale

SCALE = 4
SOFTNESS = 1.0
"""Softness of film: the sigma of a blur in HQ pixels."""
DAMPING = 2.5
"""LQ pixels after which a wave has a third of its height."""
REACH = 8
"""LQ pixels after which a wave is cut off."""


@dataclass(frozen=True)
class SyntheticFault:
    """A degradation from HQ to LQ."""

    name: str
    show: str
    """The show of `scripts.studies.drawing` whose clips make up the episode."""
    bleed: float
    shift: float
    """Width and shift of the chroma bleed, in LQ pixels."""
    ringing: float
    period: float
    """Waves behind edges: initial height as a share of the edge's height, and length in LQ pixels."""
    codec: str
    scale: float
    """Codec and quantiser."""

    def degrade(self, hq: Tensor) -> Frames:
        """Degrade an HQ clip, uint8 (frames, 3, height, width), to LQ pictures of a quarter of its width and height."""
        clip = downscale(blur(hq.float() / UINT8_MAX, SOFTNESS, SOFTNESS, 0), SCALE, "area")
        clip = add_ringing(chroma_bleed(clip, self.bleed, self.shift), self.ringing, self.period)
        return transcode(to_uint8(clip), self.codec, quantiser_options(self.scale))


def add_ringing(clip: Tensor, strength: float, period: float) -> Tensor:
    """Add waves to the right of edges: the response of an analogue circuit with barely enough bandwidth.

    A Gaussian has no such waves, and a picture of half the size cannot hold waves this short. So input rescaling
    removes them.

    Args:
        clip: float32 (frames, 3, height, width), R, G, B.
        strength: initial height of a wave, as a share of the edge's height.
        period: length of a wave in pixels.
    """
    place = torch.arange(REACH + 1)
    step = cmath.exp(complex(-1 / DAMPING, 2 * math.pi / period))
    phase = math.pi / 2 + cmath.phase(1 - step)  # makes the waves sum to 0, so that edges stay in place
    step_response = -strength * (2 * math.pi / period * place + phase).cos() * (-place / DAMPING).exp()
    impulse_response = step_response.diff(prepend=torch.zeros(1))
    impulse_response[-1] -= step_response[-1]  # keeps flat areas unchanged
    padded = functional.pad(rgb_to_luma(clip), (REACH, 0, 0, 0), mode="replicate")
    return clip + functional.conv2d(padded, impulse_response.flip(0).view(1, 1, 1, -1))


FAULTS = (
    SyntheticFault("tape", "green", bleed=1.0, shift=0.5, ringing=2.0, period=3.0, codec="mpeg2", scale=8),
    SyntheticFault("broadcast", "evening", bleed=0.8, shift=-0.5, ringing=2.5, period=2.7, codec="mpeg2", scale=10),
    SyntheticFault("rip", "school", bleed=1.2, shift=0.5, ringing=1.5, period=3.3, codec="mpeg4", scale=8),
)
