"""`recipe`: everything between bad old episodes and a network that repairs them, unattended."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..recipe import Recipe, follow, script
from ..stages import PRESETS


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "recipe",
        help="train a network for the faults of these episodes: pairs, operators, final stage, export",
        description="Learns an operator from each LQ episode, finetunes the network with all of them, and writes "
        "model.safetensors; goes on where it was stopped. Settings of the final stage are changed by name=value, those "
        "of the operators' training by lbo.name=value.",
    )
    parser.add_argument("episodes", nargs="+", type=Path, metavar="EPISODE", help="LQ: videos, or folders of pictures")
    parser.add_argument("-o", "--folder", type=Path, required=True, metavar="FOLDER", help="where everything is kept")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="of HQ clips")
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="default: paper")
    parser.add_argument("--model", default="v2", help="what makes pseudo-HQ, and is finetuned; default: v2")
    parser.add_argument("--count", type=int, default=200, help="of clips out of each episode, at most; default: 200")
    parser.add_argument("--factor", type=float, help="of all episodes; default: what is suggested for each")
    parser.set_defaults(run_command=run, assignments=[])


def run(given: argparse.Namespace) -> None:
    """Follow the recipe, and print the script that uses what it made."""
    recipe = Recipe(
        episodes=given.episodes,
        data=given.data,
        folder=given.folder,
        upscaler=given.model,
        preset=given.preset,
        count=given.count,
        factor=given.factor,
    )
    if model := follow(recipe, given.assignments):
        print(script(model, given.episodes[0]))
