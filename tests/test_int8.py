"""What the integers of precision="int8" are, and that they are those of the weights."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanimesr.int8 import balance, load_ranges, rounded, step
from vsanimesr.network import PREFIX, RELEASED
from vsanimesr.released import RELEASES


@pytest.mark.parametrize("model", sorted(RELEASES))
def test_the_released_weights_have_a_range_for_each_channel(model: str) -> None:
    ranges = load_ranges(RELEASES[model].sha256)

    assert ranges is not None
    shapes = RELEASED.tensors()
    kept = {"conv_s1_first.0", "fusion.2"}
    convolutions = {key.removeprefix(PREFIX).removesuffix(".weight") for key in shapes if key.endswith(".weight")}
    assert set(ranges) == convolutions - kept | {"fusion.2.hidden"}
    for name, (lowest, highest) in ranges.items():
        channels = shapes[f"{PREFIX}{name.removesuffix('.hidden')}.weight"][1]
        assert lowest.shape == highest.shape == (channels,)
        assert np.all(lowest <= highest)


def test_other_weights_have_none() -> None:
    assert load_ranges("0" * 64) is None


def test_each_weight_moves_by_less_than_a_step_and_a_half_and_a_kernel_keeps_its_sum() -> None:
    weight = np.random.default_rng(5).normal(size=(16, 24, 3, 3)).astype(np.float32)
    integers, steps = rounded(weight)

    error = integers - weight / steps[:, None, None, None]
    assert np.abs(error).max() < 1.5
    assert np.abs(error.sum((2, 3))).max() <= 0.501
    assert np.abs(integers).max((1, 2, 3)).tolist() == [127] * 16


def test_weights_that_are_zero_stay_zero() -> None:
    integers, steps = rounded(np.zeros((2, 3, 3, 3), np.float32))

    assert not integers.any()
    assert np.isfinite(steps).all()


@pytest.mark.parametrize(("low", "high"), [([0, 0], [1, 3]), ([-1, 0], [0.5, 2]), ([-4, -3], [-2, -1])])
def test_zero_is_one_of_the_values_and_both_ends_are_within_half_a_step(low: list[float], high: list[float]) -> None:
    lowest, highest = np.array(low, np.float32), np.array(high, np.float32)
    size, zero = step(lowest, highest)

    ends: NDArray[np.float32] = np.array([min(low), max(high)], np.float32) / size + zero
    assert ends[0] > -0.51
    assert ends[1] < 255.51


def test_a_channel_that_was_always_zero_can_be_divided() -> None:
    divisors = balance(np.zeros(2, np.float32), np.array([0, 4], np.float32))

    assert divisors[1] == 1
    assert 0 < divisors[0] < 0.01
