"""bfloat16 for numpy, which lacks the type: the upper half of a float32, held in a uint16."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def from_float32(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the bits of the nearest bfloat16; of two equally near, the even one."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def to_float32(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the values of bfloat16 bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def round_float32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the nearest bfloat16."""
    return to_float32(from_float32(values))
