"""Peak memory of a whole run and of the backend alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from . import runs
from .machine import has_bf16
from .runs import MB
from .settings import Settings
from .table import Table, verdict

WHOLE_RUN = 500.0
"""Target: most MB of a whole run, at the size in the settings."""
BACKEND = 700.0
"""Target: most MB of a process with the backend alone, at twice the width and height."""

BACKEND_PROGRAM = """
import numpy as np
from vsanimesr.backends.base import Frame
from vsanimesr.options import Options
from vsanimesr.session import Session
session = Session(Options(backend="openvino", precision={precision!r}), width={width}, height={height})
pixels = np.random.default_rng(0).random((3, {height}, {width}), np.float32)
out = np.empty((3, 4 * {height}, 4 * {width}), np.float32)
frame = Frame(0, tuple(pixels))
for n in range(3):
    session.step(frame, frame, frame, reset=n == 0, output=True).wait(tuple(out))
"""


def measure_memory(settings: Settings) -> Iterator[Table]:
    """Measure whole runs of vspipe, including the source filter, and the backend alone."""
    precisions = ["auto", "fp32", *(["int8"] if has_bf16() else [])]
    doubled = replace(settings, width=2 * settings.width, height=2 * settings.height)
    yield _whole_run(settings, precisions, WHOLE_RUN)
    yield _whole_run(doubled, precisions, None)
    yield _backend(doubled, precisions)


def _whole_run(settings: Settings, precisions: Sequence[str], target: float | None) -> Table:
    upscales = {f"openvino, {name}": f'backend="openvino", precision="{name}"' for name in precisions}
    with tempfile.TemporaryDirectory() as folder:
        scripts = runs.write_scripts(Path(folder), settings, {runs.SOURCE: None, "null": 'backend="null"', **upscales})
        commands = {name: runs.vspipe_command(path) for name, path in scripts.items()}
        results = runs.measure_memory(commands, settings)

    def row(name: str) -> tuple[str, ...]:
        peak = results.median(name) / MB
        more = "" if name == runs.SOURCE else f"{results.difference(name, runs.SOURCE) / MB:.0f}"
        return name, f"{peak:.0f}", more, verdict(peak, at_most=target, unit=" MB") if name in upscales else ""

    title = f"Peak resident memory of vspipe, {runs.FRAMES} frames at {settings.size}"
    columns = ("", "MB", f"more than {runs.SOURCE}", "target")
    return Table(title, columns, [*map(row, scripts)], "1 MB is 1,000,000 bytes.")


def _backend(settings: Settings, precisions: Sequence[str]) -> Table:
    commands = {}
    for name in precisions:
        program = BACKEND_PROGRAM.format(precision=name, width=settings.width, height=settings.height)
        commands[f"openvino, {name}"] = runs.python_command(program)
    results = runs.measure_memory(commands, settings)

    def row(name: str) -> tuple[str, ...]:
        peak = results.median(name) / MB
        return name, f"{peak:.0f}", verdict(peak, at_most=BACKEND, unit=" MB")

    title = f"Peak resident memory of Python with the backend alone, at {settings.size}"
    return Table(title, ("", "MB", "target"), [*map(row, commands)])
