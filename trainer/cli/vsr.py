"""The stages of training the network: the name of a command is the name of its stage."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..core.config import PRESETS
from ..settings import override
from ..vsr.config import preset
from ..vsr.train import train

SUMMARIES = {
    "vsr-l1": (
        "Train the network by L1: the first stage.",
        "data=clips -o runs/l1",
    ),
    "vsr-gan": (
        "Train the network by L1, perceptual and GAN losses: the second stage, from start=RUN of the first.",
        "data=clips start=runs/l1 -o runs/gan",
    ),
    "vsr-final": (
        "Train the second stage with learned operators, lbo_pool=[FOLDER,...], from start=RUN of the first.",
        "data=clips start=v2 lbo_pool=[lbo1,lbo2] -o runs/final",
    ),
}
"""Of each stage: the first line of its help, and the arguments of its example."""

HELP = """{summary}

Starts a run, or resumes it if it was stopped. Settings are changed by name=value, for example batch=2
sampling.size=192; python -m trainer settings --stage {stage} lists them. For N GPUs: torchrun --nproc_per_node=N -m
trainer {stage} ...

Example:
  python -m trainer {stage} paper {example}
"""


class Stage:
    """The command that trains one stage."""

    def __init__(self, stage: str) -> None:
        summary, example = SUMMARIES[stage]
        self._stage = stage
        self.__doc__ = HELP.format(stage=stage, summary=summary, example=example)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command's arguments."""
        add_preset(parser)
        parser.add_argument("-o", "--run", type=Path, required=True, metavar="FOLDER", help="folder of the run")

    def run(self, args: argparse.Namespace) -> int:
        """Train, or resume a run that was stopped."""
        name, assignments = preset_and_changes(args)
        train(override(preset(self._stage, name), assignments), args.run)
        return 0


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Add the arguments `preset`, which may be omitted, and `assignments`."""
    parser.add_argument("preset", nargs="?", help=f"{', '.join(PRESETS)} (default: paper)")
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="settings that differ from the preset")


def preset_and_changes(args: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the name of the preset, `paper` if it is omitted, and all `name=value`."""
    if args.preset is None or "=" in args.preset:
        return "paper", [*([args.preset] if args.preset else []), *args.assignments]
    return args.preset, list(args.assignments)
