"""bfloat16, which numpy does not have: the upper half of a float32, held as uint16."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def narrowed(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The bits of the nearest bfloat16; of two as near, the even one."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The values that these bits stand for."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
