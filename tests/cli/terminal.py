"""Runs the program in a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import NamedTuple

import pytest


class Result(NamedTuple):
    code: int
    out: str
    """stdout, which is a pipe."""
    shown: bytes
    """stderr, which is a terminal."""


def run_in_terminal(*arguments: str) -> Result:
    """Run `animesr` with stderr in a terminal."""
    pty = pytest.importorskip("pty", reason="no terminals of this kind on Windows")
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "vsanimesr", *arguments]
    with subprocess.Popen(command, stderr=end, stdout=subprocess.PIPE, text=True) as process:
        os.close(end)
        shown = b""
        with suppress(OSError):  # the end of a terminal
            while part := os.read(terminal, 1 << 16):
                shown += part
        os.close(terminal)
        assert process.stdout is not None
        out = process.stdout.read()
    return Result(process.returncode, out, shown)
