"""The command `animesr`: one module per command, each with `add_arguments(parser)` and `run(args) -> exit code`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import AnimeSRError
from . import build, doctor, weights

COMMANDS = {"weights": weights, "build": build, "doctor": doctor}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` is what follows the program's name.

    Returns:
        0; 1 after an error, which is told on stderr; or 130 after Ctrl-C. Wrong usage ends in `SystemExit` with code 2.
    """
    args = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="animesr: %(message)s")
    try:
        code: int = COMMANDS[args.command].run(args)
    except AnimeSRError as error:
        print(f"animesr: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("animesr: cancelled", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="animesr", description="AnimeSR for VapourSynth: what surrounds the filter.")
    parser.add_argument("--version", action="version", version=f"animesr {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        module.add_arguments(commands.add_parser(name, help=summary, description=summary))
    return parser
