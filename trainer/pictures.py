"""Frames as pictures to look at."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from .degradation.draw import LEVELS


def image_of(picture: Tensor) -> Image.Image:
    """A picture of 8 bits, rounded, of a float32 one, (3, height, width) in [0, 1]; what lies outside is clipped."""
    return Image.fromarray((LEVELS * picture.clamp(0, 1)).round().byte().permute(1, 2, 0).contiguous().numpy())


def squares(picture: Tensor, factor: int) -> Tensor:
    """A picture whose pixels become squares with sides of so many pixels."""
    return picture.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
