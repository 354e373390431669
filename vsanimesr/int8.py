"""Convolutions in 8-bit integers: what their inputs and weights are rounded to.

How far each channel of each input reaches was measured once on real frames (scripts/calibrate.py) and lies in
`ranges`, for the released weights; whoever changes them raises `graph.VERSION`. What goes beyond is clipped. The rest
follows from the weights.

Channels differ by far in how far they reach, and an integer convolution takes one step size for all of its input.
Each channel is therefore divided by a number that depends on its reach, and the weights it meets are multiplied by it.
Dividing by the reach itself would make the best of the inputs and the least of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float32]
type Ranges = Mapping[str, tuple[Array, Array]]
"""For each convolution that is computed in integers: the lowest and highest value of each channel of its input."""

FOLDER = Path(__file__).parent / "ranges"
BALANCE = 0.75
"""The power of its reach by which a channel is divided: 0.5 and 0.75 are best; 0 and 1 lose 1 dB or more."""
LEAST = 1e-3  # of the largest reach: a channel that was always zero is not divided by zero


def load_ranges(digest: str) -> Ranges | None:
    """The ranges for the weights with this SHA-256, if they are among those that were measured."""
    for path in sorted(FOLDER.glob("*.json")):
        found = json.loads(path.read_bytes())
        if found["weights"] == digest:
            return {
                name: (np.array(lowest, np.float32), np.array(highest, np.float32))
                for name, (lowest, highest) in found["ranges"].items()
            }
    return None


def balance(lowest: Array, highest: Array) -> Array:
    """What to divide each channel by."""
    reach = np.maximum(highest, 0) - np.minimum(lowest, 0)
    divisors: Array = np.maximum(reach / reach.max(), LEAST) ** np.float32(BALANCE)
    return divisors


def step(lowest: Array, highest: Array) -> tuple[np.float32, np.uint8]:
    """The distance of two of the 256 values that span these ranges and 0, and which of them is 0."""
    low, high = min(float(lowest.min()), 0), max(float(highest.max()), 0)
    size = (high - low) / 255
    return np.float32(size), np.uint8(round(-low / size))


def rounded(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """A convolution's weights as integers, and the step size of each output channel.

    Neighbouring pixels are much alike, so what counts most is the sum of a kernel's errors. Where rounding to the
    nearest has shifted that sum by half a step or more, those that it has moved the most go the other way: 2 dB less
    error from the weights.
    """
    steps: Array = (np.abs(weight).max((1, 2, 3), keepdims=True) / 127).astype(np.float32)
    exact = (weight / np.maximum(steps, np.finfo(np.float32).tiny)).reshape(*weight.shape[:2], -1)
    nearest = np.rint(exact)
    error = nearest - exact
    surplus = np.rint(error.sum(2, keepdims=True))
    rank = np.argsort(np.argsort(-error * np.sign(surplus), axis=2, kind="stable"), axis=2, kind="stable")
    integers = np.clip(nearest - np.sign(surplus) * (rank < np.abs(surplus)), -127, 127)
    return integers.reshape(weight.shape).astype(np.int8), steps.reshape(-1)
