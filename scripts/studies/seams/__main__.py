"""Measure what two defaults of the filter should be, on one core in about 45 minutes.

    settle    pre-roll: how many extra steps on its first frame settle a scene
    cut       segments: whether the step across a seam can be told from the steps beside it, and what segments cost

CLIPS is the folder of `python -m scripts.studies.drawing`, whose painted art is used: the scenes are drawn again,
longer. The film is that of `python -m scripts.fetch_data`. Backend: openvino, fp32. SR frames are kept in the work
folder, so an interrupted study goes on where it was (3 GB). Writes the tables to a file and prints them; pictures
across seams are written into the work folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts import fetch_data
from scripts.benchmarks.table import Table
from trainer.errors import LossError
from trainer.losses.metrics import Lpips
from trainer.losses.vgg.lpips_vgg16 import read_lpips_vgg16
from vsanimesr.weights.release import MODEL_NAMES

from ..commands import make_parser, parse_parts, report
from . import cutting, settling, strips, tables
from .clips import SOURCES, Clip, load_clip
from .runs import Runner, choose_starts, make_hold, report_plan

PARTS = ("settle", "cut")
GROUPS = ("train", "held-out")
PREROLL = 4
"""Steps before the runs of the part `cut`: what the part `settle` chose."""
SECONDS = 0.33
"""Of a step of this size on one core, as measured."""
STRIP_WARMUPS = (0, 8)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    film = fetch_data.fetch()
    sources = [each for each in SOURCES if each.group in options.groups]
    clips = [load_clip(source, options.work / "clips", options.clips / "art", film) for source in sources]
    runners = [Runner(model, options.work / "runs", options.kept) for model in options.models]
    results: list[Table] = []
    if "settle" in options.part:
        settled = [row for runner in runners for row in study_settling(runner, clips)]
        results += [*tables.format_settling(settled), tables.format_first_steps(settled)]
    if "cut" in options.part:
        lpips = load_lpips()
        studies = (study_seams(runner, clips, options.preroll, lpips, options.work / "strips") for runner in runners)
        results += tables.format_seams([seam for study in studies for seam in study])
        results.append(tables.format_costs(options.preroll))
    report(results, options.out)
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser("seams", __doc__ or "")
    parser.add_argument("clips", type=Path, help="the folder of scripts.studies.drawing")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/seams/tables.md"), help="default: %(default)s")
    parser.add_argument(
        "--work", type=Path, default=Path("out/seams"), help="clips and runs are kept here: %(default)s"
    )
    parser.add_argument("--models", nargs="+", default=list(MODEL_NAMES), choices=MODEL_NAMES, help="default: all")
    parser.add_argument("--groups", nargs="+", default=GROUPS, choices=GROUPS, help="default: both")
    parser.add_argument("--preroll", type=int, default=PREROLL, help="of the part cut; default: %(default)s")
    parser.add_argument("--kept", action="store_true", help="run nothing: only measure what is kept already")
    return parse_parts(parser, PARTS, arguments)


def study_settling(runner: Runner, clips: Sequence[Clip]) -> Iterator[settling.Settling]:
    """Run the part `settle` with one model."""
    report_plan(runner, [(clip.lr, each) for clip in clips for each in settling.list_schedules(clip)], SECONDS)
    for clip in clips:
        if runner.may_run(clip.lr, [make_hold(0, settling.HOLD)]):
            yield from settling.measure_settling(runner, clip)
    runner.close()


def study_seams(
    runner: Runner, clips: Sequence[Clip], preroll: int, lpips: Lpips | None, folder: Path
) -> Iterator[cutting.Seam]:
    """Run the part `cut` with one model, and draw strips into `folder`."""
    report_plan(runner, [(clip.lr, each) for clip in clips for each in cutting.list_schedules(clip, preroll)], SECONDS)
    folder.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        if not runner.may_run(clip.lr, cutting.list_schedules(clip, preroll)):
            continue
        yield from cutting.measure_seams(runner, clip, preroll, lpips)
        name = f"{runner.model}-{clip.source.name}"
        uncut, *rest = (runner.run(clip.lr, schedule) for schedule in cutting.list_schedules(clip, preroll))
        for start, fresh in zip(choose_starts(len(clip.lr)), rest, strict=True):
            for warmup in STRIP_WARMUPS:
                strip = strips.draw_strip(name, uncut, fresh, start, warmup)
                strip.save(folder / f"{name}-{start + warmup}-{warmup}.png")
    runner.close()


def load_lpips() -> Lpips | None:
    """Return LPIPS, or None if its weights are not there and cannot be fetched."""
    try:
        return Lpips(read_lpips_vgg16())
    except LossError as error:
        print(f"seams: without LPIPS: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    sys.exit(main())
