"""What `import vsanimesr` costs, and what comes along."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from .rounds import taken
from .settings import Settings
from .table import Table, verdict

TARGET = 0.2
"""In seconds."""
MODULES = ("vsanimesr", "vsanimesr.bridge", "numpy")
"""The package, what the plugin imports of it, and what takes most of the time of that."""
UNWANTED = ("torch", "openvino", "onnx")

PROGRAM = """
import sys, time
begin = time.perf_counter()
import {module}
took = time.perf_counter() - begin
import json
print(json.dumps([took, sorted(sys.modules)]))
"""


def seconds(settings: Settings) -> Iterator[Table]:
    """Imports, each in a fresh interpreter, numpy's for comparison."""
    present: dict[str, set[str]] = {}

    def imported(module: str) -> float:
        program = PROGRAM.format(module=module)
        took, modules = json.loads(subprocess.check_output([sys.executable, "-P", "-c", program], text=True))
        present[module] = set(modules)
        return float(took)

    samples = taken({module: partial(imported, module) for module in MODULES}, settings.rounds)

    def row(module: str) -> tuple[str, ...]:
        unwanted = ", ".join(name for name in UNWANTED if name in present[module]) or "none"
        judged = verdict(samples.median(module), at_most=TARGET, unit=" s") if module == MODULES[0] else ""
        return module, f"{samples.median(module):.3f}", unwanted, judged

    columns = ("import", "s", f"of {', '.join(UNWANTED)}", "target")
    yield Table("Imports", columns, [*map(row, MODULES)], f"Medians of {settings.rounds} fresh interpreters.")
