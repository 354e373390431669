"""The correction of `colour="source"` in numpy, for any width of the lowpass and independent of the backends.

The study chooses the width with it, and the tests compare the backends with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsanimesr.backends.base import SCALE

type Array = NDArray[np.float64]
type Picture = NDArray[np.floating]


@dataclass(frozen=True)
class Correction:
    """A way to give an SR frame the low frequencies that its LR frame has and it has not, as it is shown.

    The default is that of the filter.
    """

    sigma: float = 2
    """Standard deviation of the lowpass, in LR pixels; 0 for none, which gives back all frequencies."""
    passes: int = 2
    """How often the shift is measured and taken back."""
    wide: bool = False
    """Whether the lowpass G is replaced by 2 G - G * G, which passes what two passes with G pass."""
    clamped: bool = True
    """Whether SR pixels count as they are shown."""

    def __str__(self) -> str:
        passes = {1: "", 2: ", twice"}.get(self.passes, f", {self.passes} times")
        return f"sigma {self.sigma:g}" + ", wide" * self.wide + passes + ", not clamped" * (not self.clamped)

    def apply(self, sr: Picture, lr: Picture) -> Array:
        """Correct a frame.

        Args:
            sr: (3, 4 * height, 4 * width), not clamped.
            lr: (3, height, width), clamped to [0, 1] here, as the network sees it.
        """
        source, corrected = lr.clip(0, 1).astype(np.float64), sr.astype(np.float64)
        for _ in range(self.passes):
            shift = source - block_means(corrected.clip(0, 1) if self.clamped else corrected, SCALE)
            for axis in (1, 2):
                shift = enlarge(self._smooth(shift, axis), axis)
            corrected = corrected + shift
        return corrected

    def _smooth(self, x: Array, axis: int) -> Array:
        if not self.sigma:
            return x
        smoothed = smooth(x, axis, self.sigma)
        return 2 * smoothed - smooth(smoothed, axis, self.sigma) if self.wide else smoothed


def block_means(picture: Picture, size: int) -> Array:
    """Return the mean of each block of size x size pixels. Pixels beyond the last whole block are left out."""
    _, height, width = picture.shape
    rows, columns = height // size, width // size
    whole = picture[:, : rows * size, : columns * size].astype(np.float64)
    return whole.reshape(-1, rows, size, columns, size).mean((2, 4))


def smooth(x: Array, axis: int, sigma: float) -> Array:
    """Take the mean weighted by a Gaussian, cut off after 2 sigma. Pixels beyond the edge have no weight."""
    offsets = np.arange(x.shape[axis])[:, None] - np.arange(x.shape[axis])
    weights = np.exp(-((offsets / sigma) ** 2) / 2) * (np.abs(offsets) <= math.ceil(2 * sigma))
    return _apply_along(weights / weights.sum(1, keepdims=True), x, axis)


def enlarge(x: Array, axis: int) -> Array:
    """Enlarge by 4: interpolate linearly between the centres of pixels, and repeat the edge."""
    size = x.shape[axis]
    positions = ((np.arange(SCALE * size) + 0.5) / SCALE - 0.5).clip(0, size - 1)
    return _apply_along(np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size))), x, axis)


def _apply_along(matrix: Array, x: Array, axis: int) -> Array:
    """Multiply each line along an axis by a matrix."""
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
