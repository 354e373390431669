"""Degradations that no basic operator models: what is hidden behind the episodes, and never told to what learns.

Each is what happened to one series: colours that bleed and lines that ring as on tape, then an old codec at a low bit
rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from trainer.degradation.analogue import chroma_bleed, halo
from trainer.degradation.blur import blurred
from trainer.degradation.codec import quantised, transcoded
from trainer.degradation.levels import LEVELS, Pictures, pictures_of
from trainer.degradation.scaling import scaled_down

SCALE = 4
SOFTNESS = 1.0
"""Of film, as the sigma of a blur in pixels of HQ."""


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
    radius: float
    codec: str
    scale: float
    """Its quantiser."""

    def lq(self, hq: Tensor) -> Pictures:
        """LQ pictures, a quarter of the size, of an HQ clip, uint8 (frames, 3, height, width)."""
        picture = scaled_down(blurred(hq.float() / LEVELS, SOFTNESS, SOFTNESS, 0), SCALE, "area")
        picture = halo(chroma_bleed(picture, self.bleed, self.shift), self.ringing, self.radius)
        return transcoded(pictures_of(picture), self.codec, quantised(self.scale))


HIDDEN = (
    Hidden("tape", "green", bleed=2.0, shift=0.5, ringing=0.6, radius=1.5, codec="mpeg2", scale=8),
    Hidden("broadcast", "evening", bleed=1.0, shift=-0.5, ringing=0.8, radius=1.5, codec="mpeg2", scale=10),
    Hidden("rip", "school", bleed=1.5, shift=0.5, ringing=0.7, radius=1.3, codec="mpeg4", scale=8),
)
