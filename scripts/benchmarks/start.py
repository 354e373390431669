"""Time until the first frame, and time of the imports."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from . import runs
from .settings import Settings
from .table import Table, verdict
from .timing import Measure, measure_interleaved

START = 1.0
"""Target: most seconds until the first byte of video, with OpenVINO."""
IMPORT = 0.2
"""Target: most seconds for `import vsanimesr`."""
UPSCALES = {runs.SOURCE: None, "null": 'backend="null"', "openvino": 'backend="openvino"'}
MODULES = ("vsanimesr", "vsanimesr.bridge", "numpy")
"""The package, the part that the plugin imports, and numpy, which takes most of that time."""
UNWANTED = ("torch", "openvino", "onnx")

IMPORT_PROGRAM = """
import sys, time
begin = time.perf_counter()
import {module}
seconds = time.perf_counter() - begin
import json
print(json.dumps([seconds, sorted(sys.modules)]))
"""


def measure_start(settings: Settings) -> Iterator[Table]:
    """Measure the time from the start of vspipe to its first byte of video, and the parts of this time."""
    timelines: list[dict[str, float]] = []

    def measure_parts() -> float:
        timelines.append(runs.time_by_part(scripts["openvino"]))
        return sum(timelines[-1].values())

    with tempfile.TemporaryDirectory() as folder:
        scripts = runs.write_scripts(Path(folder), settings, UPSCALES)
        measures: dict[str, Measure] = {name: partial(runs.time_to_first_byte, path) for name, path in scripts.items()}
        results = measure_interleaved({**measures, "parts": measure_parts}, settings.rounds)

    def row(name: str) -> tuple[str, ...]:
        lowest, highest = results.range(name)
        target = verdict(results.median(name), at_most=START, unit=" s") if name == "openvino" else ""
        return name, f"{results.median(name):.2f}", f"{lowest:.2f} to {highest:.2f}", target

    columns = ("", "s", "lowest to highest", "target")
    note = f"Medians of {settings.rounds} starts; weights and source index exist already."
    yield Table(f"vspipe's start to its first byte of video at {settings.size}", columns, [*map(row, scripts)], note)

    parts = {part: median(timeline[part] for timeline in timelines[1:]) for part in timelines[0]}
    rows = [(part, f"{1000 * seconds:.0f}") for part, seconds in parts.items()]
    rows.append(("total", f"{1000 * results.median('parts'):.0f}"))
    yield Table("Parts of that time, with openvino", ("", "ms"), rows)


def measure_imports(settings: Settings) -> Iterator[Table]:
    """Measure imports, each in a fresh interpreter; numpy's for comparison."""
    present: dict[str, set[str]] = {}

    def measure_import(module: str) -> float:
        program = [sys.executable, "-P", "-c", IMPORT_PROGRAM.format(module=module)]
        seconds, modules = json.loads(subprocess.check_output(program, text=True))
        present[module] = set(modules)
        return float(seconds)

    results = measure_interleaved({module: partial(measure_import, module) for module in MODULES}, settings.rounds)

    def row(module: str) -> tuple[str, ...]:
        unwanted = ", ".join(name for name in UNWANTED if name in present[module]) or "none"
        target = verdict(results.median(module), at_most=IMPORT, unit=" s") if module == MODULES[0] else ""
        return module, f"{results.median(module):.3f}", unwanted, target

    columns = ("import", "s", f"of {', '.join(UNWANTED)}", "target")
    yield Table("Imports", columns, [*map(row, MODULES)], f"Medians of {settings.rounds} fresh interpreters.")
