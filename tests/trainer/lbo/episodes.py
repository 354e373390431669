"""Synthetic episodes for tests: shapes on a background, one of which moves, as frames, images and videos."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from PIL import Image

from trainer.data.clips import Episode, Frame, open_clip
from trainer.lbo.episode import HEIGHT as ANALYSIS_HEIGHT
from trainer.lbo.episode import WIDTH as ANALYSIS_WIDTH
from trainer.lbo.episode import FrameStats, measure_frames

WIDTH, HEIGHT = 320, 180


def draw_scene(seed: int, n: int, *, hold: int = 2, speed: int = 6) -> Frame:
    """Draw frame n of a scene: shapes on a background. One of them moves every `hold` frames."""
    generator = np.random.default_rng(seed)
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = generator.integers(40, 220, 3)
    for _ in range(8):
        x, y = generator.integers(0, (WIDTH - 60, HEIGHT - 60))
        w, h = generator.integers(20, 90, 2)
        frame[y : y + h, x : x + w] = generator.integers(0, 256, 3)
    left = int(generator.integers(WIDTH)) + speed * (n // hold)
    columns = np.arange(left, left + 50) % WIDTH
    frame[60:140, columns] = 255 - frame[0, 0]
    return frame


def open_episode(path: Path) -> Episode:
    episode = open_clip(path)
    assert episode is not None
    return episode


def write_video(path: Path, frames: Sequence[Frame], codec: str = "ffv1", **options: str) -> Episode:
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=24, options=options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 24)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))
    return open_episode(path)


SHOT_LENGTHS = (30, 25, 40, 12, 33)
SHOT_STARTS = [0, 30, 55, 95, 107]


def five_shots() -> list[Frame]:
    return [draw_scene(seed, n) for seed, length in enumerate(SHOT_LENGTHS) for n in range(length)]


def stats_of(frames: Sequence[Frame]) -> FrameStats:
    """Measure frames as those of an episode's stream, without a codec."""
    size, box = (ANALYSIS_WIDTH, ANALYSIS_HEIGHT), Image.Resampling.BOX
    return measure_frames(enumerate(np.asarray(Image.fromarray(each).resize(size, box)) for each in frames))
