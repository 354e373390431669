"""Runs engines step by step, as a session does, on frames that are told by their number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from vsanimesr.engines import engine_class
from vsanimesr.engines.base import Engine, Frame, Ticket
from vsanimesr.quiet import stdout_to_stderr

from ..setups import setup_for

type Picture = NDArray[np.float32]
type Size = tuple[int, int]

SIZE = (41, 30)


@contextmanager
def opened(
    engine: str, *options: str, precision: str = "fp32", model: str = "v2", size: Size = SIZE
) -> Iterator[Engine]:
    setup = setup_for(engine, *size, model=model, precision=precision, options=options)
    with stdout_to_stderr():
        made = engine_class(engine)(setup)
    with made:
        yield made


def frame(n: int, size: Size = SIZE) -> Frame:
    red, green, blue = np.random.default_rng(n).random((3, size[1], size[0]), np.float32)
    return Frame(n, (red, green, blue))


def step(engine: Engine, n: int, *, output: bool = True, size: Size = SIZE) -> Ticket | None:
    return engine.submit(frame(max(n - 1, 0), size), frame(n, size), frame(n + 1, size), output=output)


def received(ticket: Ticket | None, size: Size = SIZE) -> Picture:
    assert ticket is not None
    out = np.empty((3, 4 * size[1], 4 * size[0]), np.float32)
    ticket.wait((out[0], out[1], out[2]))
    return out


def run(
    engine: str, *options: str, precision: str = "fp32", model: str = "v2", size: Size = SIZE, steps: int = 4
) -> list[Picture]:
    with opened(engine, *options, precision=precision, model=model, size=size) as running:
        return [received(step(running, n, size=size), size) for n in range(steps)]


def psnr(a: Picture, b: Picture) -> float:
    return float(-10 * np.log10(max(np.mean((a.astype(np.float64) - b) ** 2), 1e-30)))
