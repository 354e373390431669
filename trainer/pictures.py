"""Frames as pictures to look at."""

from __future__ import annotations

from PIL import Image
from torch import Tensor
from torch.nn import functional

from .degradation.levels import pictures_of


def image_of(picture: Tensor) -> Image.Image:
    """A picture of 8 bits, rounded, of a float32 one, (3, height, width) in [0, 1]; what lies outside is clipped."""
    return Image.fromarray(pictures_of(picture[None])[0])


def most_detailed(picture: Tensor, side: int) -> tuple[int, int]:
    """Top and left of the square of that side, (1, 3, side, side), that varies most."""
    grey = picture.mean(1, keepdim=True)
    window, step = min(side, *grey.shape[-2:]), side // 4
    mean, square = (functional.avg_pool2d(each, window, step) for each in (grey, grey.square()))
    variance = square - mean.square()
    row, column = divmod(int(variance.argmax()), variance.shape[-1])
    return row * step, column * step


def squares(picture: Tensor, factor: int) -> Tensor:
    """A picture whose pixels become squares with sides of so many pixels."""
    return picture.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
