"""PSNR and SSIM of a frame against a reference, as in the literature: of luma, by scikit-image."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import require_package

PEAK = 255
SSIM_WINDOW = 11  # pixels: 3.5 standard deviations of 1.5 on each side


class Metrics(NamedTuple):
    """How near a frame is to the reference."""

    psnr: float
    """In dB; infinite for equal frames."""
    ssim: float | None
    """At most 1; None if a side of the frame is smaller than the window."""


def scikit_image() -> Any:
    """Import the metrics of scikit-image. Raises MissingDependencyError."""
    return require_package("skimage.metrics", "scikit-image")


def measure(frame: NDArray[np.uint8], reference: NDArray[np.uint8]) -> Metrics:
    """Compare a frame with the reference.

    Both are reduced to BT.601 luma in limited range, without rounding, and the peak is 255. SSIM is that of Wang et al.
    (2004): a Gaussian window with a standard deviation of 1.5, K1 = 0.01, K2 = 0.03.

    Args:
        frame: (height, width, 3), R, G, B.
        reference: like `frame`.

    Raises:
        MissingDependencyError: scikit-image is not installed.
    """
    luma, expected = luma_of(frame), luma_of(reference)
    error = float(np.square(luma - expected).mean())
    psnr = 10 * np.log10(PEAK**2 / error) if error else np.inf
    if min(luma.shape) < SSIM_WINDOW:
        return Metrics(float(psnr), None)
    ssim = scikit_image().structural_similarity(
        expected, luma, data_range=PEAK, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return Metrics(float(psnr), float(ssim))


def luma_of(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return BT.601 luma in limited range, 16 to 235, as (height, width)."""
    return 16 + frame @ (np.array([65.481, 128.553, 24.966]) / 255)
