"""Runs a script inside vspipe, and tells on stderr when each part of opening the filter ended.

Imports that the filter would do on its way are done one by one before, so that each shows.
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


def script(of: Path) -> str:
    """The text of a script that runs the script `of` under this module."""
    return f"""\
import sys
sys.path.append({str(Path(__file__).parent)!r})
import timeline
timeline.run({str(of)!r})
"""


def read(said: str) -> dict[str, float]:
    """When each part ended, on the clock of `time.monotonic`, out of what a run wrote to stderr."""
    line = next(line for line in said.splitlines() if line.startswith(PREFIX))
    ends: dict[str, float] = json.loads(line.removeprefix(PREFIX))
    return ends


def run(script: str) -> None:
    """Run a script that opens one filter with OpenVINO."""
    _end("vspipe, Python and VapourSynth start")
    for module in ("vsanimesr.bridge", "openvino"):
        importlib.import_module("vsanimesr.engines.openvino" if module == "openvino" else module)
        _end(f"import {module}")
    _watch(
        "vsanimesr.session", "read_weights", "read and check the weights", before="source filter and its first frame"
    )
    _watch("openvino", "Core.import_model", "read and check what was built, and open it")
    runpy.run_path(script)
    _end("buffers")
    print(PREFIX + json.dumps(_ends), file=sys.stderr, flush=True)


def _end(part: str) -> None:
    _ends[part] = time.monotonic()


def _watch(module: str, path: str, part: str, before: str = "") -> None:
    """Note the time after (and before) a function of a module is called."""
    owner: Any = importlib.import_module(module)
    *classes, name = path.split(".")
    for step in classes:
        owner = getattr(owner, step)
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def watched(*arguments: Any, **named: Any) -> Any:
        if before:
            _end(before)
        result = function(*arguments, **named)
        _end(part)
        return result

    setattr(owner, name, watched)
