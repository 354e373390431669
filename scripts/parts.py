"""The command line of a script that shows something in parts, on the clips of draw_clips.py."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path


def parsed(
    prog: str, description: str, names: Iterable[str], out: str, quick: str, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """What is given: `clips`, `part` (those that are named), `out` and `quick`.

    Args:
        names: of all parts.
        out: the default folder.
        quick: what is done less of with --quick.
    """
    parser = argparse.ArgumentParser(prog=prog, description=description.partition("\n\n")[0])
    parser.add_argument("clips", type=Path, help="a folder with the folders train and held-out")
    parser.add_argument("part", nargs="*", help=f"{', '.join(names)}; all where none is named")
    parser.add_argument("-o", "--out", type=Path, default=Path(out), help=f"default: {out}")
    parser.add_argument("--quick", action="store_true", help=f"{quick}: to see whether it runs")
    given = parser.parse_intermixed_args(arguments)  # parts may come after options
    if unknown := [name for name in given.part if name not in names]:
        parser.error(f"{unknown[0]!r} is not a part; there are {', '.join(names)}")
    return given
