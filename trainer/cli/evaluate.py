"""`evaluate`: networks on clips that they were not trained on, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ..clips import find_clips
from ..degradation.settings import PRESETS
from ..evaluation import Score, means, scores
from ..metrics import Lpips
from ..settings import changed
from ..stand_in import read_stand_in
from ..weights import opened


def add_to(commands: Any) -> None:
    """Add the command to a parser's."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "evaluate",
        help="measure networks on clips that they were not trained on",
        description="Degrades each clip once and prints, for bicubic and each network, PSNR of luma (dB, more is "
        "better) and LPIPS (less is better). Settings of the degradation are changed by name=value.",
    )
    parser.add_argument("networks", nargs="+", metavar="NETWORK", help="v1, v2, a run, a checkpoint, or a weights file")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="of HQ clips")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="paper", help="of the degradation; default: paper")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--frames", type=int, default=24, help="of each clip, at most; default: 24")
    parser.add_argument("--every", type=int, default=8, help="how manieth of them LPIPS is of; default: 8")
    parser.set_defaults(run_command=run, assignments=[])


def run(given: argparse.Namespace) -> None:
    """Print a table."""
    networks = {name: opened(name) for name in given.networks}
    settings = changed(PRESETS[given.preset], given.assignments)
    found = list(
        scores(
            networks,
            find_clips(given.data),
            settings,
            Lpips(read_stand_in()),
            seed=given.seed,
            frames=given.frames,
            every=given.every,
        )
    )
    _print([*found, *means(found)])


def _print(found: Iterable[Score]) -> None:
    table = Table("clip", "", "PSNR-Y", "LPIPS")
    for score in found:
        table.add_row(score.clip, score.upscaler, f"{score.psnr_y:.2f}", f"{score.lpips:.4f}")
    Console().print(table)
