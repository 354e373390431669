"""Blur against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainer.degradation.blur import KERNEL_RADIUS, blur, gaussian_kernel

SIGMAS = st.floats(0.2, 4)


@settings(deadline=None, max_examples=30)
@given(SIGMAS, SIGMAS, st.floats(-math.pi, math.pi))
def test_a_kernel_has_the_expected_moments(sigma_x: float, sigma_y: float, angle: float) -> None:
    """Moments are compared if the grid is neither too small nor too coarse for the kernel."""
    weights = gaussian_kernel(sigma_x, sigma_y, angle).double()
    place = torch.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1, dtype=torch.float64)
    y, x = torch.meshgrid(place, place, indexing="ij")

    assert weights.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(weights, weights.flip(0, 1))  # it does not shift the frame
    if min(sigma_x, sigma_y) > 0.7 and max(sigma_x, sigma_y) < 2.5:
        along = (math.cos(angle) * x + math.sin(angle) * y).square()
        across = (math.cos(angle) * y - math.sin(angle) * x).square()
        assert (weights * along).sum().item() == pytest.approx(sigma_x**2, rel=0.02)
        assert (weights * across).sum().item() == pytest.approx(sigma_y**2, rel=0.02)


def convolve(plane: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve pixel by pixel, with borders mirrored without repeating the edge pixel."""
    padded = np.pad(plane, KERNEL_RADIUS, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape)
    out: NDArray[np.float64] = np.einsum("yxkl,kl->yx", windows, weights)
    return out


@pytest.mark.parametrize(
    ("sigma_x", "sigma_y", "angle"),
    [(0.2, 0.2, 0), (1.3, 1.3, 0), (2.5, 2.5, 0), (4, 0.8, 0.6), (1, 3, -2), (0.9, 1.4, 1)],
)
def test_blur_is_a_convolution(sigma_x: float, sigma_y: float, angle: float) -> None:
    clip = torch.rand(2, 3, 16, 23, generator=torch.Generator().manual_seed(3))
    weights = gaussian_kernel(sigma_x, sigma_y, angle).double().numpy()

    found = blur(clip, sigma_x, sigma_y, angle)

    expected = np.array([[convolve(plane, weights) for plane in frame] for frame in clip.double().numpy()])
    assert np.abs(found.numpy() - expected).max() < 1e-4  # blur leaves out what lies beyond 4 sigma
