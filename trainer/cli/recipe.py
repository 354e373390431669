"""Train a network for the faults of these episodes: pairs, operators, final stage, export.

Learns an operator from each LQ episode, finetunes the network with all of them, and writes model.safetensors, and
report.html, which shows the episodes upscaled before and after. Resumes if it was stopped. Settings of the network's
training are changed by name=value, those of the operators' training by lbo.name=value; python -m trainer settings
finetune --stage vsr-final lists the former, with --stage lbo-gan the latter. Prints a script that uses the network.

With --preset paper, the network is trained as in the paper: from random weights by L1, then with the perceptual and GAN
losses, 300,000 steps each. l1.name=value changes the first stage alone.

Example:
  python -m trainer recipe old1.mkv old2.mkv --data clips -o runs/old
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..advice.memory import card_assignments
from ..core.config import PRESETS
from ..core.start import RANDOM
from ..recipe import FIRST_PREFIX, OPERATOR_PREFIX, STAGE, TWO_STAGES, Recipe, run_recipe, write_script
from ..vsr.config import preset
from .vsr import add_as_is, add_colour, add_gpu_memory, add_renew

RELEASED = "v2"
"""Released network that is used unless another is named."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "episodes", nargs="+", type=Path, metavar="EPISODE", help="LQ episodes: videos, or folders of images"
    )
    parser.add_argument("-o", "--folder", type=Path, required=True, metavar="FOLDER", help="folder for all results")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="folder of HQ clips")
    parser.add_argument("--preset", choices=PRESETS, default="finetune", help="preset (default: finetune)")
    parser.add_argument(
        "--model", help=f"network that is finetuned (default: {RELEASED}; with --preset paper, random weights)"
    )
    parser.add_argument(
        "--pseudo-hq-model",
        metavar="MODEL",
        help=f"network that makes pseudo-HQ; the paper's is a run without operators (default: --model, or {RELEASED})",
    )
    parser.add_argument("--count", type=int, default=200, help="maximum number of clips per episode (default: 200)")
    add_colour(parser)
    parser.add_argument("--factor", type=float, help="factor for all episodes (default: the suggested one for each)")
    parser.add_argument("--no-estimate", action="store_true", help="begin at once, without a trial of each stage")
    add_renew(parser)
    add_as_is(parser)
    add_gpu_memory(parser)
    parser.set_defaults(assignments=[])


def run(args: argparse.Namespace) -> int:
    """Follow the recipe, and print a script that uses the network."""
    start = args.model or (RANDOM if args.preset in TWO_STAGES else RELEASED)
    recipe = Recipe(
        episodes=args.episodes,
        data=args.data,
        folder=args.folder,
        upscaler=args.pseudo_hq_model or args.model or RELEASED,
        preset=args.preset,
        count=args.count,
        factor=args.factor,
        colour=args.pseudo_hq_colour,
        renew=args.renew,
        start=start,
        estimate=not args.no_estimate,
        as_is=args.as_is,
    )
    assignments = args.assignments
    if args.gpu_memory:
        own = [text for text in assignments if not text.startswith((OPERATOR_PREFIX, FIRST_PREFIX))]
        assignments = [*card_assignments(preset(STAGE, args.preset), own, args.gpu_memory), *assignments]
    if model := run_recipe(recipe, assignments):
        print(write_script(model, args.episodes[0]))
    return 0
