"""Runs a command and prints the most memory that it kept resident, in bytes: peak.py COMMAND...

A program of its own: a process is charged with what its parent occupied when it was started, and this one is small.
"""

from __future__ import annotations

import os
import subprocess
import sys

UNIT = 1 if sys.platform == "darwin" else 1024


def main(*command: str) -> int:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(usage.ru_maxrss * UNIT)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
