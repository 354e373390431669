"""Pictures with labels, in rows: to compare what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import Tensor

from .pictures import image_of, squares

SIDE = 256
"""Of a picture on the page."""
MARGIN, LABEL = 8, 22
PAPER, INK = (250, 250, 248), (30, 30, 34)


@dataclass(frozen=True)
class Cell:
    """A picture with what it shows."""

    label: str
    picture: Tensor
    """float32 (3, height, width) in [0, 1]; sides divide `SIDE`."""


type Row = Sequence[Cell]


def laid_out(rows: Sequence[Row]) -> Image.Image:
    """All of them on one page; of small pictures each pixel is a square."""
    columns = max(map(len, rows))
    cell = (SIDE + MARGIN, SIDE + LABEL + MARGIN)
    page = Image.new("RGB", (columns * cell[0] + MARGIN, len(rows) * cell[1] + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    for y, row in enumerate(rows):
        for x, each in enumerate(row):
            left, top = x * cell[0] + MARGIN, y * cell[1] + MARGIN
            draw.text((left, top + 4), each.label, INK, font_size=14)
            shown = squares(each.picture, SIDE // each.picture.shape[-1])
            page.paste(image_of(shown), (left, top + LABEL))
    return page
