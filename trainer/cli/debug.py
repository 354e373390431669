"""Test the installation: write tiny clips and an episode, and train on them.

Trains some steps of each stage with a tiny network: L1, GAN, an operator, and the final stage with it, where another
process loads the clips. Takes some seconds. Only the perceptual loss is left out, as its weights have to be fetched:
with losses.perceptual.weight=1 it takes part. What an earlier run has trained is trained again.

Example:
  python -m trainer debug
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path

from ..core.run import SETTINGS_FILE, remove_run
from ..data.clips import require_clip
from ..data.toy_clips import write_toy_clips, write_toy_episode
from ..errors import TrainerError
from ..lbo import config as lbo_config
from ..lbo import folder
from ..lbo.pairs import make_pairs
from ..lbo.train import train_stages
from ..settings import override
from ..vsr.config import VSRConfig, preset
from ..vsr.train import train

_log = logging.getLogger(__name__)

WITH_PERCEPTUAL = "losses.perceptual.weight=1"
FACTOR = 0.5
COUNT = 2
LAST_STEPS = 3
"""Steps of the final stage, which are slower."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "assignments", nargs="*", metavar="NAME=VALUE", help="settings that differ from the preset debug"
    )
    parser.add_argument(
        "-o", "--run", type=Path, default=Path("debug"), metavar="FOLDER", help="folder of the run (default: debug)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the clips and train."""
    out: Path = args.run
    clips, episode, operator = out / "clips", out / "episode", out / "lbo"
    try:
        write_toy_clips(clips)
        write_toy_episode(episode)
    except OSError as error:
        raise TrainerError(f"{out} cannot be written ({error.strerror or error}); use another folder for -o") from error

    def train_stage(stage: str, **more: object) -> str:
        run = out / stage
        remove_run(run)
        settings: Mapping[str, object] = {"data": str(clips), **more}
        train(override(preset(stage, "debug").model_copy(update=settings), args.assignments), run)
        return str(run)

    first = train_stage("vsr-l1")
    train_stage("vsr-gan", start=first)
    make_pairs(require_clip(episode, "episode"), operator, model=first, count=COUNT, factor=FACTOR, pick_factor=None)
    for stage in lbo_config.STAGES:
        remove_run(folder.run(operator, stage))
    train_stages(operator, lambda stage: lbo_config.preset(stage, "debug"))
    run = Path(train_stage("vsr-final", start=first, lbo_pool=(str(operator),), workers=1, steps=LAST_STEPS))
    config = VSRConfig.model_validate_json((run / SETTINGS_FILE).read_bytes())
    left_out = (
        "" if config.losses.perceptual.weight else f", but for the perceptual loss: {WITH_PERCEPTUAL} takes it too"
    )
    _log.info("all stages work%s", left_out)
    return 0
