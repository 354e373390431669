"""Noise: its distribution, its colours and its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from trainer.degradation.noise import add_noise


def noise(grey: bool, seeds: Sequence[int] = range(7, 13)) -> Tensor:
    clip = torch.full((6, 3, 128, 160), 0.5)
    return (add_noise(clip, [0.01 * (n + 1) for n in range(6)], 6 * [grey], seeds) - 0.5).double()


@pytest.mark.parametrize("grey", [False, True])
def test_noise_is_gaussian_with_the_sigma_of_each_frame(grey: bool) -> None:
    found = noise(grey)

    for n, frame in enumerate(found):
        assert frame.std().item() == pytest.approx(0.01 * (n + 1), rel=0.04)
        assert frame.mean().item() == pytest.approx(0, abs=4 * 0.01 * (n + 1) / math.sqrt(128 * 160))  # 4 sigma
        assert (frame / frame.std()).pow(4).mean().item() == pytest.approx(3, abs=0.2)


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_grey_noise_is_the_same_in_all_colours_and_colour_noise_is_not() -> None:
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


def test_noise_stays_between_black_and_white() -> None:
    black = add_noise(torch.zeros(1, 3, 32, 32), [0.1], [False], [0])
    white = add_noise(torch.ones(1, 3, 32, 32), [0.1], [False], [0])

    assert black.min() == 0
    assert white.max() == 1
    assert black.max() > 0.2
    assert white.min() < 0.8
