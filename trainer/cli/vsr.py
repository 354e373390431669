"""The stages of training the network: the name of a command is the name of its stage."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from vsanimesr.network.colour import Colour

from ..advice.hq import advise_on_hq
from ..advice.memory import card_assignments
from ..advice.sources import require_fit_hq
from ..core import checkpoints
from ..core.config import PRESETS
from ..core.fabric import is_first_process
from ..data.clips import open_clip
from ..lbo.effect import read_effect, warn_if_worse
from ..vsr.config import VSRConfig, configure, preset
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
sampling.size=192; python -m trainer settings --stage {stage} lists them. For N GPUs: torchrun --standalone
--nproc_per_node=N -m trainer {stage} ...

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
        add_renew(parser)
        add_as_is(parser)
        add_gpu_memory(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Train, or resume a run that was stopped."""
        name, assignments = preset_and_changes(args)
        settings = preset(self._stage, name)
        if args.gpu_memory:
            assignments = [*card_assignments(settings, assignments, args.gpu_memory), *assignments]
        settings = configure(settings, assignments)
        if is_first_process() and not checkpoints.paths_in(args.run):
            operators = [Path(each).expanduser() for each in settings.lbo_pool]
            if settings.data:
                _look_at(Path(settings.data).expanduser(), operators, settings, as_is=args.as_is)
            for operator in operators:
                warn_if_worse(read_effect(operator), operator)
        train(settings, args.run, renew=args.renew)
        return 0


def _look_at(data: Path, operators: Sequence[Path], settings: VSRConfig, *, as_is: bool) -> None:
    """Refuse HQ that is combed or anamorphic, and say whether it is enough, and as soft as what operators learned from.

    A folder without clips is refused later, with better words.
    """
    if not as_is:
        require_fit_hq(data)
    if data.is_dir() and any(map(open_clip, data.iterdir())) and settings.stage == "vsr-final":
        advise_on_hq(data, operators, settings.sampling.zoom)


def add_preset(parser: argparse.ArgumentParser) -> None:
    """Add the arguments `preset`, which may be omitted, and `assignments`."""
    parser.add_argument("preset", nargs="?", help=f"{', '.join(PRESETS)} (default: paper)")
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="settings that differ from the preset")


def add_renew(parser: argparse.ArgumentParser) -> None:
    """Add the argument `renew`."""
    parser.add_argument(
        "--renew", action="store_true", help="train again what was trained with other settings or sources"
    )


def add_as_is(parser: argparse.ArgumentParser) -> None:
    """Add the argument `as_is`."""
    parser.add_argument(
        "--as-is", action="store_true", help="take sources that look combed, or are anamorphic, as they are"
    )


def add_colour(parser: argparse.ArgumentParser, flag: str = "--pseudo-hq-colour") -> None:
    """Add the argument `pseudo_hq_colour`."""
    parser.add_argument(
        flag,
        dest="pseudo_hq_colour",
        choices=get_args(Colour.__value__),
        default="source",
        help="whose colours pseudo-HQ has: the episode's, or as the network shifts them (default: source)",
    )


def add_gpu_memory(parser: argparse.ArgumentParser) -> None:
    """Add the argument `gpu_memory`."""
    parser.add_argument(
        "--gpu-memory",
        type=float,
        metavar="GB",
        help="memory of the GPU, such as 8, 12 or 24: sets batch=16, parts, precision, recompute to fit",
    )


def preset_and_changes(args: argparse.Namespace, usual: str = "paper") -> tuple[str, list[str]]:
    """Return the name of the preset, `usual` if it is omitted, and all `name=value`."""
    if args.preset is None or "=" in args.preset:
        return usual, [*([args.preset] if args.preset else []), *args.assignments]
    return args.preset, list(args.assignments)
