"""Train a network for the faults of these episodes: pairs, operators, final stage, export.

Learns an operator from each LQ episode, finetunes the network with all of them, and writes model.safetensors. Resumes
if it was stopped. Settings of the final stage are changed by name=value, those of the operators' training by
lbo.name=value; python -m trainer settings lists them. Prints a script that uses the network.

Example:
  python -m trainer recipe old1.mkv old2.mkv --data clips -o runs/old
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..core.config import PRESETS
from ..recipe import Recipe, run_recipe, write_script


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "episodes", nargs="+", type=Path, metavar="EPISODE", help="LQ episodes: videos, or folders of images"
    )
    parser.add_argument("-o", "--folder", type=Path, required=True, metavar="FOLDER", help="folder for all results")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="folder of HQ clips")
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="preset (default: paper)")
    parser.add_argument("--model", default="v2", help="network that makes pseudo-HQ and is finetuned (default: v2)")
    parser.add_argument("--count", type=int, default=200, help="maximum number of clips per episode (default: 200)")
    parser.add_argument("--factor", type=float, help="factor for all episodes (default: the suggested one for each)")
    parser.set_defaults(assignments=[])


def run(args: argparse.Namespace) -> int:
    """Follow the recipe, and print a script that uses the network."""
    recipe = Recipe(
        episodes=args.episodes,
        data=args.data,
        folder=args.folder,
        upscaler=args.model,
        preset=args.preset,
        count=args.count,
        factor=args.factor,
    )
    if model := run_recipe(recipe, args.assignments):
        print(write_script(model, args.episodes[0]))
    return 0
