"""8-bit floats for numpy, which lacks the type: E4M3 with 4 bits of exponent and 3 of mantissa, held in a uint8.

There is no infinity. The largest number is 448, the smallest above zero is 2^-9, and 2^-6 and above have all 3 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST = 448
_SIGN = np.uint8(0x80)
_EXPONENT, _MANTISSA = np.divmod(np.arange(127, dtype=np.float32), np.float32(8))  # the bits 127 are NaN
_VALUES = np.where(_EXPONENT > 0, 8 + _MANTISSA, _MANTISSA) * np.exp2(np.maximum(_EXPONENT, 1) - 10)
"""The numbers from 0 on, by their bits."""
_MIDDLES = (_VALUES[:-1] + _VALUES[1:]) / 2


def from_float32(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the bits of the nearest number; of two equally near, the even one. Larger ones become the largest."""
    size = np.abs(values)
    below, above = np.searchsorted(_MIDDLES, size, "left"), np.searchsorted(_MIDDLES, size, "right")
    bits: NDArray[np.uint8] = np.where(below % 2, above, below).astype(np.uint8)  # they differ in the middle of two
    return bits | np.where(np.signbit(values), _SIGN, np.uint8(0))


def to_float32(bits: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the values of bits that are not NaN."""
    sizes: NDArray[np.float32] = _VALUES[bits & ~_SIGN]
    return np.where(bits & _SIGN, -sizes, sizes)


def round_float32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the nearest number."""
    return to_float32(from_float32(values))
