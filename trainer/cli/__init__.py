"""The trainer's command line, `python -m trainer`, with one module per command (see `vsanimesr.cli.program`)."""

from __future__ import annotations

from collections.abc import Sequence

from vsanimesr.cli import program

from . import bench, dataset, debug, degrade, distil, evaluate, export, lbo, prepare, recipe, settings, table2, vsr

DESCRIPTION = "Train AnimeSR. Settings are changed by name=value; the command settings lists them."
COMMANDS: program.Commands = {
    **{stage: vsr.Stage(stage) for stage in vsr.SUMMARIES},
    "prepare": prepare,
    "dataset": dataset,
    "lbo": lbo,
    "recipe": recipe,
    "distil": distil,
    "settings": settings,
    "evaluate": evaluate,
    "table2": table2,
    "export": export,
    "degrade": degrade,
    "debug": debug,
    "bench": bench,
}


def main(arguments: Sequence[str] | None = None, *, prog: str = "python -m trainer") -> int:
    """Run one command.

    Args:
        arguments: the arguments after the program's name; None for those of this process.
        prog: the program's name in help texts.

    Returns:
        0; 1 after an error, which is printed on stderr; or 130 after Ctrl-C. Wrong usage raises `SystemExit` with code
        2.
    """
    parser = program.build_parser(prog, DESCRIPTION, COMMANDS)
    return program.exit_code(lambda: program.run_program(parser, COMMANDS, arguments))
