"""Frames in formats of their own, and their conversion by the kernels alone, compiled for the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.backends.gpu.simulator import SimulatedDevice
from vsanimesr.backends.base import Backend, Frame, Planes, Setup
from vsanimesr.backends.gpu.convert import Loader, Storer, load_kernels, read_flag
from vsanimesr.backends.gpu.device import Buffer, Device, Stream
from vsanimesr.network.tensors import Tensor
from vsanimesr.pixels import Colours, PixelFormat, Target


def draw_planes(format: PixelFormat, width: int, height: int, seed: int) -> Planes:
    """Return random planes. Their values use the whole range of the format."""
    random = np.random.default_rng(seed)
    planes: list[NDArray[Any]] = []
    for plane, shape in enumerate(format.shapes(width, height)):
        if format.sample == "integer":
            planes.append(random.integers(0, 1 << format.bits, shape).astype(format.dtype))
        else:
            planes.append(
                (random.random(shape) - (0.5 if plane and format.family == "yuv" else 0)).astype(format.dtype)
            )
    return tuple(planes)


def finish(device: SimulatedDevice, stream: Stream) -> None:
    event = device.make_event()
    device.record(event, stream)
    device.synchronise(event)


def load(format: PixelFormat, planes: Planes, colours: Colours) -> NDArray[np.float32]:
    """Return the R, G and B planes, (3, height, width), that the kernel makes."""
    height, width = planes[0].shape
    device, stream, loader, target = make_loader(format, width, height)
    packed = device.at(loader.packed.address)
    for view, plane in zip(format.views(packed, width, height), planes, strict=True):
        view[:] = plane
    with device.attached():
        loader.run(target, colours)
        finish(device, stream)
    return device.at(target.address).view(np.float32).reshape(3, height, width).copy()


def store(target: Target, rgb: NDArray[Any], stamp: int = 1) -> tuple[Planes, bool]:
    """Return the target's planes that the kernel makes, and whether the SR frame is finite."""
    device, stream, storer, source = make_storer(target, frame_tensor(rgb))
    device.at(source.address)[:] = rgb.ravel().view(np.uint8)
    with device.attached():
        device.zero(storer.packed, stream)
        storer.run(source, stamp)
        finish(device, stream)
    data = device.at(storer.packed.address).copy()
    flag = read_flag(data)
    assert flag in (0, stamp)
    return target.format.views(data, target.width, target.height), flag == 0


@lru_cache
def make_loader(format: PixelFormat, width: int, height: int) -> tuple[SimulatedDevice, Stream, Loader, Buffer]:
    device = SimulatedDevice(lag=0)
    with device.attached():
        kernel, _ = load_kernels(device)
        stream, target = device.make_stream(), device.allocate(12 * width * height)
        return device, stream, Loader(device, kernel, format, width, height, stream), target


@lru_cache
def make_storer(target: Target, frame: Tensor) -> tuple[SimulatedDevice, Stream, Storer, Buffer]:
    device = SimulatedDevice(lag=0)
    with device.attached():
        _, kernel = load_kernels(device)
        stream, source = device.make_stream(), device.allocate(frame.bytes)
        return device, stream, Storer(device, kernel, target, frame, stream), source


def load_on(device: Device, format: PixelFormat, planes: Planes, colours: Colours) -> NDArray[np.float32]:
    """Return the R, G and B planes that any device makes."""
    height, width = planes[0].shape
    kernel, _ = load_kernels(device)
    stream = device.make_stream()
    loader = Loader(device, kernel, format, width, height, stream)
    source, target = device.allocate_pinned(loader.packed.bytes), device.allocate(12 * width * height)
    for view, plane in zip(format.views(source.data, width, height), planes, strict=True):
        view[:] = plane
    device.upload(loader.packed, source, stream)
    loader.run(target, colours)
    return download(device, target, stream).view(np.float32).reshape(3, height, width)


def store_on(device: Device, target: Target, rgb: NDArray[Any]) -> tuple[Planes, bool]:
    """Return the target's planes that any device makes, and whether the SR frame is finite."""
    _, kernel = load_kernels(device)
    stream = device.make_stream()
    storer = Storer(device, kernel, target, frame_tensor(rgb), stream)
    source, frame = device.allocate_pinned(rgb.nbytes), device.allocate(rgb.nbytes)
    source.data[:] = rgb.ravel().view(np.uint8)
    device.upload(frame, source, stream)
    storer.run(frame, 1)
    data = download(device, storer.packed, stream)
    return target.format.views(data, target.width, target.height), read_flag(data) != 1


def assert_converts(setup: Setup, open_one: Callable[[Setup], Backend]) -> None:
    """Check that a backend takes and gives frames in the setup's formats, as the kernels alone convert them.

    Args:
        open_one: opens the backend.
    """
    source, colours = PixelFormat("yuv", "integer", 8), Colours(6, False, 0)
    height, width = 4 * setup.height, 4 * setup.width
    target = Target(PixelFormat("yuv", "integer", 10), Colours(1, False, 0), width, height)
    pictures = [draw_planes(source, setup.width, setup.height, seed) for seed in range(3)]
    sr = np.empty((3, height, width), np.float32)
    with open_one(setup) as backend:
        assert not backend.own_formats
        window = [Frame(n, tuple(load(source, planes, colours))) for n, planes in enumerate(pictures)]
        _wait(backend, window, tuple(sr))
    expected, _ = store(target, sr)
    found = tuple(np.empty_like(plane) for plane in expected)
    with open_one(replace(setup, source=source, target=target)) as backend:
        assert backend.own_formats
        _wait(backend, [Frame(n, planes, colours) for n, planes in enumerate(pictures)], found)
    for plane, other in zip(found, expected, strict=True):
        assert plane.tobytes() == other.tobytes()


def _wait(backend: Backend, window: list[Frame], out: Planes) -> None:
    ticket = backend.submit(*window, output=True)
    assert ticket is not None
    ticket.wait(out)


def download(device: Device, buffer: Buffer, stream: Stream) -> NDArray[np.uint8]:
    pinned, event = device.allocate_pinned(buffer.bytes), device.make_event()
    device.download(pinned, buffer, stream)
    device.record(event, stream)
    device.synchronise(event)
    return pinned.data.copy()


def frame_tensor(rgb: NDArray[Any]) -> Tensor:
    """Return shape and type of an SR frame."""
    return Tensor((1, *rgb.shape), "fp16" if rgb.dtype == np.float16 else "fp32")
