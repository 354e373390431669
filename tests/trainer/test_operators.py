"""Blur, noise and scaling down, each against its definition."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from trainer.degradation.blur import RADIUS, blurred, kernel
from trainer.degradation.noise import noisy
from trainer.degradation.scaling import scaled_down

WIDTHS = st.floats(0.2, 4)


@settings(deadline=None, max_examples=30)
@given(WIDTHS, WIDTHS, st.floats(-math.pi, math.pi))
def test_a_kernel_has_the_moments_that_it_should(sigma_x: float, sigma_y: float, angle: float) -> None:
    """Where the grid neither cuts it off nor is too coarse for it."""
    weights = kernel(sigma_x, sigma_y, angle).double()
    place = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    y, x = torch.meshgrid(place, place, indexing="ij")

    assert weights.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(weights, weights.flip(0, 1))  # the picture is not shifted
    if min(sigma_x, sigma_y) > 0.7 and max(sigma_x, sigma_y) < 2.5:
        along = (math.cos(angle) * x + math.sin(angle) * y).square()
        across = (math.cos(angle) * y - math.sin(angle) * x).square()
        assert (weights * along).sum().item() == pytest.approx(sigma_x**2, rel=0.02)
        assert (weights * across).sum().item() == pytest.approx(sigma_y**2, rel=0.02)


def convolved(picture: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixel by pixel; beyond the edge comes the pixel beside the edge's."""
    padded = np.pad(picture, RADIUS, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape)
    out: NDArray[np.float64] = np.einsum("yxkl,kl->yx", windows, weights)
    return out


@pytest.mark.parametrize(
    ("sigma_x", "sigma_y", "angle"),
    [(0.2, 0.2, 0), (1.3, 1.3, 0), (2.5, 2.5, 0), (4, 0.8, 0.6), (1, 3, -2), (0.9, 1.4, 1)],
)
def test_blur_is_a_convolution(sigma_x: float, sigma_y: float, angle: float) -> None:
    clip = torch.rand(2, 3, 16, 23, generator=torch.Generator().manual_seed(3))
    weights = kernel(sigma_x, sigma_y, angle).double().numpy()

    found = blurred(clip, sigma_x, sigma_y, angle)

    expected = np.array([[convolved(plane, weights) for plane in frame] for frame in clip.double().numpy()])
    assert np.abs(found.numpy() - expected).max() < 1e-4  # what lies beyond 4 sigmas; a grey level is 40 times that


def noise(grey: bool, seeds: Sequence[int] = range(7, 13)) -> Tensor:
    clip = torch.full((6, 3, 128, 160), 0.5)
    return (noisy(clip, [0.01 * (n + 1) for n in range(6)], 6 * [grey], seeds) - 0.5).double()


@pytest.mark.parametrize("grey", [False, True])
def test_noise_is_gaussian_and_as_strong_as_each_frame_says(grey: bool) -> None:
    found = noise(grey)

    for n, frame in enumerate(found):
        assert frame.std().item() == pytest.approx(0.01 * (n + 1), rel=0.04)
        assert frame.mean().item() == pytest.approx(0, abs=4 * 0.01 * (n + 1) / math.sqrt(128 * 160))  # 4 sigma
        assert (frame / frame.std()).pow(4).mean().item() == pytest.approx(3, abs=0.2)


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_grey_noise_is_the_same_in_all_colours_and_coloured_noise_is_not() -> None:
    grey, colour = noise(True)[5], noise(False)[5]

    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    assert abs(correlation(colour[0], colour[1])) < 0.05
    assert abs(correlation(colour[1], colour[2])) < 0.05


def test_a_seed_gives_one_pattern() -> None:
    assert torch.equal(noise(False), noise(False))
    assert abs(correlation(noise(True)[4], noise(True)[5])) < 0.05
    assert abs(correlation(noise(False)[4], noise(False)[5])) < 0.05
    frozen = noise(True, 6 * [7])
    assert correlation(frozen[0], frozen[5]) > 0.999


def test_noise_stays_within_black_and_white() -> None:
    black = noisy(torch.zeros(1, 3, 32, 32), [0.1], [False], [0])
    white = noisy(torch.ones(1, 3, 32, 32), [0.1], [False], [0])

    assert black.min() == 0
    assert white.max() == 1
    assert black.max() > 0.2
    assert white.min() < 0.8


def taps(mode: str, factor: int) -> list[float]:
    """What one row gives for one output pixel, from `factor` pixels before its square to as many after it."""
    row = torch.zeros(3 * factor)
    found = []
    for n in range(3 * factor):
        row.zero_()[n] = 1
        found.append(scaled_down(row.expand(1, 1, 3 * factor, -1), factor, mode)[0, 0, 1, 1].item())
    return found


def test_scaling_takes_what_the_facts_say() -> None:
    """Facts 2.2: at one half, area and bilinear are the mean of two, bicubic has its four taps with a = -0.75."""
    assert taps("area", 2) == taps("bilinear", 2) == [0, 0, 0.5, 0.5, 0, 0]
    assert taps("bicubic", 2) == [0, -0.09375, 0.59375, 0.59375, -0.09375, 0]
    assert taps("area", 4) == [0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0]
    assert taps("bilinear", 4) == [0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 0]  # nothing against aliasing
    assert taps("bicubic", 4) == [0, 0, 0, 0, -0.09375, 0.59375, 0.59375, -0.09375, 0, 0, 0, 0]
