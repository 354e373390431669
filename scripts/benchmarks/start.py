"""How long one waits for the first frame, and for what."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from . import runs
from .rounds import Turn, taken
from .settings import Settings
from .table import Table, verdict

TARGET = 1.0
"""In seconds, with the engine that counts."""
UPSCALES = {runs.SOURCE: None, "null": 'engine="null"', "openvino": 'engine="openvino"'}


def first_frame(settings: Settings) -> Iterator[Table]:
    """From starting vspipe to the first byte of video, and what this time goes to."""
    timelines: list[dict[str, float]] = []

    def timed() -> float:
        timelines.append(runs.seconds_by_part(scripts["openvino"]))
        return sum(timelines[-1].values())

    with tempfile.TemporaryDirectory() as folder:
        scripts = runs.scripts(Path(folder), settings, UPSCALES)
        turns: dict[str, Turn] = {name: partial(runs.seconds_to_first_byte, path) for name, path in scripts.items()}
        samples = taken({**turns, "timed": timed}, settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        lowest, highest = samples.range(name)
        judged = verdict(samples.median(name), at_most=TARGET, unit=" s") if name == "openvino" else ""
        return name, f"{samples.median(name):.2f}", f"{lowest:.2f} to {highest:.2f}", judged

    columns = ("", "s", "lowest to highest", "target")
    note = f"Medians of {settings.rounds} starts; weights and source index are there."
    yield Table(f"vspipe's start to its first byte of video at {settings.size}", columns, [*map(row, scripts)], note)

    parts = {part: median(timeline[part] for timeline in timelines[1:]) for part in timelines[0]}
    rows = [(part, f"{1000 * seconds:.0f}") for part, seconds in parts.items()]
    rows.append(("all of it", f"{1000 * samples.median('timed'):.0f}"))
    yield Table("Where that time goes, with openvino", ("", "ms"), rows)
