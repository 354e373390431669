"""Learn a degradation from a real LQ episode.

Learnable basic operators: pairs are made from an episode, an operator is trained on the pairs, and the operators are
lbo_pool=[...] of vsr-final.

Example:
  python -m trainer lbo pairs old1.mkv -o lbo1
"""

from __future__ import annotations

import argparse

from vsanimesr.cli import program

from . import lbo_pairs, lbo_train

PARTS: program.Commands = {"pairs": lbo_pairs, "train": lbo_train}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of both parts."""
    program.add_commands(parser, PARTS, "part")


def run(args: argparse.Namespace) -> int:
    """Make pairs, or train."""
    return PARTS[args.part].run(args)
