"""Measure networks on clips that they were not trained on.

Degrades each clip once and prints, for bicubic and each network, PSNR of luma (dB, higher is better) and LPIPS (lower
is better), on the GPU that PyTorch finds, else on the CPU. Settings of the degradation are changed by name=value, for
example noise.sigma=[0,5]; python -m trainer settings degradation lists them, with the prefix degradation.

With --lq there is no HQ to compare with, and so no quality: it prints how steep edges are, how much texture flat areas
have and how much held areas flicker, and writes crops side by side to look at.

Example:
  python -m trainer evaluate v2 runs/l1 runs/gan --data held-out
  python -m trainer evaluate v2 runs/final --lq old1.mkv --show look.png
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from math import isnan
from pathlib import Path

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from vsanimesr.network.torch_network import AnimeSR
from vsanimesr.weights.release import MODEL_NAMES

from ..data.clips import Clip, find_clips, require_clip
from ..degradation.settings import PRESETS
from ..errors import TrainerError
from ..losses.metrics import Lpips
from ..losses.vgg.lpips_vgg16 import read_lpips_vgg16
from ..settings import override
from ..vsr.blind import look
from ..vsr.evaluation import Score, mean_scores, score_clips
from ..vsr.weights import load_network


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "networks",
        nargs="+",
        metavar="NETWORK",
        help=f"{', '.join(MODEL_NAMES)}, a run, a checkpoint, or a weights file",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, metavar="FOLDER", help="folder of HQ clips")
    what.add_argument("--lq", type=Path, metavar="EPISODE", help="an LQ video or a folder of images, without HQ")
    parser.add_argument(
        "--show",
        type=Path,
        default=Path("look.png"),
        metavar="PNG",
        help="with --lq: picture to write (default: look.png)",
    )
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="paper", help="preset of the degradation (default: paper)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random values (default: 0)")
    parser.add_argument("--frames", type=int, default=24, help="maximum number of frames per clip (default: 24)")
    parser.add_argument("--every", type=int, default=8, metavar="N", help="LPIPS of every Nth frame (default: 8)")
    parser.set_defaults(assignments=[])


def run(args: argparse.Namespace) -> int:
    """Print a table."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # scores must not depend on the card
    networks = {name: load_network(name).to(device) for name in args.networks}
    if args.lq:
        return _look(networks, require_clip(args.lq, "episode"), device, args.show)
    settings = override(PRESETS[args.preset], args.assignments)
    scores = list(
        score_clips(
            networks,
            find_clips(args.data),
            settings,
            Lpips(read_lpips_vgg16()).to(device),
            seed=args.seed,
            frames=args.frames,
            every=args.every,
        )
    )
    _print([*scores, *mean_scores(scores)])
    return 0


def _look(networks: Mapping[str, AnimeSR], clip: Clip, device: torch.device, to: Path) -> int:
    """Print measures without HQ, and write crops."""
    if Image.registered_extensions().get(to.suffix.lower()) not in Image.SAVE:  # before the long work
        raise TrainerError(f"--show {to} is no picture that can be written; use another name, such as look.png")
    looks, page = look(networks, clip, device)
    try:
        page.save(to)
    except OSError as error:
        raise TrainerError(f"--show {to} cannot be written ({error}); use another file, such as look.png") from error
    table = Table("", "steepness of edges", "texture of flat areas", "flicker of held areas")
    for each in looks:
        figures = each.edge_steepness, each.flat_texture, each.held_flicker
        table.add_row(each.upscaler, *("-" if isnan(figure) else f"{figure:.2f}" for figure in figures))
    console = Console()
    console.print(table)
    console.print(f"In grey levels. None of them is quality: look at {to}")
    return 0


def _print(scores: Iterable[Score]) -> None:
    table = Table("clip", "", "PSNR-Y", "LPIPS")
    for score in scores:
        table.add_row(score.clip, score.upscaler, f"{score.psnr_y:.2f}", f"{score.lpips:.4f}")
    Console().print(table)
