"""The command line of a study, and the command that trains."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


def parse_arguments(
    study: str, description: str, parts: Iterable[str], quick: str, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Return `clips`, `part` (a list of names), `out` and `quick`.

    Args:
        study: name of the study's package.
        parts: names of all parts.
        quick: help text of --quick.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m scripts.studies.{study}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clips", type=Path, help="a folder with the folders train and held-out")
    parser.add_argument("part", nargs="*", help=f"{', '.join(parts)}; default: all")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", study), help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help=f"{quick}: for a trial run")
    options = parser.parse_intermixed_args(arguments)  # parts may follow options
    if unknown := [name for name in options.part if name not in parts]:
        parser.error(f"{unknown[0]!r} is not a part; choose from {', '.join(parts)}")
    return options


def train(*arguments: str) -> None:
    """Run `python -m trainer` with these arguments, as a user would."""
    subprocess.run([sys.executable, "-m", "trainer", *arguments], check=True)
