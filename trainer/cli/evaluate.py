"""Measure networks on clips that they were not trained on.

Degrades each clip once and prints, for bicubic and each network, PSNR of luma (dB, higher is better) and LPIPS (lower
is better). Settings of the degradation are changed by name=value, for example noise.sigma=[0,5]; python -m trainer
settings degradation lists them, with the prefix degradation.

Example:
  python -m trainer evaluate v2 runs/l1 runs/gan --data held-out
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..data.clips import find_clips
from ..degradation.settings import PRESETS
from ..losses.metrics import Lpips
from ..losses.vgg.lpips_vgg16 import read_lpips_vgg16
from ..settings import override
from ..vsr.evaluation import Score, mean_scores, score_clips
from ..vsr.weights import load_network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("networks", nargs="+", metavar="NETWORK", help="v1, v2, a run, a checkpoint, or a weights file")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="folder of HQ clips")
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="paper", help="preset of the degradation (default: paper)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random values (default: 0)")
    parser.add_argument("--frames", type=int, default=24, help="maximum number of frames per clip (default: 24)")
    parser.add_argument("--every", type=int, default=8, metavar="N", help="LPIPS of every Nth frame (default: 8)")
    parser.set_defaults(assignments=[])


def run(args: argparse.Namespace) -> int:
    """Print a table."""
    networks = {name: load_network(name) for name in args.networks}
    settings = override(PRESETS[args.preset], args.assignments)
    scores = list(
        score_clips(
            networks,
            find_clips(args.data),
            settings,
            Lpips(read_lpips_vgg16()),
            seed=args.seed,
            frames=args.frames,
            every=args.every,
        )
    )
    _print([*scores, *mean_scores(scores)])
    return 0


def _print(scores: Iterable[Score]) -> None:
    table = Table("clip", "", "PSNR-Y", "LPIPS")
    for score in scores:
        table.add_row(score.clip, score.upscaler, f"{score.psnr_y:.2f}", f"{score.lpips:.4f}")
    Console().print(table)
