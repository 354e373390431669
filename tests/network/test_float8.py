"""8-bit floats: every number, and rounding as PyTorch rounds."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from vsanimesr.network import float8

NUMBERS = np.array([bits for bits in range(256) if bits & 0x7F != 0x7F], np.uint8)


def test_every_number_has_its_value_and_is_kept() -> None:
    values = float8.to_float32(NUMBERS)

    expected = torch.from_numpy(NUMBERS.copy()).view(torch.float8_e4m3fn).float().numpy()
    assert values.dtype == np.float32
    assert values.tobytes() == expected.tobytes()  # of two zeros one is negative
    assert np.array_equal(float8.from_float32(values), NUMBERS)
    assert values.max() == float8.LARGEST == -values.min()


@given(st.lists(st.floats(-448, 448, width=32), min_size=1))
def test_values_are_rounded_as_pytorch_rounds_them(values: list[float]) -> None:
    given_values = np.array(values, np.float32)

    expected = torch.from_numpy(given_values).to(torch.float8_e4m3fn).view(torch.uint8).numpy()
    assert np.array_equal(float8.from_float32(given_values), expected)


def test_the_middle_of_two_numbers_becomes_the_even_one() -> None:
    values = float8.to_float32(np.arange(127, dtype=np.uint8))
    middles = (values[:-1] + values[1:]) / 2

    assert not (float8.from_float32(np.concatenate([middles, -middles])) % 2).any()


def test_what_is_too_large_becomes_the_largest() -> None:
    values = np.array([449, 1e9, np.inf, -500], np.float32)
    assert float8.round_float32(values).tolist() == [448, 448, 448, -448]
