"""Train and score the ablations of the paper's table 2 at a budget of your choice.

Networks are trained with each degradation (basic operators only, NN-only, one operator, a pool), with each operator
alone, single- and multi-scale, and on two sets of HQ clips; with several seeds. All are scored on a set that nothing is
trained on. The table has means with intervals over seeds and clips, and says which of the paper's orders hold beyond
chance. A row whose input is not given is left out. It goes on where it was stopped; with --minutes it stops by itself.

name=value sets all networks, lbo.name=value all operators. Up to 20,000 steps take the weights of the losses, the EMA
and the schedule of short runs.

Example:
  python -m trainer table2 old1.mkv old2.mkv old3.mkv --data clips --other clips2 --scored set -o out --steps 3000
  python -m trainer table2 old1.mkv --data clips --scored set -o out --start v2 --steps 500 --dry-run
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from ..core.config import PRESETS
from ..errors import SettingError
from .evaluate import PACKAGES
from .outputs import write_texts, writing
from .packages import require_packages
from .vsr import add_as_is, add_colour, add_renew

TEXT = "results.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "episodes", nargs="+", type=Path, metavar="EPISODE", help="LQ episodes (the paper has three): videos, or images"
    )
    parser.add_argument("-o", dest="folder", type=Path, required=True, metavar="FOLDER", help="runs and results")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="HQ clips to train with")
    parser.add_argument("--other", type=Path, metavar="FOLDER", help="other HQ clips, for the training set ablation")
    parser.add_argument(
        "--scored",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the set: LQ clips; or folders lq and hq, which adds PSNR and LPIPS",
    )
    parser.add_argument("--steps", type=int, default=300_000, help="of each stage of a network (default: 300000)")
    parser.add_argument("--l1-steps", type=int, metavar="STEPS", help="of the stage by L1 (default: as --steps)")
    parser.add_argument(
        "--operator-steps",
        type=int,
        metavar="STEPS",
        help="of each stage of operators, and of NN-only (default: a third of --steps, at least 3000)",
    )
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each network (default: 3)")
    parser.add_argument("--minutes", type=float, help="begin no job that would take longer than this from now")
    parser.add_argument("--start", default="", metavar="MODEL", help="start from a network (default: random weights)")
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="preset (default: paper)")
    parser.add_argument("--count", type=int, default=200, help="maximum number of clips per episode (default: 200)")
    parser.add_argument("--factor", type=float, help="factor for all episodes (default: the suggested one for each)")
    add_colour(parser)
    parser.add_argument("--frames", type=int, default=100, help="maximum number of frames per clip (default: 100)")
    parser.add_argument("--every", type=int, default=10, metavar="N", help="slow measures of every Nth (default: 10)")
    parser.add_argument("--maniqa", type=Path, metavar="FILE", help="weights of MANIQA, which adds it (needs pyiqa)")
    parser.add_argument("--dry-run", action="store_true", help="list the jobs and their times, and train nothing")
    add_renew(parser)
    add_as_is(parser)
    parser.set_defaults(assignments=[])


def run(args: argparse.Namespace) -> int:
    """Print the table.

    Raises:
        MissingDependencyError: a package of the extra evaluate is not installed.
        TrainerError: an input or a setting cannot be used, before anything is made; or a job fails.
    """
    require_packages("evaluate", PACKAGES)
    # Not at the top: these modules need the packages.
    from ..table2.inputs import Inputs
    from ..table2.scores import Scoring
    from ..table2.study import Study

    if args.seeds < 1 or (args.minutes is not None and args.minutes <= 0):
        raise SettingError(f"--seeds {args.seeds} and --minutes {args.minutes} have to be above 0")
    inputs = Inputs(
        episodes=args.episodes,
        data=args.data,
        folder=args.folder,
        other=args.other,
        steps=args.steps,
        l1_steps=args.l1_steps,
        own_operator_steps=args.operator_steps,
        start=args.start,
        preset=args.preset,
        count=args.count,
        factor=args.factor,
        colour=args.pseudo_hq_colour,
        assignments=args.assignments,
        renew=args.renew,
    )
    inputs.check(as_is=args.as_is)
    scoring = Scoring.open(args.scored, frames=args.frames, every=args.every, maniqa=args.maniqa)
    study = Study(inputs, scoring, args.seeds)
    if args.dry_run:
        print(study.plan(), end="")
        return 0
    begin = time.monotonic()
    with writing(args.folder):
        study.begin()
    left = None if args.minutes is None else 60 * args.minutes - (time.monotonic() - begin)
    try:
        done = study.work(left)
    finally:  # what is known after an error, too
        results = study.results()
        write_texts(args.folder, {TEXT: results.to_markdown(), **results.to_csv()})
    print(results.to_markdown(), end="")
    if not done:
        print("start the same command again to go on", file=sys.stderr)
    return 0
