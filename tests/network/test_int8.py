"""Ranges of the released weights, smoothing factors, and quantisation for precision="int8"."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanimesr.network.int8 import load_ranges, quantization_step, quantize_weights, smoothing_factors
from vsanimesr.network.shapes import PREFIX
from vsanimesr.weights.load import read_weights
from vsanimesr.weights.release import RELEASES


@pytest.mark.parametrize("model", sorted(RELEASES))
def test_the_weights_have_a_range_for_each_channel(model: str) -> None:
    """The released ones do; those that are shipped need not have ranges."""
    ranges = load_ranges(RELEASES[model].sha256)
    if ranges is None and RELEASES[model].shipped:
        pytest.skip("no ranges were measured for it")

    assert ranges is not None
    shapes = read_weights(model).shape().tensors()
    not_quantized = {"conv_s1_first.0", "fusion.2"}
    convolutions = {key.removeprefix(PREFIX).removesuffix(".weight") for key in shapes if key.endswith(".weight")}
    assert set(ranges) == convolutions - not_quantized | {"fusion.2.hidden"}
    for name, (lowest, highest) in ranges.items():
        channels = shapes[f"{PREFIX}{name.removesuffix('.hidden')}.weight"][1]
        assert lowest.shape == highest.shape == (channels,)
        assert np.all(lowest <= highest)


def test_other_weights_have_no_ranges() -> None:
    assert load_ranges("0" * 64) is None


def test_the_error_of_a_weight_is_below_1_5_steps_and_a_kernel_keeps_its_sum() -> None:
    weight = np.random.default_rng(5).normal(size=(16, 24, 3, 3)).astype(np.float32)
    integers, steps = quantize_weights(weight)

    error = integers - weight / steps[:, None, None, None]
    assert np.abs(error).max() < 1.5
    assert np.abs(error.sum((2, 3))).max() <= 0.501
    assert np.abs(integers).max((1, 2, 3)).tolist() == [127] * 16


def test_weights_that_are_zero_stay_zero() -> None:
    integers, steps = quantize_weights(np.zeros((2, 3, 3, 3), np.float32))

    assert not integers.any()
    assert np.isfinite(steps).all()


@pytest.mark.parametrize(("low", "high"), [([0, 0], [1, 3]), ([-1, 0], [0.5, 2]), ([-4, -3], [-2, -1])])
def test_the_integers_cover_zero_and_both_ends_of_the_range(low: list[float], high: list[float]) -> None:
    lowest, highest = np.array(low, np.float32), np.array(high, np.float32)
    size, zero = quantization_step(lowest, highest)

    ends: NDArray[np.float32] = np.array([min(low), max(high)], np.float32) / size + zero
    assert ends[0] > -0.51
    assert ends[1] < 255.51


def test_a_channel_that_was_always_zero_has_a_factor_above_zero() -> None:
    factors = smoothing_factors(np.zeros(2, np.float32), np.array([0, 4], np.float32))

    assert factors[1] == 1
    assert 0 < factors[0] < 0.01
