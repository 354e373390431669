"""Pictures by number, and what others' programs say of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NIQE = [
    27.720685973368923,
    13.92709556548749,
    14.08264061197264,
    16.292300770982557,
    26.84486933853036,
    14.748778878949077,
    14.588346635949662,
    13.555608464483091,
    30.43154235071632,
    15.580262221796405,
]
"""NIQE of pictures 0 to 9 by `calculate_niqe(picture[..., ::-1], crop_border=0)` of basicsr 1.4.2, unchanged, with
PyTorch 2.14.1, numpy 2.5.5 and SciPy 1.18.1, of which `scipy.ndimage` stands in for the module `scipy.ndimage.filters`
that it imports. Only the modules it needs were loaded: metrics.niqe, metrics.metric_util, utils.matlab_functions,
utils.color_util and utils.registry."""


def draw_picture(number: int) -> NDArray[np.uint8]:
    """Return discs with outlines, some with noise, some with a ramp, of any size: uint8 (height, width, 3)."""
    rng = np.random.default_rng(number)
    height, width = (int(side) for side in rng.integers(200, 420, 2))
    y, x = np.mgrid[:height, :width]
    frame = np.zeros((height, width, 3))
    for _ in range(25):
        colour = rng.uniform(0, 255, 3)
        top, left, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(8, 90)
        distance = np.hypot(y - top, x - left)
        frame[distance < radius] = colour
        frame[np.abs(distance - radius) < 2] = 20
    frame += rng.normal(0, 1, frame.shape) * (0, 2, 4, 8)[number % 4] + (x[..., None] * 0.1 if number % 2 else 0)
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)
