"""Made-up episodes: drawings of shapes over walls, of which one moves, as pictures and as videos."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from PIL import Image

from trainer.clips import Episode, Picture, open_clip
from trainer.episode import HEIGHT as LOOKED_HEIGHT
from trainer.episode import WIDTH as LOOKED_WIDTH
from trainer.episode import Look, looked_at

WIDTH, HEIGHT = 320, 180


def scene(seed: int, n: int, *, every: int = 2, speed: int = 6) -> Picture:
    """A drawing: shapes over a wall; one of them moves, held for `every` frames."""
    generator = np.random.default_rng(seed)
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = generator.integers(40, 220, 3)
    for _ in range(8):
        x, y = generator.integers(0, (WIDTH - 60, HEIGHT - 60))
        w, h = generator.integers(20, 90, 2)
        picture[y : y + h, x : x + w] = generator.integers(0, 256, 3)
    at = int(generator.integers(WIDTH)) + speed * (n // every)
    columns = np.arange(at, at + 50) % WIDTH
    picture[60:140, columns] = 255 - picture[0, 0]
    return picture


def write_video(path: Path, pictures: Sequence[Picture], codec: str = "ffv1", **options: str) -> Episode:
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=24, options=options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 24)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    episode = open_clip(path)
    assert episode is not None
    return episode


SHOTS = (30, 25, 40, 12, 33)
BEGINS = [0, 30, 55, 95, 107]


def five_shots() -> list[Picture]:
    return [scene(seed, n) for seed, length in enumerate(SHOTS) for n in range(length)]


def look_of(pictures: Sequence[Picture]) -> Look:
    """As of an episode's stream, without a codec."""
    size, box = (LOOKED_WIDTH, LOOKED_HEIGHT), Image.Resampling.BOX
    return looked_at(enumerate(np.asarray(Image.fromarray(each).resize(size, box)) for each in pictures))
