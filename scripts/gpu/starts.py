"""Time until the first SR frame: with an empty cache, and again with what the first start left there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmarks.table import print_rows
from vsanimesr.weights import release

from .speed import gpu_backends

SIZE = (720, 480)
LIMIT = 300.0
"""Most seconds of a start."""

PROGRAM = """
import sys, time
begin = time.perf_counter()
import numpy as np
from vsanimesr.backends.base import Frame
from vsanimesr.options import Options
from vsanimesr.session import Session
backend, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
session = Session(Options(backend=backend), width=width, height=height)
opened = time.perf_counter()
frame = Frame(0, tuple(np.full((3, height, width), 0.5, np.float32)))
out = tuple(np.empty((3, 4 * height, 4 * width), np.float32))
session.step(frame, frame, frame, reset=True, output=True).wait(out)
print(f"{opened - begin:.1f} {time.perf_counter() - begin:.1f}")
session.close()
"""


def report() -> None:
    """Print the table."""
    head = ("backend", "first start: open, s", "first frame, s", "second start: open, s", "first frame, s")
    print_rows(head, ((name, *measure_starts(name, *SIZE)) for name in gpu_backends()))


def measure_starts(backend: str, width: int, height: int) -> Sequence[str]:
    """Return seconds until a backend is open and until its first frame, of a first and of a second start.

    A start that fails gives its message and an empty cell.
    """
    with tempfile.TemporaryDirectory() as folder:
        weights = os.environ.get("ANIMESR_WEIGHTS") or str(release.cache_folder())
        environment = {**os.environ, "ANIMESR_CACHE": folder, "ANIMESR_WEIGHTS": weights}
        environment.pop("ANIMESR_ENGINES", None)
        command = (sys.executable, "-P", "-c", PROGRAM, backend, str(width), str(height))
        cells: list[str] = []
        for _ in range(2):
            try:
                result = subprocess.run(
                    command, env=environment, cwd=Path(folder), capture_output=True, text=True, timeout=LIMIT
                )
            except subprocess.TimeoutExpired:
                cells += [f"more than {LIMIT:.0f} s", ""]
                continue
            lines = result.stderr.strip().splitlines() or ["no message"]
            cells += result.stdout.split() if result.returncode == 0 else [lines[-1], ""]
        return cells
