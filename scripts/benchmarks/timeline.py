"""Runs a script inside vspipe and writes to stderr when each part of opening the filter ended.

The imports of the filter are done one by one before, to show each of them.
"""

from __future__ import annotations

import functools
import importlib
import json
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PREFIX = "timeline: "

_ends: dict[str, float] = {}


def wrap(script: Path) -> str:
    """Return the text of a script that runs another script under this module."""
    return f"""\
from scripts.benchmarks import timeline
timeline.run({str(script)!r})
"""


def parse(stderr: str) -> dict[str, float]:
    """Return when each part ended, on the clock of `time.monotonic`."""
    line = next(line for line in stderr.splitlines() if line.startswith(PREFIX))
    ends: dict[str, float] = json.loads(line.removeprefix(PREFIX))
    return ends


def run(script: str) -> None:
    """Run a script that opens one filter with OpenVINO."""
    _mark("vspipe, Python and VapourSynth start")
    importlib.import_module("vsanimesr.bridge")
    _mark("import vsanimesr.bridge")
    importlib.import_module("vsanimesr.backends.openvino").import_openvino()
    _mark("import openvino")
    _watch(
        "vsanimesr.session", "read_weights", "read and check the weights", before="source filter and its first frame"
    )
    _watch("openvino", "Core.import_model", "read, check and load the built model")
    runpy.run_path(script)
    _mark("buffers")
    print(PREFIX + json.dumps(_ends), file=sys.stderr, flush=True)


def _mark(part: str) -> None:
    _ends[part] = time.monotonic()


def _watch(module: str, path: str, part: str, before: str = "") -> None:
    """Mark the end of a part after each call of a function, and optionally the end of another part before it."""
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for step in classes:
        owner = getattr(owner, step)
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        if before:
            _mark(before)
        result = function(*arguments, **named)
        _mark(part)
        return result

    setattr(owner, name, wrapper)
