"""The command line and the report of a study, and the command that trains."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import torch

from scripts.benchmarks.table import Table


def parse_arguments(
    study: str, description: str, parts: Collection[str], quick: str, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Return `clips`, `part` (a list of names), `out` and `quick`.

    Args:
        study: name of the study's package.
        parts: names of all parts.
        quick: help text of --quick.
    """
    parser = make_parser(study, description)
    add_data_arguments(parser, study, quick)
    return parse_parts(parser, parts, arguments)


def add_data_arguments(parser: argparse.ArgumentParser, study: str, quick: str) -> None:
    """Add `clips`, `out` and `quick`, as for `parse_arguments`."""
    parser.add_argument("clips", type=Path, help="a folder with the folders train and held-out")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", study), help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help=f"{quick}: for a trial run")


def make_parser(study: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a study's command line."""
    return argparse.ArgumentParser(
        prog=f"python -m scripts.studies.{study}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse_parts(
    parser: argparse.ArgumentParser, parts: Collection[str], arguments: Sequence[str] | None
) -> argparse.Namespace:
    """Add the argument `part`, which is a list of names and all of them by default, and parse a command line."""
    parser.add_argument("part", nargs="*", help=f"{', '.join(parts)}; default: all")
    options = parser.parse_intermixed_args(arguments)  # parts may follow options
    if unknown := [name for name in options.part if name not in parts]:
        parser.error(f"{unknown[0]!r} is not a part; choose from {', '.join(parts)}")
    options.part = options.part or list(parts)
    return options


def report(tables: Iterable[Table], file: Path) -> None:
    """Write tables into a file, and print them."""
    text = "\n\n".join(map(str, tables)) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    print(text)


def train(*arguments: str) -> None:
    """Run `python -m trainer` with these arguments, as a user would."""
    subprocess.run([sys.executable, "-m", "trainer", *arguments], check=True)


def choose_precision() -> str:
    """Return bf16 where the processor computes it, else fp32: where it is emulated, it takes a hundred times as long.

    What runs are made of has to include it.
    """
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"
