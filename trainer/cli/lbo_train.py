"""Train an operator on the pairs in a folder.

Trains both stages, or resumes them if they were stopped, and writes operator.safetensors and patches.png into the
folder. Settings are changed by name=value, for example batch=8 operator.features=32; python -m trainer settings --stage
lbo-l1 lists them.

Example:
  python -m trainer lbo train lbo1
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..lbo.config import STAGES, OperatorConfig, preset
from ..lbo.train import train_stages
from ..settings import override
from .vsr import add_preset, add_renew, preset_and_changes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("folder", type=Path, help="folder with pairs, from lbo pairs")
    add_preset(parser)
    parser.add_argument("--stage", choices=STAGES, help="train only this stage (default: both, in order)")
    add_renew(parser)


def run(args: argparse.Namespace) -> int:
    """Train the operator."""
    name, assignments = preset_and_changes(args)

    def config(stage: str) -> OperatorConfig:
        return override(preset(stage, name), assignments)

    train_stages(args.folder, config, [args.stage] if args.stage else STAGES, renew=args.renew)
    return 0
