"""`python -m trainer COMMAND`: one module for each command."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from ..errors import TrainerError
from . import debug, degrade, evaluate, export, lbo, recipe, train

COMMANDS = (train, lbo, recipe, evaluate, export, degrade, debug)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 where it did what it should, 1 where it says why not."""
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Trains AnimeSR.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    given, rest = parser.parse_known_args(arguments)  # argparse takes no name=value after an option by itself
    if wrong := [text for text in rest if text.startswith("-") or "=" not in text or "assignments" not in given]:
        parser.error(f"unrecognized arguments: {' '.join(wrong)}")
    if rest:
        given.assignments += rest
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        given.run_command(given)
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
