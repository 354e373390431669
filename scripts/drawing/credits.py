"""Credits: lines of text that stand still or roll."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE = 64
"""Of the letters. Pillow brings the font: the same one everywhere."""
SPACING = 1.5


@dataclass(frozen=True)
class Credits:
    """Lines, centred, with a dark outline. Their picture is as high as the lines need."""

    name: str
    lines: tuple[str, ...]
    colour: str = "white"
    outline: int = 4

    @property
    def sheet(self) -> str:
        return f"credits/{self.name}"

    def paint(self, art: Path) -> Image.Image:
        font = ImageFont.load_default(SIZE)
        margin = 2 * self.outline + 4
        width = round(max(font.getlength(line) for line in self.lines)) + 2 * margin
        step = round(SIZE * SPACING)
        picture = Image.new("RGBA", (width, step * len(self.lines) + 2 * margin), (32, 16, 40, 0))
        draw = ImageDraw.Draw(picture)
        for n, line in enumerate(self.lines):
            at = (width / 2, margin + step * (n + 0.5))
            draw.text(at, line, self.colour, font, anchor="mm", stroke_width=self.outline, stroke_fill="#201028")
        return picture
