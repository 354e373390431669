"""Parsers, help texts, errors and exit codes of the command lines `animesr` and `python -m trainer`.

A command is a module with two functions: `add_arguments(parser) -> None` and `run(args) -> int`, which returns the exit
code. Its docstring is its help: the first line is the summary, the rest the description. Example commands, one a line,
follow "Example:" and are printed below the options. A module with `PASS_THROUGH = True` gets everything behind its
name, unparsed, as `args.arguments`.
"""

from __future__ import annotations

import argparse
import inspect
import io
import logging
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ..errors import AnimeSRError


class Command(Protocol):
    """A module that implements a command."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to its parser."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command and return the exit code."""


type Commands = Mapping[str, Command]


class _Help(NamedTuple):
    summary: str
    description: str
    example: str


def build_parser(prog: str, description: str, commands: Commands) -> argparse.ArgumentParser:
    """Build the parser of a program that consists of commands. Its help shows the first example of each command."""
    examples = [_read_help(command).example.partition("\n")[0] for command in commands.values()]
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog="\n".join(["examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_commands(parser, commands, "command")
    return parser


def add_commands(parser: argparse.ArgumentParser, commands: Commands, name: str) -> None:
    """Add a subparser for each command; the chosen command becomes the attribute `name` of the parsed arguments."""
    subparsers = parser.add_subparsers(dest=name, required=True, metavar=name)
    for each, command in commands.items():
        summary, description, example = _read_help(command)
        subparser = subparsers.add_parser(
            each,
            help=summary,
            description=description,
            epilog=f"example:\n{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=not _passes_through(command),
        )
        command.add_arguments(subparser)


def run_program(
    parser: argparse.ArgumentParser, commands: Commands, arguments: Sequence[str] | None, *, label: str = ""
) -> int:
    """Parse the arguments and run the command.

    Args:
        arguments: the arguments after the program's name; None for those of this process.
        label: text before each line that the program writes to stderr.

    Returns:
        The command's exit code. Wrong usage raises `SystemExit` with code 2.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a pipe of Windows takes the characters of one language only
    args, rest = parser.parse_known_args(arguments)
    command = commands[args.command]
    if _passes_through(command):
        args.arguments = [*rest, *args.arguments]  # argparse stops at the first positional argument
    else:
        # argparse does not accept name=value behind an option.
        wrong = [text for text in rest if text.startswith("-") or "=" not in text or "assignments" not in args]
        if wrong:
            parser.error(f"unrecognized arguments: {' '.join(wrong)}")
        if rest:
            args.assignments += rest
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=f"{label}%(message)s")
    return command.run(args)


def exit_code(run: Callable[[], int], *, label: str = "") -> int:
    """Call `run` and return its exit code. After an `AnimeSRError`, print it on stderr and return 1; after Ctrl-C, 130.

    Args:
        label: text before the error, in place of "error: ".
    """
    try:
        return run()
    except AnimeSRError as error:
        print(f"{label or 'error: '}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{label}cancelled", file=sys.stderr)
        return 130


def _passes_through(command: Command) -> bool:
    return bool(getattr(command, "PASS_THROUGH", False))


def _read_help(command: Command) -> _Help:
    """Split a command's docstring into summary, description and example."""
    text, _, example = inspect.cleandoc(command.__doc__ or "").partition("\n\nExample:\n")
    width = shutil.get_terminal_size().columns - 2  # as argparse itself
    paragraphs = [textwrap.fill(paragraph, width) for paragraph in text.split("\n\n")]
    # argparse expands %.
    return _Help(text.partition("\n")[0].replace("%", "%%"), "\n\n".join(paragraphs), example.replace("%", "%%"))
