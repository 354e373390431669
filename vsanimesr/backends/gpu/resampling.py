"""Weights that scale a row or a column as VapourSynth's `resize` does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

type Doubles = NDArray[np.float64]
type Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Weights:
    """Weights of the source samples in each target sample."""

    first: Indices
    """Index of the first source sample, (samples,)."""
    values: Doubles
    """(samples, taps). No window reaches beyond the source."""

    @property
    def covered(self) -> int:
        """Number of source samples that are in a window."""
        return len(np.unique(self.first[:, None] + np.arange(self.values.shape[1])))


def identity(size: int) -> Weights:
    """Return the weights that change nothing."""
    return Weights(np.arange(size), np.ones((size, 1)))


def resample(source: int, target: int, kernel: str, shift: float = 0) -> Weights:
    """Return the weights that scale `source` samples to `target`.

    Where a window reaches beyond the source, the source is mirrored at its edge, once. Beyond that, its last sample
    goes on.

    Args:
        kernel: a key of `KERNELS`.
        shift: distance by which the target's samples lie further right in the source, in source samples.
    """
    if source == target and shift == 0:
        return identity(source)
    radius, function = KERNELS[kernel]
    scale = target / source
    step = min(scale, 1)  # when samples become fewer, the kernel becomes wider
    size = max(2 * math.ceil(radius / step), 1)
    centres = (np.arange(target, dtype=np.float64) + 0.5) / scale + shift
    starts = _round_half_away(centres - size / 2)
    indices = starts[:, None] + np.arange(size)
    values = function(np.abs(indices + 0.5 - centres[:, None]) * step)
    values /= values.sum(axis=1, keepdims=True)
    mirrored = np.where(indices < 0, -1 - indices, np.minimum(indices, 2 * source - 1 - indices))
    return _gather(np.clip(mirrored, 0, source - 1), values, source)


def chain(first: Weights, second: Weights, source: int) -> Weights:
    """Return the weights that have the effect of scaling `source` samples by `first`, and the result by `second`."""
    middle = second.first[:, None] + np.arange(second.values.shape[1])
    indices = first.first[middle][:, :, None] + np.arange(first.values.shape[1])
    values = second.values[:, :, None] * first.values[middle]
    samples = len(middle)
    return _gather(indices.reshape(samples, -1), values.reshape(samples, -1), source)


def _gather(indices: Indices, values: Doubles, source: int) -> Weights:
    """Return windows with these weights at these source samples. Weights of the same sample are added up."""
    used = values != 0
    lowest = np.where(used, indices, source).min(axis=1)
    highest = np.where(used, indices, -1).max(axis=1)
    taps = int((highest - lowest).max()) + 1
    first = np.minimum(lowest, source - taps)
    windows = np.zeros((len(indices), taps))
    rows = np.broadcast_to(np.arange(len(indices))[:, None], indices.shape)
    np.add.at(windows, (rows[used], (indices - first[:, None])[used]), values[used])
    return Weights(first, windows)


def _round_half_away(values: Doubles) -> Indices:
    return (np.sign(values) * np.floor(np.abs(values) + 0.5)).astype(np.int64)


def _point(x: Doubles) -> Doubles:
    return np.ones_like(x)


def _bilinear(x: Doubles) -> Doubles:
    return np.maximum(1 - x, 0)


def _lanczos(x: Doubles) -> Doubles:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


def _pieces(*pieces: tuple[float, float, float, float]) -> Callable[[Doubles], Doubles]:
    """Return a kernel of cubic pieces. Each has coefficients of 1, x, x**2, x**3 from its own left end on."""

    def kernel(x: Doubles) -> Doubles:
        result = np.zeros_like(x)
        for start, (a, b, c, d) in enumerate(pieces):
            t = x - start
            result = np.where((t >= 0) & (t < 1), a + t * (b + t * (c + t * d)), result)
        return result

    return kernel


KERNELS: dict[str, tuple[int, Callable[[Doubles], Doubles]]] = {
    "point": (0, _point),
    "bilinear": (1, _bilinear),
    "bicubic": (2, _pieces((1, 0, -2.5, 1.5), (0, -0.5, 1, -0.5))),  # b = 0, c = 0.5
    "lanczos": (3, _lanczos),
    "spline16": (2, _pieces((1, -1 / 5, -9 / 5, 1), (0, -7 / 15, 4 / 5, -1 / 3))),
    "spline36": (
        3,
        _pieces(
            (1, -3 / 209, -453 / 209, 13 / 11), (0, -156 / 209, 270 / 209, -6 / 11), (0, 26 / 209, -45 / 209, 1 / 11)
        ),
    ),
    "spline64": (
        4,
        _pieces(
            (1, -3 / 2911, -6387 / 2911, 49 / 41),
            (0, -2328 / 2911, 4032 / 2911, -24 / 41),
            (0, 582 / 2911, -1008 / 2911, 6 / 41),
            (0, -97 / 2911, 168 / 2911, -1 / 41),
        ),
    ),
}
"""Radius of each kernel, and its value at a distance of at least 0."""
