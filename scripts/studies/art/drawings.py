"""Drawings of a scene: pictures of packages, captions, and graphics that are generated."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..drawing.scene import DrawingError
from ..drawing.svg import rasterize
from .graphics import draw

VECTOR = (".svg", ".svgz")
SAMPLE = 200
"""Height of the small versions of pictures by which views are chosen."""
SUPERSAMPLED = 2
"""Captions are drawn so many times as large as they are shown at most."""


@dataclass(frozen=True)
class Grade:
    """The light of a scene: factors of red, green and blue, and the exponent of their curve."""

    red: float = 1.0
    green: float = 1.0
    blue: float = 1.0
    exponent: float = 1.0

    def apply(self, picture: Image.Image) -> Image.Image:
        """Grade a picture, RGBA. Its alpha stays."""
        if self == DAY:
            return picture
        steps = [(level / 255) ** self.exponent * 255 for level in range(256)]
        factors = (self.red, self.green, self.blue)
        table = [min(round(step * factor), 255) for factor in factors for step in steps]
        return picture.point([*table, *range(256)])


DAY = Grade()
NIGHT = Grade(0.45, 0.55, 0.86, 1.2)
DARK = Grade(0.6, 0.57, 0.57, 1.35)
DUSK = Grade(1.05, 0.78, 0.66, 1.1)


@dataclass(frozen=True)
class Picture:
    """A file of a package. Raster pictures keep their size; `height` is the size of vector pictures in pixels."""

    file: str
    height: int = 0
    grade: Grade = DAY
    paper: str = ""
    """Colour below transparent parts."""

    @property
    def sheet(self) -> str:
        return self.file

    def paint(self, art: Path) -> Image.Image:
        picture = self.grade.apply(open_picture(art / self.file, self.height))
        if self.paper:
            sheet = Image.new("RGBA", picture.size, self.paper)
            sheet.alpha_composite(picture)
            return sheet
        return picture


@dataclass(frozen=True)
class Caption:
    """Centred lines of text with an outline."""

    lines: tuple[str, ...]
    font: str
    height: int
    """Height of a line in pixels."""
    colour: str
    outline_colour: str
    outline: int
    """Width of the outline in pixels."""

    @property
    def sheet(self) -> str:
        return f"caption/{self.lines[0]}"

    def paint(self, art: Path) -> Image.Image:
        size, outline = self.height * 0.7 * SUPERSAMPLED, self.outline * SUPERSAMPLED
        # Pillow's own layout: the other one is a library that need not be there
        font = ImageFont.truetype(str(art / self.font), size, layout_engine=ImageFont.Layout.BASIC)
        step = self.height * SUPERSAMPLED
        width = round(max(font.getlength(line) for line in self.lines)) + 2 * outline + step
        picture = Image.new("RGBA", (width, step * len(self.lines)), (0, 0, 0, 0))
        picture.paste(self.outline_colour, (0, 0, *picture.size))
        picture.putalpha(0)
        pen = ImageDraw.Draw(picture)
        for n, line in enumerate(self.lines):
            at = (width / 2, step * (n + 0.5))
            pen.text(at, line, self.colour, font, "mm", stroke_width=outline, stroke_fill=self.outline_colour)
        return picture


@dataclass(frozen=True)
class Graphic:
    """A generated picture of thin lines or flat shapes: one of graphics.GRAPHICS."""

    kind: str
    seed: int
    height: int

    @property
    def sheet(self) -> str:
        return f"{self.kind}/{self.seed}"

    def paint(self, art: Path) -> Image.Image:
        return rasterize(draw(self.kind, self.seed), self.height)


def open_picture(file: Path, height: int) -> Image.Image:
    """Return a picture, RGBA. A vector one gets this height.

    Raises:
        DrawingError: a vector picture cannot be rendered.
    """
    if file.suffix not in VECTOR:
        with Image.open(file) as picture:
            return picture.convert("RGBA")
    data = file.read_bytes()
    text = (gzip.decompress(data) if file.suffix == ".svgz" else data).decode(errors="replace")
    try:
        return rasterize(text, height)
    except ValueError as error:
        raise DrawingError(f"{file.name} cannot be rendered ({error})") from error


@dataclass(frozen=True)
class Sample:
    """What is known of a picture before a scene is made of it."""

    size: tuple[int, int]
    """Width and height in pixels; of a vector picture, only their ratio counts."""
    vector: bool
    coverage: float
    """Mean alpha, 0 to 1."""
    brightness: float
    """Mean grey, 0 to 1, on grey paper."""
    detail: NDArray[np.float32]
    """Differences of neighbours in a small version."""

    def detail_in(self, left: float, top: float, right: float, bottom: float) -> float:
        """Return the mean detail in a box. Its sides are shares of the picture's."""
        height, width = self.detail.shape
        x, y = int(left * width), int(top * height)
        part = self.detail[y : max(int(bottom * height), y + 1), x : max(int(right * width), x + 1)]
        return float(part.mean())


@cache
def sample(file: Path) -> Sample:
    """Look at a picture. Raises DrawingError if it cannot be rendered."""
    vector = file.suffix in VECTOR
    picture = open_picture(file, SAMPLE)
    size = picture.size
    picture = picture.resize((max(round(size[0] * SAMPLE / size[1]), 2), SAMPLE), Image.Resampling.BOX)
    paper = Image.new("RGBA", picture.size, "#808080")
    paper.alpha_composite(picture)
    grey = np.asarray(paper.convert("L"), np.float32)
    detail = np.abs(np.diff(grey, axis=0))[:, 1:] + np.abs(np.diff(grey, axis=1))[1:]
    coverage = float(np.asarray(picture, np.float32)[..., 3].mean() / 255)
    return Sample(size, vector, coverage, float(grey.mean() / 255), detail)


def is_sprite(file: Path) -> bool:
    """Return whether a picture can be rendered, and is of a thing on a transparent ground."""
    try:
        return 0.2 < sample(file).coverage < 0.9
    except DrawingError:
        return False
