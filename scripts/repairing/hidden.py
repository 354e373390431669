"""Degradations that no basic operator models: what is hidden behind the episodes, and never told to what learns.

Each is what happened to one series: colours that bleed and edges that ring as in analogue circuits, then an old codec
at a low bit rate.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.degradation.analogue import chroma_bleed, luma_of
from trainer.degradation.blur import blurred
from trainer.degradation.codec import quantised, transcoded
from trainer.degradation.levels import LEVELS, Pictures, pictures_of
from trainer.degradation.scaling import scaled_down

SCALE = 4
SOFTNESS = 1.0
"""Of film, as the sigma of a blur in pixels of HQ."""
DAMPING = 2.5
"""Pixels of LQ after which a wave has a third of its height."""
REACH = 8
"""Pixels after which none is left."""


@dataclass(frozen=True)
class Hidden:
    """A degradation."""

    name: str
    title: str
    """Of the drawn clips that the episode shows."""
    bleed: float
    shift: float
    """Of chroma, in pixels of LQ."""
    ringing: float
    period: float
    """Of the waves behind edges: how high at first, as a part of the edge's height, and how long in pixels of LQ."""
    codec: str
    scale: float
    """Its quantiser."""

    def lq(self, hq: Tensor) -> Pictures:
        """LQ pictures, a quarter of the size, of an HQ clip, uint8 (frames, 3, height, width)."""
        picture = scaled_down(blurred(hq.float() / LEVELS, SOFTNESS, SOFTNESS, 0), SCALE, "area")
        picture = ringing(chroma_bleed(picture, self.bleed, self.shift), self.ringing, self.period)
        return transcoded(pictures_of(picture), self.codec, quantised(self.scale))


def ringing(clip: Tensor, strength: float, period: float) -> Tensor:
    """Waves to the right of edges, where the beam comes later: how a circuit answers that has just enough bandwidth.

    No Gaussian has waves, and none of a picture of half the size can be as short: what input rescaling takes away.

    Args:
        clip: float32 (frames, 3, height, width), R, G, B.
        strength: how high a wave would begin, as a part of the edge's height.
        period: its length in pixels.
    """
    place = torch.arange(REACH + 1)
    turn = cmath.exp(complex(-1 / DAMPING, 2 * math.pi / period))
    phase = math.pi / 2 + cmath.phase(1 - turn)  # with which a wave goes as far up as down, and leaves edges in place
    behind_step = -strength * (2 * math.pi / period * place + phase).cos() * (-place / DAMPING).exp()
    behind_line = behind_step.diff(prepend=torch.zeros(1))
    behind_line[-1] -= behind_step[-1]  # even areas stay as they are
    padded = functional.pad(luma_of(clip), (REACH, 0, 0, 0), mode="replicate")
    return clip + functional.conv2d(padded, behind_line.flip(0).view(1, 1, 1, -1))


HIDDEN = (
    Hidden("tape", "green", bleed=1.0, shift=0.5, ringing=2.0, period=3.0, codec="mpeg2", scale=8),
    Hidden("broadcast", "evening", bleed=0.8, shift=-0.5, ringing=2.5, period=2.7, codec="mpeg2", scale=10),
    Hidden("rip", "school", bleed=1.2, shift=0.5, ringing=1.5, period=3.3, codec="mpeg4", scale=8),
)
