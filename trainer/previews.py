"""Draws pictures of frames: pages of labelled crops with enlarged pixels, and the strip LR | SR | HQ of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional

from .data.samples import Sample
from .data.uint8 import UINT8_MAX, to_uint8

SIDE = 256
"""Height and width of a picture on a page."""
MARGIN, LABEL = 8, 22
"""Space around a picture, and height of its label."""
PAPER, INK = (250, 250, 248), (30, 30, 34)


@dataclass(frozen=True)
class Cell:
    """A picture with its label."""

    label: str
    picture: Tensor
    """float32 (3, side, side) in [0, 1]; `side` divides `SIDE`."""


type Row = Sequence[Cell]


def draw_page(rows: Sequence[Row]) -> Image.Image:
    """Draw rows of pictures on a page. Smaller pictures are enlarged: each pixel becomes a square."""
    columns = max(map(len, rows))
    cell_width, cell_height = SIDE + MARGIN, SIDE + LABEL + MARGIN
    page = Image.new("RGB", (columns * cell_width + MARGIN, len(rows) * cell_height + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            left, top = x * cell_width + MARGIN, y * cell_height + MARGIN
            draw.text((left, top + 4), cell.label, INK, font_size=14)
            enlarged = enlarge_pixels(cell.picture, SIDE // cell.picture.shape[-1])
            page.paste(to_image(enlarged), (left, top + LABEL))
    return page


@torch.no_grad()
def preview_strip(network: nn.Module, sample: Sample) -> Image.Image:
    """Draw the last frame of a sample side by side: input, output of the network, target.

    Pixels of the smaller pictures are enlarged.

    Args:
        network: a network for clips, (batch, frames, 3, height, width).
    """
    device = next(network.parameters()).device
    output = network(sample.input[None].to(device))[0, -1].cpu()
    pictures = (sample.input[-1], output, sample.target[-1].float() / UINT8_MAX)
    height = max(picture.shape[-2] for picture in pictures)
    return to_image(torch.cat([enlarge_pixels(picture, height // picture.shape[-2]) for picture in pictures], -1))


def to_image(picture: Tensor) -> Image.Image:
    """Convert a picture, float32 (3, height, width) in [0, 1], to 8 bits. Values outside are clipped."""
    return Image.fromarray(to_uint8(picture[None])[0])


def find_most_detailed(picture: Tensor, side: int) -> tuple[int, int]:
    """Return top and left of the square with the highest variance.

    Args:
        picture: float32 (1, 3, height, width).
        side: height and width of the square.
    """
    grey = picture.mean(1, keepdim=True)
    window, stride = min(side, *grey.shape[-2:]), side // 4
    mean, mean_square = (functional.avg_pool2d(each, window, stride) for each in (grey, grey.square()))
    variance = mean_square - mean.square()
    row, column = divmod(int(variance.argmax()), variance.shape[-1])
    return row * stride, column * stride


def enlarge_pixels(picture: Tensor, factor: int) -> Tensor:
    """Repeat each pixel `factor` times in both directions."""
    return picture.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
