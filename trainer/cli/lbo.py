"""`lbo`: learnable basic operators: pairs out of an episode, and an operator out of pairs."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ..clips import opened_clip
from ..errors import PairError
from ..lbo.learned import learn
from ..lbo.making import make_pairs
from ..lbo.stages import STAGES
from ..picker.server import picked
from ..stages import PRESETS
from .presets import preset_and_changes


def add_to(commands: Any) -> None:
    """Add the command, with one of its own for each step, to a parser's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "lbo",
        help="learn a degradation from a real LQ episode",
        description="Learnable basic operators: an episode becomes pairs, pairs become an operator, operators become "
        "lbo_pool=[...] of vsr-final.",
    )
    steps = parser.add_subparsers(required=True, metavar="STEP")
    _add_pairs(steps)
    _add_train(steps)


def _add_pairs(steps: Any) -> None:
    parser: argparse.ArgumentParser = steps.add_parser(
        "pairs",
        help="make pairs of LQ and pseudo-HQ out of an episode",
        description="Chooses parts of an LQ episode, upscales them shrunk by several factors, lets you choose the "
        "factor at which its faults are gone and its detail is not, and makes pseudo-HQ with it.",
    )
    parser.add_argument("episode", type=Path, help="a video, or a folder of pictures")
    parser.add_argument("-o", "--folder", type=Path, required=True, metavar="FOLDER", help="where the pairs are kept")
    parser.add_argument("--model", default="v2", help="what upscales: v1, v2, a run or a file; default: v2")
    parser.add_argument("--count", type=int, default=200, help="of clips of 10 frames, at most; default: 200")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--factor", type=float, help="take this factor, for example 0.5")
    how.add_argument("--suggest", action="store_true", help="take the factor that sharpness and artefacts suggest")
    parser.add_argument("--port", type=int, default=0, help="of the page to choose on; default: any that is free")
    parser.set_defaults(run_command=_pairs)


def _pairs(given: argparse.Namespace) -> None:
    episode = opened_clip(given.episode, "episode")
    if given.count < 1:
        raise PairError(f"--count {given.count} is refused; give 1 or more: 200 clips are what the paper has")
    picks = None if given.suggest else partial(picked, announce=_announce, port=given.port)
    make_pairs(episode, given.folder, model=given.model, count=given.count, factor=given.factor, picks=picks)


def _announce(address: str) -> None:
    print(f"choose a factor on {address}", file=sys.stderr)


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
    name, assignments = preset_and_changes(given)
    learn(given.folder, name, assignments, [given.stage] if given.stage else STAGES)
