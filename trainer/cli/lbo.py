"""`lbo`: learnable basic operators: pairs out of an episode, and an operator out of pairs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..lbo.learned import learn
from ..lbo.stages import STAGES
from ..stages import PRESETS


def add_to(commands: Any) -> None:
    """Add the command, with one of its own for each step, to a parser's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lbo",
        help="learn a degradation from a real LQ episode",
        description="Learnable basic operators: an episode becomes pairs, pairs become an operator, operators become "
        "lbo_pool=[...] of vsr-final.",
    )
    steps = parser.add_subparsers(required=True, metavar="STEP")
    _add_train(steps)


def _add_train(steps: Any) -> None:
    parser: argparse.ArgumentParser = steps.add_parser(
        "train",
        help="learn an operator from the pairs in a folder",
        description="Trains both stages, or goes on where they were stopped, and writes operator.safetensors and "
        "patches.png into the folder. Settings are changed by name=value, for example batch=8 operator.features=32.",
    )
    parser.add_argument("folder", type=Path, help="what lbo pairs made")
    parser.add_argument("preset", nargs="?", help=f"{', '.join(PRESETS)}; default: paper")
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="changes of the preset")
    parser.add_argument("--stage", choices=STAGES, help="the only one to train; default: both, in order")
    parser.set_defaults(run_command=_train)


def _train(given: argparse.Namespace) -> None:
    assignments = list(given.assignments)
    name = given.preset or "paper"
    if "=" in name:  # the preset was left out
        assignments.insert(0, name)
        name = "paper"
    learn(given.folder, name, assignments, [given.stage] if given.stage else STAGES)
