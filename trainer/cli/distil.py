"""Train a small network, the student, to give the pictures of a large one, its teacher.

The student is cut out of the teacher: the channels that contribute most, with weights fitted anew. Then it learns the
teacher's frames and recurrent state on HQ clips that are degraded in several ways, clean ones among them. Starts a run,
or resumes it if it was stopped. Settings are changed by name=value; python -m trainer settings --stage distil lists
them. The result is exported as any network: python -m trainer export.

Example:
  python -m trainer distil v2 fast data=clips -o runs/fast
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vsanimesr.weights.release import MODEL_NAMES

from ..advice.sources import require_fit_hq
from ..core import checkpoints
from ..core.fabric import is_first_process
from ..distil.train import distil
from ..settings import override
from ..vsr.config import DISTIL_PRESETS, distil_preset
from .vsr import add_as_is, add_renew, preset_and_changes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("teacher", help=f"{', '.join(MODEL_NAMES)}, a weights file, a checkpoint or a run")
    parser.add_argument("preset", nargs="?", help=f"{', '.join(DISTIL_PRESETS)} (default: {DISTIL_PRESETS[0]})")
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="settings that differ from the preset")
    parser.add_argument("-o", "--run", type=Path, required=True, metavar="FOLDER", help="folder of the run")
    add_renew(parser)
    add_as_is(parser)


def run(args: argparse.Namespace) -> int:
    """Train, or resume a run that was stopped."""
    name, assignments = preset_and_changes(args, DISTIL_PRESETS[0])
    settings = override(distil_preset(args.teacher, name), assignments)
    if settings.data and not args.as_is and is_first_process() and not checkpoints.paths_in(args.run):
        require_fit_hq(Path(settings.data).expanduser())
    distil(settings, args.run, renew=args.renew)
    return 0
