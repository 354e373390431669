"""Opens backends and runs steps on frames with random pixels, seeded by the frame's number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.studies.colours.correction import restore_colours
from vsanimesr.backends import parse_options
from vsanimesr.backends.base import Backend, Frame, Setup, Ticket
from vsanimesr.backends.onnxruntime import import_onnxruntime
from vsanimesr.network.colour import SIGMA, Colour
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


def submit_step(backend: Backend, n: int, *, output: bool = True, size: Size = SIZE) -> Ticket | None:
    """Submit the step of frame n."""
    window = (make_frame(max(n - 1, 0), size), make_frame(n, size), make_frame(n + 1, size))
    return backend.submit(*window, output=output)


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
) -> list[Picture]:
    """Return the SR frames of the first steps, waiting for each before the next."""
    with start_backend(name, *options, precision=precision, colour=colour, model=model, size=size) as backend:
        return [read_frame(submit_step(backend, n, size=size), size) for n in range(steps)]


def import_onnxruntime_or_skip() -> Any:
    """Import ONNX Runtime without its telemetry, which `pytest.importorskip` would start."""
    if find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed", allow_module_level=True)
    return import_onnxruntime()


def assert_restored(restored: Picture, plain: Picture, source: Frame) -> None:
    """Check that an SR frame is another one with the low frequencies of its source frame, in float32."""
    expected = restore_colours(plain, np.stack(source.planes), SIGMA)
    assert np.abs(restored - expected).max() < 2e-6
