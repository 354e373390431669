"""How much memory a run takes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import runs
from .machine import has_bf16
from .rounds import Turn, taken
from .settings import Settings
from .table import Table, verdict

MB = 1e6
ROUNDS = 2
"""At most: it hardly varies."""
WHOLE_RUN = 500.0
"""The most in MB, of a whole run at the size that is asked for."""
ENGINE = 700.0
"""The most in MB, of a process that runs the engine alone, with both sides of that size doubled."""

ALONE = """
import numpy as np
from vsanimesr.engines.base import Frame
from vsanimesr.options import Options
from vsanimesr.session import Session
session = Session(Options(engine="openvino", precision={precision!r}), width={width}, height={height})
pixels = np.random.default_rng(0).random((3, {height}, {width}), np.float32)
out = np.empty((3, 4 * {height}, 4 * {width}), np.float32)
frame = Frame(0, tuple(pixels))
for n in range(3):
    session.step(frame, frame, frame, reset=n == 0, output=True).wait(tuple(out))
"""


def peak(settings: Settings) -> Iterator[Table]:
    """The most that is resident in a whole run of vspipe, source filter included; and with the engine alone."""
    precisions = ["auto", "fp32", *(["int8"] if has_bf16() else [])]
    upscales = {f"openvino, {name}": f'engine="openvino", precision="{name}"' for name in precisions}
    yield _whole_run(settings, {runs.SOURCE: None, "null": 'engine="null"', **upscales}, target=WHOLE_RUN)
    doubled = replace(settings, width=2 * settings.width, height=2 * settings.height)
    yield _whole_run(doubled, {runs.SOURCE: None, "null": 'engine="null"', **upscales}, target=None)
    yield _alone(doubled, precisions)


def _whole_run(settings: Settings, upscales: dict[str, str | None], target: float | None) -> Table:
    with tempfile.TemporaryDirectory() as folder:
        scripts = runs.scripts(Path(folder), settings, upscales)
        turns: dict[str, Turn] = {name: partial(runs.peak_memory, path) for name, path in scripts.items()}
        samples = taken(turns, min(settings.rounds, ROUNDS), warm_up=False)

    def row(name: str) -> tuple[str, ...]:
        most = samples.median(name) / MB
        more = "" if name == runs.SOURCE else f"{samples.difference(name, runs.SOURCE) / MB:.0f}"
        judged = verdict(most, at_most=target, unit=" MB") if name.startswith("openvino") else ""
        return name, f"{most:.0f}", more, judged

    title = f"Peak resident memory of vspipe, {runs.FRAMES} frames at {settings.size}"
    columns = ("", "MB", f"more than {runs.SOURCE}", "target")
    return Table(title, columns, [*map(row, scripts)], "1 MB is 1,000,000 bytes.")


def _alone(settings: Settings, precisions: list[str]) -> Table:
    programs = {
        f"openvino, {name}": ALONE.format(precision=name, width=settings.width, height=settings.height)
        for name in precisions
    }
    turns: dict[str, Turn] = {
        name: partial(runs.peak_memory_of, sys.executable, "-P", "-c", program) for name, program in programs.items()
    }
    samples = taken(turns, min(settings.rounds, ROUNDS), warm_up=False)

    def row(name: str) -> tuple[str, ...]:
        most = samples.median(name) / MB
        return name, f"{most:.0f}", verdict(most, at_most=ENGINE, unit=" MB")

    title = f"Peak resident memory of Python with the engine alone, at {settings.size}"
    return Table(title, ("", "MB", "target"), [*map(row, programs)])
