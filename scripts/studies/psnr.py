"""PSNR of arrays as they are. That of `trainer.losses.metrics` is of frames as a file has them, rounded to 8 bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PSNR = 120.0
"""PSNR of equal pictures, in dB, for which the formula gives infinity, and the upper limit: means stay finite."""


def compute_psnr(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]], *, peak: float = 1) -> float:
    """Compute the peak signal-to-noise ratio of two arrays of one shape, in dB, at most `MAX_PSNR`.

    Args:
        peak: the largest value that a pixel has.
    """
    error = float(np.square(a - b, dtype=np.float64).mean())
    return min(10 * math.log10(peak**2 / error), MAX_PSNR) if error else MAX_PSNR
