"""The correction of `colour="source"` in numpy, for any width of the lowpass and independent of the backends.

The study chooses the width with it, and the tests compare the backends with it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]
type Picture = NDArray[np.floating]

SCALE = 4


def restore_colours(sr: Picture, lr: Picture, sigma: float) -> Array:
    """Add the low frequencies that an LR frame has and its SR frame, as it is shown, has not.

    Args:
        sr: (3, 4 * height, 4 * width), not clamped.
        lr: (3, height, width), clamped to [0, 1] here, as the network sees it.
        sigma: standard deviation of the lowpass, in LR pixels.
    """
    shift = lr.clip(0, 1).astype(np.float64) - block_means(sr.clip(0, 1), SCALE)
    for axis in (1, 2):
        shift = enlarge(smooth(shift, axis, sigma), axis)
    return sr + shift


def block_means(picture: Picture, size: int) -> Array:
    """Return the mean of each block of size x size pixels. Pixels beyond the last whole block are left out."""
    _, height, width = picture.shape
    rows, columns = height // size, width // size
    whole = picture[:, : rows * size, : columns * size].astype(np.float64)
    return whole.reshape(-1, rows, size, columns, size).mean((2, 4))


def smooth(x: Array, axis: int, sigma: float) -> Array:
    """Take the mean weighted by a Gaussian, cut off after 3 sigma. Pixels beyond the edge have no weight."""
    offsets = np.arange(x.shape[axis])[:, None] - np.arange(x.shape[axis])
    weights = np.exp(-((offsets / sigma) ** 2) / 2) * (np.abs(offsets) <= math.ceil(3 * sigma))
    return _apply_along(weights / weights.sum(1, keepdims=True), x, axis)


def enlarge(x: Array, axis: int) -> Array:
    """Enlarge by 4: interpolate linearly between the centres of pixels, and repeat the edge."""
    size = x.shape[axis]
    positions = ((np.arange(SCALE * size) + 0.5) / SCALE - 0.5).clip(0, size - 1)
    return _apply_along(np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size))), x, axis)


def _apply_along(matrix: Array, x: Array, axis: int) -> Array:
    """Multiply each line along an axis by a matrix."""
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
