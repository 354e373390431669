"""Keeps runtimes from writing to stdout, where the video goes, and from sending telemetry."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr (file descriptor 1 to 2), for native code as well as for Python.

    This affects the whole process. Use it only around opening a backend, before the first frame. Does nothing in a
    process without stdout or stderr.
    """
    with suppress(Exception):
        sys.stdout.flush()  # earlier output belongs on stdout
    try:
        saved = os.dup(1)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        with suppress(Exception):
            sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


@contextmanager
def block_import(module: str) -> Iterator[None]:
    """Make the import of a module fail, unless it has been imported already."""
    modules = cast(dict[str, Any], sys.modules)
    if module in modules:
        yield
        return
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]
