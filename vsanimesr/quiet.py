"""Keeps runtimes quiet: stdout belongs to the video, and nothing phones home."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Point file descriptor 1 at 2 for a while, for native code as well as for Python.

    It holds for the whole process, so it belongs around opening an engine, before any video flows, and nowhere else.
    Does nothing where there is no stdout or no stderr.
    """
    with suppress(Exception):
        sys.stdout.flush()  # what was printed before belongs on stdout
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
def unimportable(module: str) -> Iterator[None]:
    """Have the import of a module fail for a while, unless it has been imported already."""
    modules = cast(dict[str, Any], sys.modules)
    if module in modules:
        yield
        return
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]
