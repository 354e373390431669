"""Run a command and print its peak resident memory in bytes: peak.py COMMAND...

A separate program, because it must be small: the peak of a process includes what its parent occupied when it started.
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
