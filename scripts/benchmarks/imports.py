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
    modules = ("vsanimesr", "vsanimesr.bridge", "numpy")
    samples = taken({module: partial(_seconds, module) for module in modules}, settings.rounds)

    def row(module: str) -> tuple[str, ...]:
        _, present = _imported(module)
        judged = verdict(samples.median(module), at_most=TARGET, unit=" s") if module == "vsanimesr" else ""
        return module, f"{samples.median(module):.3f}", ", ".join(set(UNWANTED) & present) or "none", judged

    columns = ("import", "s", f"of {', '.join(UNWANTED)}", "target")
    yield Table("Imports", columns, [*map(row, modules)], f"Medians of {settings.rounds} fresh interpreters.")


def _seconds(module: str) -> float:
    return _imported(module)[0]


def _imported(module: str) -> tuple[float, set[str]]:
    """How long the import took, and every module that is there after it."""
    program = PROGRAM.format(module=module)
    seconds, present = json.loads(subprocess.check_output([sys.executable, "-P", "-c", program], text=True))
    return seconds, set(present)
