"""Tiny clips to try training with: flat shapes with outlines that move over a wall of stripes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

FRAMES = 17
SIDE = 128
FINER = 4
"""Drawn so many times larger, then reduced: smooth edges."""
INK = (28, 22, 30)


def draw_clips(folder: Path, *, clips: int = 2, seed: int = 0) -> None:
    """Write clips as folders of pictures, 00000000.png and so on, of 128x128 pixels; the same for the same seed."""
    for number in range(clips):
        generator = np.random.default_rng((seed, number))
        clip = folder / f"shapes-{number}"
        clip.mkdir(parents=True, exist_ok=True)
        for n, picture in enumerate(_pictures(generator)):
            picture.save(clip / f"{n:08}.png")


def _pictures(generator: Generator) -> list[Image.Image]:
    wall, stripe, *colours = (tuple(int(x) for x in generator.integers(40, 250, 3)) for _ in range(6))
    begins = generator.uniform(0.2, 0.8, (4, 2))
    moves = generator.uniform(-0.02, 0.02, (4, 2))
    sizes = generator.uniform(0.1, 0.25, 4)
    pictures = []
    for n in range(FRAMES):
        picture = Image.new("RGB", (SIDE * FINER, SIDE * FINER), wall)
        draw = ImageDraw.Draw(picture)
        for x in range(0, SIDE * FINER, 64):
            draw.line((x + 2 * n, 0, x + 2 * n - 60, SIDE * FINER), stripe, 14)
        for number, colour in enumerate(colours):
            x, y = (begins[number] + n * moves[number]) * SIDE * FINER
            half = sizes[number] * SIDE * FINER
            shape = draw.ellipse if number % 2 else draw.rectangle
            shape((x - half, y - half, x + half, y + half), colour, INK, 8)
        pictures.append(picture.reduce(FINER))
    return pictures
