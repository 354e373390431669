"""The command `animesr`, with one module per command (see `program`)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from .. import installation
from . import bench, build, compare, doctor, program, scenes, train, upscale, verify, weights

COMMANDS: program.Commands = {
    "upscale": upscale,
    "verify": verify,
    "weights": weights,
    "build": build,
    "doctor": doctor,
    "bench": bench,
    "scenes": scenes,
    "compare": compare,
    "train": train,
}
LABEL = "animesr: "


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` holds the arguments after the program's name.

    Returns:
        0; 1 after an error, which is printed on stderr; or 130 after Ctrl-C. Wrong usage raises `SystemExit` with code
        2.
    """
    return program.exit_code(lambda: _run(argv), label=LABEL)


def _run(argv: Sequence[str] | None) -> int:
    installation.require_own_package()
    parser = program.build_parser("animesr", "Tools for core.animesr.Upscale.", COMMANDS)
    parser.add_argument("--version", action="version", version=f"animesr {version(installation.DISTRIBUTION)}")
    return program.run_program(parser, COMMANDS, argv, label=LABEL)
