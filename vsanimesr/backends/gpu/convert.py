"""Conversion of frames on the device, by the kernels of `convert.cu`.

A frame in its own format is one block of bytes, its planes one behind the other, so the host only copies bytes.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from ctypes import c_float, c_int, c_uint, c_uint64, c_void_p
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...network.tensors import Tensor
from ...pixels import RGBS, SITINGS, Affine, Colours, PixelFormat, Target, chroma_offset, decoding, encoding
from .device import BLOCK, Buffer, Device, Kernel, Stream
from .resampling import Weights, chain, resample

SOURCE = Path(__file__).with_name("convert.cu")
KERNELS = ("load", "store")

SAMPLES = {np.dtype(np.uint8): 0, np.dtype(np.uint16): 1, np.dtype(np.float16): 2, np.dtype(np.float32): 3}
"""`Sample` of convert.cu, by type."""

FLAG_BYTES = 4
"""Size of the flag behind a target frame. It becomes the stamp of an SR frame that holds NaN or infinity."""

CHROMA_KERNEL = "bicubic"
"""Kernel that makes the chroma of a source frame as large as its luma, as in the filter without a GPU."""


class TableArguments(ctypes.Structure):
    """`Table` of convert.cu."""

    _fields_: ClassVar = [("start", c_int), ("count", c_int), ("taps", c_int)]


class AffineArguments(ctypes.Structure):
    """`Affine` of convert.cu."""

    _fields_: ClassVar = [("matrix", c_float * 9), ("offset", c_float * 3)]

    @classmethod
    def of(cls, map: Affine) -> Self:
        return cls((c_float * 9)(*map.matrix.flat), (c_float * 3)(*map.offset))


class LoadArguments(ctypes.Structure):
    """`LoadArguments` of convert.cu."""

    _fields_: ClassVar = [
        ("source", c_void_p),
        ("target", c_void_p),
        ("tables", c_void_p),
        ("planes", c_uint64 * 3),
        ("plane_count", c_int),
        ("sample", c_int),
        ("width", c_int),
        ("height", c_int),
        ("chroma_width", c_int),
        ("across", TableArguments),
        ("down", TableArguments),
        ("decoding", AffineArguments),
    ]


class Layer(ctypes.Structure):
    """`Layer` of convert.cu."""

    _fields_: ClassVar = [
        ("across", TableArguments),
        ("down", TableArguments),
        ("first_plane", c_int),
        ("plane_count", c_int),
    ]


class StoreArguments(ctypes.Structure):
    """`StoreArguments` of convert.cu."""

    _fields_: ClassVar = [
        ("source", c_void_p),
        ("target", c_void_p),
        ("tables", c_void_p),
        ("flag", c_void_p),
        ("planes", c_uint64 * 3),
        ("stamp", c_uint),
        ("source_sample", c_int),
        ("sample", c_int),
        ("width", c_int),
        ("height", c_int),
        ("peak", c_int),
        ("dither", c_int),
        ("layers", Layer * 2),
        ("encoding", AffineArguments),
    ]


def load_kernels(device: Device) -> tuple[Kernel, Kernel]:
    """Return the kernels that load a source frame, and that store a target frame."""
    load, store = device.load_kernels(SOURCE.read_text(encoding="utf-8"), KERNELS)
    return load, store


class Loader:
    """Makes the R, G and B planes of source frames, as `resize.Bicubic(format=vs.RGBS)` does.

    Args:
        stream: the one stream that it is used on.
    """

    def __init__(
        self, device: Device, kernel: Kernel, format: PixelFormat, width: int, height: int, stream: Stream
    ) -> None:
        self._device, self._kernel, self._stream = device, kernel, stream
        self._format, self._width, self._height = format, width, height
        self.packed = device.allocate(format.bytes(width, height))
        """Buffer for a source frame."""
        self._chroma, tables = _loader_tables(format, width, height)
        self._tables = tables.upload(device, stream)
        self._arguments: dict[Colours, LoadArguments] = {}

    def run(self, target: Buffer, colours: Colours) -> None:
        """Queue the conversion of the packed frame."""
        arguments = self._arguments.get(colours)
        if arguments is None:
            arguments = self._arguments[colours] = self._make_arguments(colours)
        arguments.target = target.address
        blocks = _blocks(self._width, self._height, 1)
        self._device.run_kernel(self._kernel, blocks, arguments, self._stream)

    def _make_arguments(self, colours: Colours) -> LoadArguments:
        across, down = self._chroma[colours.chroma_location]
        shapes = self._format.shapes(self._width, self._height)
        return LoadArguments(
            source=self.packed.address,
            tables=self._tables.address,
            planes=_plane_starts(shapes),
            plane_count=len(shapes),
            sample=SAMPLES[self._format.dtype],
            width=self._width,
            height=self._height,
            chroma_width=shapes[-1][1],
            across=across,
            down=down,
            decoding=AffineArguments.of(decoding(self._format, colours)),
        )


class Storer:
    """Makes the target's planes of SR frames, as `resize` does, but integers are dithered by their place.

    Args:
        frame: shape and type of the SR frame, (1, 3, height, width).
        stream: the one stream that it is used on.
    """

    def __init__(self, device: Device, kernel: Kernel, target: Target, frame: Tensor, stream: Stream) -> None:
        self._device, self._kernel, self._stream = device, kernel, stream
        self.packed = device.allocate(stored_bytes(target))
        """Buffer for a target frame, with the flag behind it."""
        device.zero(self.packed, stream)
        layers, tables = _storer_tables(target, frame)
        self._tables = tables.upload(device, stream)
        _, _, height, width = frame.shape
        self._blocks = _blocks(target.width, target.height, len(layers))
        self._arguments = StoreArguments(
            target=self.packed.address,
            tables=self._tables.address,
            flag=self.packed.address + stored_bytes(target) - FLAG_BYTES,
            planes=_plane_starts(target.format.shapes(target.width, target.height)),
            source_sample=SAMPLES[np.dtype(np.float16 if frame.type == "fp16" else np.float32)],
            sample=SAMPLES[target.format.dtype],
            width=width,
            height=height,
            peak=(1 << target.format.bits) - 1 if target.format.sample == "integer" else 0,
            dither=target.dither,
            layers=(Layer * 2)(*layers),
            encoding=AffineArguments.of(encoding(target.format, target.colours)),
        )

    def run(self, source: Buffer, stamp: int) -> None:
        """Queue the conversion of an SR frame.

        Args:
            stamp: what the flag becomes if the frame holds NaN or infinity.
        """
        self._arguments.source, self._arguments.stamp = source.address, stamp
        self._device.run_kernel(self._kernel, self._blocks, self._arguments, self._stream)


def is_plain(target: Target, frame: Tensor) -> bool:
    """Return whether an SR frame is the target's frame as it is."""
    *_, height, width = frame.shape
    return (target.format, frame.type) == (RGBS, "fp32") and (target.width, target.height) == (width, height)


def loader_bytes(format: PixelFormat, width: int, height: int) -> int:
    """Return the bytes of device memory that a `Loader` allocates."""
    _, tables = _loader_tables(format, width, height)
    return format.bytes(width, height) + tables.bytes


def storer_bytes(target: Target, frame: Tensor) -> int:
    """Return the bytes of device memory that a `Storer` allocates."""
    _, tables = _storer_tables(target, frame)
    return stored_bytes(target) + tables.bytes


def stored_bytes(target: Target) -> int:
    """Return the bytes of a target frame with its flag."""
    planes = target.format.bytes(target.width, target.height)
    return planes + -planes % FLAG_BYTES + FLAG_BYTES


def read_flag(data: NDArray[np.uint8]) -> int:
    """Return the flag of a target frame that has been downloaded."""
    return int(data[-FLAG_BYTES:].view(np.uint32)[0])


def chroma_up(format: PixelFormat, width: int, height: int, location: int) -> tuple[Weights, Weights]:
    """Return the weights, across and down, that make chroma planes as large as the luma plane."""
    rows, columns = format.shapes(width, height)[-1]
    right, down = chroma_offset(format, location)
    return resample(columns, width, CHROMA_KERNEL, -right), resample(rows, height, CHROMA_KERNEL, -down)


type _LayerWeights = tuple[Weights, Weights, range]


def target_layers(target: Target, frame: Tensor) -> list[_LayerWeights]:
    """Return the weights across and down for planes of the same size, and the numbers of these planes.

    Raises:
        ValueError: the kernel leaves pixels of the SR frame out, so the flag would not tell of them.
    """
    *_, height, width = frame.shape
    shapes = target.format.shapes(target.width, target.height)
    across, down = resample(width, target.width, target.kernel), resample(height, target.height, target.kernel)
    if across.covered < width or down.covered < height:
        raise ValueError(f"kernel={target.kernel!r} does not read every pixel of the SR frame")
    if shapes[0] == shapes[-1]:
        return [(across, down, range(len(shapes)))]
    right, below = chroma_offset(target.format, target.colours.chroma_location)
    chroma_across = _chroma_down(width, target.width, shapes[1][1], right, across, target.kernel)
    chroma_down = _chroma_down(height, target.height, shapes[1][0], below, down, target.kernel)
    return [(across, down, range(1)), (chroma_across, chroma_down, range(1, 3))]


def _chroma_down(source: int, luma: int, chroma: int, offset: float, scaling: Weights, kernel: str) -> Weights:
    """Return the weights that scale the SR frame to a chroma plane, in the steps of `resize`: first to fewer pixels."""
    if luma < source:
        return chain(scaling, resample(luma, chroma, kernel, offset * luma / chroma), source)
    return resample(source, chroma, kernel, offset * source / chroma)


class _Tables:
    """Collects weights for one buffer on the device."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int32]] = []
        self._size = 0
        self._known: dict[bytes, TableArguments] = {}

    def add(self, weights: Weights) -> TableArguments:
        first, values = weights.first.astype(np.int32), weights.values.astype(np.float32)
        part = np.concatenate([first, values.ravel().view(np.int32)])
        count, taps = values.shape
        table = self._known.get(part.tobytes())
        if table is None:
            table = self._known[part.tobytes()] = TableArguments(self._size, count, taps)
            self._parts.append(part)
            self._size += len(part)
        return table

    @property
    def bytes(self) -> int:
        return 4 * self._size

    def upload(self, device: Device, stream: Stream) -> Buffer:
        """Queue the copy to the device."""
        pinned, buffer = device.allocate_pinned(self.bytes), device.allocate(self.bytes)
        pinned.data.view(np.int32)[:] = np.concatenate(self._parts)
        device.upload(buffer, pinned, stream)
        return buffer


def _loader_tables(
    format: PixelFormat, width: int, height: int
) -> tuple[dict[int, tuple[TableArguments, TableArguments]], _Tables]:
    """Return the tables across and down of each chroma location, and all tables."""
    tables = _Tables()
    chroma = {}
    for location in SITINGS:
        across, down = chroma_up(format, width, height, location)
        chroma[location] = tables.add(across), tables.add(down)
    return chroma, tables


def _storer_tables(target: Target, frame: Tensor) -> tuple[list[Layer], _Tables]:
    tables = _Tables()
    layers = [
        Layer(tables.add(across), tables.add(down), planes.start, len(planes))
        for across, down, planes in target_layers(target, frame)
    ]
    return layers, tables


def _plane_starts(shapes: Iterable[tuple[int, int]]) -> Any:
    sizes = [math.prod(shape) for shape in shapes]
    return (c_uint64 * 3)(*(sum(sizes[:plane]) for plane in range(len(sizes))))


def _blocks(width: int, height: int, depth: int) -> tuple[int, int, int]:
    return -(-width // BLOCK[0]), -(-height // BLOCK[1]), depth
