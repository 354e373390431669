"""Compare a set of clips with its manifest.

Prints what is missing, changed, damaged, or not of the set, one fault a line. The exit code is 1 if there is any. A set
without faults is told on stderr.

Example:
  python -m trainer dataset check avc
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("folder", type=Path, help="folder of the set")


def run(args: argparse.Namespace) -> int:
    """Print the faults."""
    from ..dataset.check import check_set

    faults = 0
    for fault in check_set(args.folder):
        print(fault)
        faults += 1
    if not faults:
        _log.info("%s is as its manifest says", args.folder)
    return 1 if faults else 0
