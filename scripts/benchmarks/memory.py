"""How much memory a run takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from . import runs
from .rounds import Turn, taken
from .settings import Settings
from .table import Table, verdict

TARGET = 500.0
"""In MB, of the whole process, with the engine that counts."""
MB = 1e6
ROUNDS = 2
"""At most: it hardly varies."""
UPSCALES = {
    runs.SOURCE: None,
    "null": 'engine="null"',
    "openvino": 'engine="openvino"',
    "openvino, fp32": 'engine="openvino", precision="fp32"',
}


def peak(settings: Settings) -> Iterator[Table]:
    """The most that is resident in a whole run of vspipe, source filter included."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = runs.scripts(Path(folder), settings, UPSCALES)
        turns: dict[str, Turn] = {name: partial(runs.peak_memory, path) for name, path in scripts.items()}
        samples = taken(turns, min(settings.rounds, ROUNDS), warm_up=False)

    def row(name: str) -> tuple[str, ...]:
        most = samples.median(name) / MB
        more = "" if name == runs.SOURCE else f"{samples.difference(name, runs.SOURCE) / MB:.0f}"
        judged = verdict(most, at_most=TARGET, unit=" MB") if name.startswith("openvino") else ""
        return name, f"{most:.0f}", more, judged

    title = f"Peak resident memory of vspipe, {runs.FRAMES} frames at {settings.size}"
    yield Table(
        title, ("", "MB", f"more than {runs.SOURCE}", "target"), [*map(row, scripts)], "1 MB is 1,000,000 bytes."
    )
