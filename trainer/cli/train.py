"""`vsr-l1`, `vsr-gan`: the stages of training."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..settings import changed
from ..stages import PRESETS, STAGES, preset
from ..training import train
from .presets import preset_and_changes

SAID = {
    "vsr-l1": "train by L1: the first stage",
    "vsr-gan": "train by L1, perceptual and GAN losses: the second stage, from start=RUN of the first",
    "vsr-final": "the second stage with learned operators, lbo_pool=[LBO,...], from start=RUN of the first",
}


def add_to(commands: Any) -> None:
    """Add a command for each stage to a parser's."""
    for stage in STAGES:
        parser: argparse.ArgumentParser = commands.add_parser(
            stage,
            help=SAID[stage],
            description="Trains, or goes on where the run was stopped. Settings are changed by name=value, for example "
            "batch=2 sampling.size=192; all of them are in settings.json of the run. Several GPUs: torchrun "
            f"--nproc_per_node=N -m trainer {stage} ...",
        )
        parser.add_argument("preset", nargs="?", help=f"{', '.join(PRESETS)}; default: paper")
        parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="changes of the preset")
        parser.add_argument("-o", "--run", type=Path, required=True, metavar="FOLDER", help="where the run is kept")
        parser.set_defaults(run_command=partial(run, stage))


def run(stage: str, given: argparse.Namespace) -> None:
    """Train."""
    name, assignments = preset_and_changes(given)
    train(changed(preset(stage, name), assignments), given.run)
