"""Means and differences with intervals over seeds and clips."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trainer.table2.orders import compare, estimate

SEEDS, CLIPS = 3, 12


def noise(
    generator: np.random.Generator, seed: float, clip: float, rest: float, effect: float = 0.0
) -> NDArray[np.float64]:
    """Scores of a network: deviations of seeds, of clips, and of both together."""
    return (
        effect
        + seed * generator.standard_normal((SEEDS, 1))
        + clip * generator.standard_normal((1, CLIPS))
        + rest * generator.standard_normal((SEEDS, CLIPS))
    )


@pytest.mark.parametrize("parts", [(1, 0, 0.1), (0, 1, 0.1), (0, 0, 1), (1, 1, 1), (0.3, 1, 0.3)], ids=str)
def test_without_an_effect_an_order_rarely_holds(parts: tuple[float, float, float]) -> None:
    generator = np.random.default_rng(0)
    trials = 400
    zero = np.zeros((SEEDS, CLIPS))

    verdicts = [compare(zero, noise(generator, *parts), rising=True).verdict for _ in range(trials)]

    assert (trials - verdicts.count("within chance")) / trials < 0.07


def test_an_effect_above_the_deviations_holds_in_its_direction() -> None:
    generator = np.random.default_rng(1)
    for _ in range(100):
        better = noise(generator, 0.03, 0.1, 0.1, effect=0.5)
        assert compare(np.zeros((1, CLIPS)), better, rising=True).verdict == "holds"
        assert compare(np.zeros((1, CLIPS)), better, rising=False).verdict == "the opposite holds"
        assert compare(better, np.zeros((SEEDS, CLIPS)), rising=True).verdict == "the opposite holds"


def test_an_effect_of_one_lucky_seed_is_within_chance() -> None:
    """Every clip is better on average, and by a test over clips alone it would hold."""
    better = np.zeros((SEEDS, CLIPS))
    better[1] = 1.0
    better += 0.01 * np.random.default_rng(2).standard_normal((SEEDS, CLIPS))

    difference = compare(np.zeros((SEEDS, CLIPS)), better, rising=True)

    assert (better.mean(0) > 0).all()
    assert difference.mean == pytest.approx(1 / 3, abs=0.01)
    assert difference.verdict == "within chance"


def test_a_single_score_decides_nothing_and_equal_ones_are_certain() -> None:
    assert compare(np.zeros((1, 1)), np.ones((1, 1)), rising=True).verdict == "within chance"
    assert np.isinf([estimate(np.ones((1, 1))).low, estimate(np.ones((1, 1))).high]).all()
    equal = compare(np.ones((3, 4)), np.ones((3, 4)), rising=True)
    assert (equal.mean, equal.low, equal.high, equal.verdict) == (0, 0, 0, "within chance")


def test_the_interval_of_a_mean_holds_it_in_most_cases_and_is_that_of_its_difference_to_zero() -> None:
    generator = np.random.default_rng(3)
    found = [estimate(noise(generator, 1, 1, 1, effect=5)) for _ in range(400)]

    assert sum(each.low <= 5 <= each.high for each in found) / 400 > 0.9
    scores = noise(generator, 1, 1, 1)
    difference = compare(np.zeros((SEEDS, CLIPS)), scores, rising=True)
    assert (difference.low, difference.high) == (estimate(scores).low, estimate(scores).high)
