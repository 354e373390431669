"""Formats of frames, and what turns their samples into R, G and B and back.

Numbers of matrices and chroma locations are those of VapourSynth's frame properties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

type Doubles = NDArray[np.float64]

MATRIX_RGB, MATRIX_YCGCO = 0, 8
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470BG
    6: (0.299, 0.114),  # SMPTE 170M
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
}
"""Shares of R and B in the luma, by matrix. The rest is the share of G."""

SITINGS = {0: (-1, 0), 1: (0, 0), 2: (-1, -1), 3: (0, -1), 4: (-1, 1), 5: (0, 1)}
"""Place of a chroma sample among its luma samples, by chroma location: -1 is left or top, 0 centre, 1 bottom."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A video format of VapourSynth: its planes, and the samples in them.

    Args:
        subsampling: binary logarithm of the factors by which chroma planes are narrower and lower.
    """

    family: Literal["gray", "rgb", "yuv"]
    sample: Literal["integer", "float"]
    bits: int
    subsampling: tuple[int, int] = (0, 0)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a sample."""
        if self.sample == "float":
            return np.dtype(np.float32 if self.bits == 32 else np.float16)
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    def shapes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """Return the shapes (rows, columns) of the planes of a frame."""
        if self.family == "gray":
            return ((height, width),)
        across, down = self.subsampling
        return ((height, width), *[(height >> down, width >> across)] * 2)

    def bytes(self, width: int, height: int) -> int:
        """Return the bytes of a frame whose planes lie one behind the other, without padding."""
        return sum(map(math.prod, self.shapes(width, height))) * self.dtype.itemsize

    def views(self, data: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[Any], ...]:
        """Return the planes of a frame that lie one behind the other at the start of `data`."""
        planes, start = [], 0
        for shape in self.shapes(width, height):
            end = start + math.prod(shape) * self.dtype.itemsize
            planes.append(data[start:end].view(self.dtype).reshape(shape))
            start = end
        return tuple(planes)

    def blank(self, width: int, height: int, byte: int = 0) -> tuple[NDArray[Any], ...]:
        """Return the planes of a new frame, all of whose bytes have one value."""
        return self.views(np.full(self.bytes(width, height), byte, np.uint8), width, height)


RGBS = PixelFormat("rgb", "float", 32)
"""The format of the network."""


class Colours(NamedTuple):
    """What the samples of a frame mean, as its properties say."""

    matrix: int
    full_range: bool
    """Floats have no range."""
    chroma_location: int


@dataclass(frozen=True, slots=True)
class Target:
    """A picture that is made of the SR frame."""

    format: PixelFormat
    colours: Colours
    width: int
    height: int
    kernel: str = "bicubic"
    """Kernel that scales to this size and to the chroma planes, as in `Options.kernel`."""
    dither: bool = True
    """Whether integers are dithered, else rounded."""


def sr_target(width: int, height: int) -> Target:
    """Return the target that is an SR frame of this size as it is."""
    return Target(RGBS, Colours(MATRIX_RGB, True, 0), width, height)


class Affine(NamedTuple):
    """A map of three values: the product with a matrix (3, 3), plus an offset (3,)."""

    matrix: Doubles
    offset: Doubles


def decoding(format: PixelFormat, colours: Colours) -> Affine:
    """Return the map from the samples of a pixel, 0 for planes that the format does not have, to R, G and B."""
    zeros, ranges = _quantisation(format, colours)
    matrix = np.linalg.inv(_rgb_to_planes(format, colours))
    if format.family == "gray":
        matrix[:] = [[1, 0, 0]] * 3
    matrix /= ranges
    return Affine(matrix, -matrix @ zeros)


def encoding(format: PixelFormat, colours: Colours) -> Affine:
    """Return the map from R, G and B to the samples of a pixel, before they are rounded."""
    zeros, ranges = _quantisation(format, colours)
    return Affine(_rgb_to_planes(format, colours) * ranges[:, None], zeros)


def chroma_offset(format: PixelFormat, location: int) -> tuple[float, float]:
    """Return how far the first chroma sample is from the centre of its luma samples, right and down.

    The unit is the distance between two chroma samples.
    """
    across, down = (
        place * (0.5 - 0.5 / (1 << subsampling))
        for place, subsampling in zip(SITINGS[location], format.subsampling, strict=True)
    )
    return across, down


def _quantisation(format: PixelFormat, colours: Colours) -> tuple[Doubles, Doubles]:
    """Return the samples of 0, and those of 1 less those of 0, of the three planes."""
    if format.sample == "float":
        return np.zeros(3), np.ones(3)
    unit, peak = 1 << (format.bits - 8), (1 << format.bits) - 1
    zeros = np.full(3, 0.0 if colours.full_range else 16 * unit)
    ranges = np.full(3, float(peak if colours.full_range else 219 * unit))
    if format.family == "yuv":
        zeros[1:] = 128 * unit
        if not colours.full_range and colours.matrix != MATRIX_YCGCO:
            ranges[1:] = 224 * unit
    return zeros, ranges


def _rgb_to_planes(format: PixelFormat, colours: Colours) -> Doubles:
    if format.family == "rgb":
        return np.eye(3)
    if colours.matrix == MATRIX_YCGCO:
        return np.array([[1, 2, 1], [-1, 2, -1], [2, 0, -2]]) / 4
    red, blue = LUMA_WEIGHTS[colours.matrix]
    luma = np.array([red, 1 - red - blue, blue])
    return np.array([luma, (np.eye(3)[2] - luma) / (2 - 2 * blue), (np.eye(3)[0] - luma) / (2 - 2 * red)])
