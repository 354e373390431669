"""Train networks; same as `python -m trainer`.

All arguments are passed to the trainer. For training on several GPUs use torchrun with `-m trainer`.

Example:
  animesr train vsr-l1 paper data=clips -o runs/l1
"""

from __future__ import annotations

import argparse

from .. import installation

PASS_THROUGH = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("arguments", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    """Run the trainer's command line."""
    return installation.load_trainer()(args.arguments, prog="animesr train")
