"""Degradations that no basic operator models: what is hidden behind the episodes, and never told to what learns.

Each is what happened to one series: soft film, colours that bleed and lines that ring as on tape, an old codec at a low
bit rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.degradation.analogue import chroma_bleed, halo
from trainer.degradation.blur import blurred
from trainer.degradation.codec import quantised, transcoded
from trainer.degradation.draw import LEVELS
from trainer.degradation.scaling import scaled_down

SCALE = 4


@dataclass(frozen=True)
class Hidden:
    """A degradation."""

    name: str
    softness: float
    """Sigma of a blur, in pixels of HQ."""
    bleed: float
    shift: float
    """Of chroma, in pixels of LQ."""
    ringing: float
    radius: float
    codec: str
    scale: float
    """Its quantiser."""

    def lq(self, hq: Tensor) -> NDArray[np.uint8]:
        """LQ pictures, (frames, height / 4, width / 4, 3), of an HQ clip, uint8 (frames, 3, height, width)."""
        picture = scaled_down(blurred(hq.float() / LEVELS, self.softness, self.softness, 0), SCALE, "area")
        picture = halo(chroma_bleed(picture, self.bleed, self.shift), self.ringing, self.radius)
        levels = (LEVELS * picture.clamp(0, 1)).round().to(torch.uint8).permute(0, 2, 3, 1)
        return transcoded(np.ascontiguousarray(levels.numpy()), self.codec, quantised(self.scale))


HIDDEN = (
    Hidden("tape", softness=4.0, bleed=4.0, shift=2.0, ringing=0.35, radius=1.5, codec="mpeg2", scale=9),
    Hidden("broadcast", softness=3.0, bleed=2.0, shift=-1.0, ringing=0.6, radius=1.2, codec="mpeg2", scale=14),
    Hidden("rip", softness=3.5, bleed=3.0, shift=0.5, ringing=0.25, radius=2.0, codec="mpeg4", scale=11),
)
