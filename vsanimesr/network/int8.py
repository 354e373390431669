"""Quantisation of convolutions to 8-bit integers: of their inputs and of their weights.

The ranges of the inputs, for each channel, were measured once on real frames and hard drawn lines, for weights with a
name (`python -m scripts.calibrate`). They lie in the folder `ranges`; a change of them raises `graph.VERSION`. Values
out of range are clipped. Everything else follows from the weights.

Channels differ widely in range, but an integer convolution has one step size for its whole input. So each channel of
the input is divided by a smoothing factor, and the weights of that channel are multiplied by it, which leaves the
result as it is. This is SmoothQuant (Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for
Large Language Models", ICML 2023). Dividing by the full range of the channel would round the inputs best and the
weights worst; a power of the range between 0 and 1 shares the error. SmoothQuant divides by a power of the weights'
range too; here the factors depend on the inputs alone.
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
SMOOTHING = 0.75
"""Power of a channel's range that it is divided by (SmoothQuant's alpha): 0.5 and 0.75 are best; 0 and 1 lose 1 dB or
more."""
MIN_RANGE = 1e-3  # relative to the largest range: no division by zero for a channel that was always zero


def load_ranges(digest: str) -> Ranges | None:
    """Return the ranges for the weights with this SHA-256, or None if they were not measured for them."""
    for path in sorted(FOLDER.glob("*.json")):
        found = json.loads(path.read_bytes())
        if found["weights"] == digest:
            return {
                name: (np.array(lowest, np.float32), np.array(highest, np.float32))
                for name, (lowest, highest) in found["ranges"].items()
            }
    return None


def smoothing_factors(lowest: Array, highest: Array) -> Array:
    """Return the factor that each channel of an input is divided by."""
    ranges = np.maximum(highest, 0) - np.minimum(lowest, 0)
    factors: Array = np.maximum(ranges / ranges.max(), MIN_RANGE) ** np.float32(SMOOTHING)
    return factors


def quantization_step(lowest: Array, highest: Array) -> tuple[np.float32, np.uint8]:
    """Return the step size of 256 values that cover these ranges and 0, and the zero point: the integer for 0."""
    low, high = min(float(lowest.min()), 0), max(float(highest.max()), 0)
    size = (high - low) / 255
    return np.float32(size), np.uint8(round(-low / size))


def symmetric_step(lowest: Array, highest: Array) -> tuple[np.float32, np.int8]:
    """Return the step size of 255 values around 0 that cover these ranges, and the zero point, which is 0.

    TensorRT takes no other zero point. What follows a ReLU loses half of the steps by it.
    """
    return np.float32(max(abs(float(lowest.min())), abs(float(highest.max()))) / 127), np.int8(0)


def quantize_weights(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """Return a convolution's weights as integers, and the step size of each output channel.

    Neighbouring pixels are similar, so the sum of a kernel's rounding errors matters most. Where rounding to the
    nearest integer shifts that sum by half a step or more, the values that it moved most are rounded the other way.
    This reduces the error from the weights by 2 dB.
    """
    steps: Array = (np.abs(weight).max((1, 2, 3), keepdims=True) / 127).astype(np.float32)
    exact = (weight / np.maximum(steps, np.finfo(np.float32).tiny)).reshape(*weight.shape[:2], -1)
    nearest = np.rint(exact)
    error = nearest - exact
    surplus = np.rint(error.sum(2, keepdims=True))
    rank = np.argsort(np.argsort(-error * np.sign(surplus), axis=2, kind="stable"), axis=2, kind="stable")
    integers = np.clip(nearest - np.sign(surplus) * (rank < np.abs(surplus)), -127, 127)
    return integers.reshape(weight.shape).astype(np.int8), steps.reshape(-1)
