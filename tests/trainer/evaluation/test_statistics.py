"""Intervals hold their mean, are paired where models are compared, and are left out where they would say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.evaluation.statistics import LEAST, Estimate, estimate_difference, estimate_mean

VALUES = st.lists(st.floats(-100, 100, width=32), min_size=LEAST, max_size=50)


@settings(max_examples=20, deadline=None)
@given(VALUES)
def test_an_interval_holds_its_mean_in_the_middle(values: list[float]) -> None:
    found = estimate_mean(values)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.mean <= found.high
    assert found.high - found.mean == pytest.approx(found.mean - found.low, abs=1e-9)
    assert found.mean == pytest.approx(np.mean(values))


def test_an_interval_is_that_of_students_t() -> None:
    found = estimate_mean([1.0, 2, 3, 4, 5])
    assert found.low == pytest.approx(3 - 2.7764 * 0.5**0.5, abs=1e-4)  # 2.7764: t of 4 degrees of freedom, 97.5 %
    assert found.high == pytest.approx(3 + 2.7764 * 0.5**0.5, abs=1e-4)


@pytest.mark.parametrize("clips", [5, 7, 10, 20])
def test_without_an_effect_one_interval_in_twenty_excludes_zero(clips: int) -> None:
    draws = np.random.default_rng(clips).normal(size=(4000, 2, clips))
    share = np.mean([estimate_difference(a.tolist(), b.tolist()).excludes_zero for a, b in draws])
    assert 0.04 < share < 0.06  # three standard deviations


@settings(max_examples=10, deadline=None)
@given(VALUES, st.floats(-100, 100, width=32))
def test_a_constant_difference_is_certain(values: list[float], shift: float) -> None:
    found = estimate_difference([value + shift for value in values], values)
    assert found.low == pytest.approx(shift, abs=1e-4)
    assert found.high == pytest.approx(shift, abs=1e-4)
    if abs(shift) > 1:
        assert found.excludes_zero


def test_pairs_tell_what_means_cannot() -> None:
    hard = np.linspace(20, 40, 12)
    better = hard + np.resize([0.2, 0.4], 12)
    means = estimate_mean(list(better)), estimate_mean(list(hard))
    assert means[0].low is not None
    assert means[1].high is not None
    assert means[0].low < means[1].high
    assert estimate_difference(list(better), list(hard)).excludes_zero


def test_95_of_100_intervals_hold_the_true_mean() -> None:
    found = [estimate_mean(list(np.random.default_rng(n).normal(7, 2, 40))) for n in range(100)]
    held = sum(each.low <= 7 <= each.high for each in found if each.low is not None and each.high is not None)
    assert 88 <= held <= 99


def test_few_clips_have_no_interval() -> None:
    found = estimate_mean([1.0] * (LEAST - 1))
    assert found == Estimate(1.0, None, None, LEAST - 1)
    assert not found.excludes_zero


def test_values_of_other_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        estimate_difference([1, 2], [1])
