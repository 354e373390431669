"""The probe of a network by the gradients of its loss."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.studies.probe import format_row, mean_gradient


def test_noise_adds_nothing_to_the_expected_gradient() -> None:
    """The square of the mean of 20 noisy gradients is far too large, the estimate is not."""
    generator = np.random.default_rng(0)
    expected, estimates, naive = generator.normal(size=300) * 0.05, [], []
    for _ in range(200):
        gradients = expected + generator.normal(size=(20, 300))
        estimate, single = mean_gradient(gradients @ gradients.T)
        estimates.append(estimate)
        naive.append(float((gradients.mean(0) ** 2).sum()))
        assert single > 200
    truth = float((expected**2).sum())
    assert np.mean(estimates) == pytest.approx(truth, abs=0.4)
    assert np.mean(naive) > truth + 10


def test_a_row_tells_an_agreed_direction_from_none() -> None:
    losses = np.full((2, 8), 0.25)
    agreed, none = np.full((8, 8), 4.0), 4.0 * np.eye(8)
    row = format_row("paper", losses, np.stack([agreed, none]))
    assert row == ("paper", "0.2500", "2 (2 to 2)", "100 %", "0.2500", "0 (0 to 0)", "0 %")
