"""A drawn night: a moon and windows on a dark sky, where a halo would show, and the means of rings around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .correction import Picture
from .encoding import Clip
from .measures import CODES

type Distance = NDArray[np.float64]

WIDTH, HEIGHT = 640, 360
"""Size of HQ."""
SKY, MOON, WINDOW = (22, 26, 58), (246, 238, 198), (255, 216, 128)
MOON_AT, MOON_RADIUS = (150, 120), 56
WINDOWS = [(x, y) for y in (70, 170, 270) for x in (330, 400, 520, 560)]
WINDOW_SIZE = (28, 36)
RINGS = ((-24, -8), (-8, -3), (3, 8), (8, 16), (16, 32), (32, 64))
"""Distances to the edge of the moon in HQ pixels, from and to; below 0 is within the moon."""
LOOK_AT = (22, 0)
"""Left and top of a square to look at, with the moon in it."""
COLUMNS = [f"moon, {start} to {end}" for start, end in RINGS] + ["windows, 3 to 8", "sky"]


def draw_night(frames: int) -> Clip:
    """Draw a still clip."""
    picture = _colour(SKY)
    for distance, light in ((moon_distance(), MOON), (window_distance(), WINDOW)):
        picture = picture + (0.5 - distance).clip(0, 1) * (_colour(light) - picture)
    return np.stack([picture.astype(np.float32)] * frames)


def ring_means(sr: Picture, hq: Picture) -> list[str]:
    """Return the mean error of each ring, over all channels, in code values. The last is the sky far from all."""
    error = CODES * (sr.clip(0, 1) - hq).mean(0)
    moon, window = moon_distance(), window_distance()
    rings = [(moon >= start) & (moon < end) & (window > 32) for start, end in RINGS]
    rings += [(window >= 3) & (window < 8) & (moon > 32), (moon > 64) & (window > 48)]
    return [f"{error[ring].mean():+.2f}" for ring in rings]


def moon_distance() -> Distance:
    """Return each pixel's distance to the edge of the moon, negative within it."""
    x, y = _positions()
    return np.hypot(x - MOON_AT[0], y - MOON_AT[1]) - MOON_RADIUS


def window_distance() -> Distance:
    """Return each pixel's distance to the edge of the nearest window, negative within it."""
    x, y = _positions()
    distances: Distance = np.stack([_distance_to_window(x - left, y - top) for left, top in WINDOWS])
    return distances.min(0)


def _positions() -> tuple[Distance, Distance]:
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return x, y


def _distance_to_window(x: Distance, y: Distance) -> Distance:
    across: Distance = np.maximum(-x, x - WINDOW_SIZE[0])
    down: Distance = np.maximum(-y, y - WINDOW_SIZE[1])
    outside: Distance = np.hypot(across.clip(0), down.clip(0))
    inside: Distance = np.minimum(np.maximum(across, down), 0)
    return outside + inside


def _colour(codes: tuple[int, int, int]) -> Distance:
    return np.array(codes)[:, None, None] / CODES
