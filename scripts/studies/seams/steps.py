"""What happens from one SR frame to the next, and how a step stands among the steps beside it.

A step is measured in blocks of 16x16 pixels, as eyes see local pops. Blocks that the drawing holds and blocks that
change are measured apart: in a held block every change is a fault, in the others motion hides it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
NEIGHBOURS = 10
"""Steps before and after a seam that it is compared with."""
LEAST_NEIGHBOURS = 4
LEAST_BLOCKS = 0.1
"""Share of a frame's blocks below which an area is too small to be measured."""

type Picture = NDArray[np.float32]
"""(height, width, 3), R, G, B, in grey levels from 0 to 255."""
type Blocks = NDArray[np.float32]
"""(rows, columns): the mean absolute difference in each block."""
type Mask = NDArray[np.bool_]
"""(rows, columns): which blocks."""


@dataclass(frozen=True)
class Change:
    """The difference of two frames in an area, in grey levels."""

    mean: float
    largest: float
    """That of the block that differs most."""


@dataclass(frozen=True)
class Standing:
    """How a value stands among others."""

    place: int
    """1: larger than all others."""
    z: float
    """Distance to the mean of the others, in their standard deviations."""


def block_differences(a: Picture, b: Picture) -> Blocks:
    """Compute the mean absolute difference of each block. Incomplete blocks at the right and below are left out."""
    difference = np.abs(a - b).mean(2)
    rows, columns = difference.shape[0] // BLOCK, difference.shape[1] // BLOCK
    blocks = difference[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return blocks.mean((1, 3)).astype(np.float32)


def find_held(previous: NDArray[np.uint8], frame: NDArray[np.uint8]) -> Mask:
    """Return which blocks HQ holds: they and the eight around them equal those of the previous frame."""
    changed = block_differences(previous.astype(np.float32), frame.astype(np.float32)) > 0
    wide = np.pad(changed, 1)
    rows, columns = changed.shape
    near = [wide[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    held: Mask = ~np.logical_or.reduce(near)
    return held


def measure(blocks: Blocks, area: Mask) -> Change | None:
    """Measure the blocks of an area. Return None if it is too small."""
    if area.mean() < LEAST_BLOCKS:
        return None
    return Change(float(blocks[area].mean()), float(blocks[area].max()))


def stand(value: float, others: Sequence[float]) -> Standing:
    """Compare a value with others: at least two."""
    spread = float(np.std(others, ddof=1))
    z = (value - float(np.mean(others))) / spread if spread else math.copysign(math.inf, value - others[0])
    return Standing(1 + sum(other >= value for other in others), z)


def list_neighbours(at: int) -> list[int]:
    """Return the numbers of the steps beside the one from frame at - 1 to frame `at`."""
    return [n for n in range(at - NEIGHBOURS, at + NEIGHBOURS + 1) if n != at]
