"""Opens backends and runs steps on frames with random pixels, seeded by the frame's number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.studies.colours.correction import Correction
from vsanimesr.backends import parse_options
from vsanimesr.backends.base import Backend, Frame, Setup, Ticket
from vsanimesr.backends.onnxruntime import import_onnxruntime
from vsanimesr.network.colour import Colour
from vsanimesr.network.graph import padded_size
from vsanimesr.options import Options
from vsanimesr.quiet import stdout_to_stderr
from vsanimesr.tiles import open_tiled
from vsanimesr.weights.load import read_weights

type Picture = NDArray[np.float32]
type Size = tuple[int, int]

SIZE = (41, 30)
TILED = "tiled"


def make_setup(
    backend: str,
    width: int,
    height: int,
    *,
    model: str = "v2",
    precision: str = "auto",
    colour: Colour = Options.colour,
    options: tuple[str, ...] = (),
) -> Setup:
    """Make a setup as a session does."""
    return Setup(
        width=width,
        height=height,
        precision=precision,
        colour=colour,
        device=0,
        options=parse_options(backend, options),
        read_weights=lambda: read_weights(model),
    )


@contextmanager
def start_backend(
    name: str,
    *options: str,
    precision: str = "fp32",
    colour: Colour = Options.colour,
    model: str = "v2",
    size: Size = SIZE,
) -> Iterator[Backend]:
    """Open a backend as a session does, with stdout redirected, and close it afterwards.

    With `TILED` among the options, a frame is run in tiles.
    """
    tiles = (24, 20) if TILED in options else ()
    own = tuple(each for each in options if each != TILED)
    setup = make_setup(name, *size, model=model, precision=precision, colour=colour, options=own)
    with stdout_to_stderr():
        backend = open_tiled(name, setup, tiles, 8)
    with backend:
        yield backend


def make_frame(n: int, size: Size = SIZE) -> Frame:
    red, green, blue = np.random.default_rng(n).random((3, size[1], size[0]), np.float32)
    return Frame(n, (red, green, blue))


def pad_frame(frame: Frame) -> Frame:
    """Pad a frame to multiples of 4 by repeating its edge, as the network does."""
    pads = [(0, padded_size(side) - side) for side in frame.planes[0].shape]
    red, green, blue = (np.pad(plane, pads, "edge") for plane in frame.planes)
    return Frame(frame.number, (red, green, blue))


def submit_step(
    backend: Backend, n: int, *, output: bool = True, size: Size = SIZE, padded: bool = False
) -> Ticket | None:
    """Submit the step of frame n, whose frames are padded already if `padded`."""
    window = [make_frame(max(number, 0), size) for number in (n - 1, n, n + 1)]
    return backend.submit(*map(pad_frame, window) if padded else window, output=output)


def read_frame(ticket: Ticket | None, size: Size = SIZE) -> Picture:
    """Wait for a ticket and return its SR frame."""
    assert ticket is not None
    out = np.empty((3, 4 * size[1], 4 * size[0]), np.float32)
    ticket.wait((out[0], out[1], out[2]))
    return out


def run_steps(
    name: str,
    *options: str,
    precision: str = "fp32",
    colour: Colour = Options.colour,
    model: str = "v2",
    size: Size = SIZE,
    steps: int = 4,
    padded: bool = False,
) -> list[Picture]:
    """Return the SR frames of the first steps, waiting for each before the next.

    Args:
        padded: whether frames are padded to multiples of 4 first, so that SR frames have their padding too.
    """
    shown = (padded_size(size[0]), padded_size(size[1])) if padded else size
    with start_backend(name, *options, precision=precision, colour=colour, model=model, size=shown) as backend:
        return [read_frame(submit_step(backend, n, size=size, padded=padded), shown) for n in range(steps)]


def import_onnxruntime_or_skip() -> Any:
    """Import ONNX Runtime without its telemetry, which `pytest.importorskip` would start."""
    if find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed", allow_module_level=True)
    return import_onnxruntime()


def assert_source_is_added(name: str, *options: str, precision: str = "fp32", size: Size = SIZE) -> None:
    """Check that `colour="source"` adds what it shall to the frames, in float32, and nothing to the state."""
    network = run_steps(name, *options, precision=precision, colour="network", size=size, padded=True)
    source = run_steps(name, *options, precision=precision, colour="source", size=size)
    for n, (plain, restored) in enumerate(zip(network, source, strict=True)):
        corrected = Correction().apply(plain, np.stack(pad_frame(make_frame(n, size)).planes))
        expected, before = (frame[:, : 4 * size[1], : 4 * size[0]] for frame in (corrected, plain))
        assert np.abs(restored - expected).max() < 2e-6
        assert np.abs(restored - before).max() > 1e-3
