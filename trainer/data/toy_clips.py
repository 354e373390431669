"""Draws tiny clips and episodes to try training with: flat shapes with outlines that move over a striped wall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

FRAMES = 17
SIDE = 128
"""Height and width of a frame in pixels."""
EPISODE_SIZE = 96, 80
"""Width and height of a frame of an episode in pixels."""
SUPERSAMPLING = 4
"""Frames are drawn this many times larger, then reduced, for smooth edges."""
INK = (28, 22, 30)


def write_toy_clips(folder: Path, *, clips: int = 2, seed: int = 0) -> None:
    """Write clips as folders of 128x128 images, 00000000.png and so on. The same seed gives the same clips."""
    for number in range(clips):
        generator = np.random.default_rng((seed, number))
        clip = folder / f"shapes-{number}"
        clip.mkdir(parents=True, exist_ok=True)
        for n, frame in enumerate(_draw_frames(generator)):
            frame.save(clip / f"{n:08}.png")


def write_toy_episode(folder: Path, *, seed: int = 0) -> None:
    """Write an episode of two shots of 17 frames as a folder of images. The same seed gives the same episode."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [frame for shot in range(2) for frame in _draw_frames(np.random.default_rng((seed, shot)))]
    for n, frame in enumerate(frames):
        frame.resize(EPISODE_SIZE).save(folder / f"{n:08}.png")


def _draw_frames(generator: Generator) -> list[Image.Image]:
    side = SIDE * SUPERSAMPLING
    wall, stripe, *colours = (tuple(int(x) for x in generator.integers(40, 250, 3)) for _ in range(6))
    starts = generator.uniform(0.2, 0.8, (4, 2))
    moves = generator.uniform(-0.02, 0.02, (4, 2))
    sizes = generator.uniform(0.1, 0.25, 4)
    frames = []
    for n in range(FRAMES):
        frame = Image.new("RGB", (side, side), wall)
        draw = ImageDraw.Draw(frame)
        for x in range(0, side, 64):
            draw.line((x + 2 * n, 0, x + 2 * n - 60, side), stripe, 14)
        for number, colour in enumerate(colours):
            x, y = (starts[number] + n * moves[number]) * side
            half = sizes[number] * side
            shape = draw.ellipse if number % 2 else draw.rectangle
            shape((x - half, y - half, x + half, y + half), colour, INK, 8)
        frames.append(frame.reduce(SUPERSAMPLING))
    return frames
