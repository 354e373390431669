"""Show that training works, on two cores in about an hour.

Trains three networks on the train clips of `python -m scripts.studies.drawing`, then
measures them on the held-out ones:

    scratch     a small network from random weights
    finetune    the released v2, trained with L1
    gan         the network of finetune, trained with L1, perceptual and GAN losses

Continues or keeps the runs that exist. Writes results.md and results.png into the folder, and prints the tables.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scripts.benchmarks.table import Table
from trainer.data.clips import find_clips
from trainer.degradation.settings import PRESETS
from trainer.losses.metrics import Lpips
from trainer.losses.vgg.lpips_vgg16 import read_lpips_vgg16
from trainer.vsr.evaluation import Score, mean_scores, score_clips
from trainer.vsr.weights import load_network

from ..commands import parse_arguments, train
from . import curves
from .runs import RUNS

QUICK = ("steps=4", "records.log=2", "records.preview=0", "batch=1", "sampling.frames=3", "sampling.size=96")
COLUMNS = ("clip", "", "PSNR-Y, dB", "more than bicubic", "LPIPS")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments("learning", __doc__ or "", RUNS, "a few steps, few frames", arguments)
    for name in options.part:
        train_run(name, options.clips / "train", options.out, QUICK if options.quick else ())
    names = [name for name in RUNS if (options.out / name).is_dir()]
    text = format_tables(evaluate(options.clips / "held-out", options.out, names, quick=options.quick))
    (options.out / "results.md").write_text(text)
    curves.draw_curves({name: options.out / name for name in names}).save(options.out / "results.png")
    print(text)
    return 0


def train_run(name: str, clips: Path, out: Path, more: Sequence[str]) -> None:
    """Train a run to its last step."""
    run = RUNS[name]
    start = [f"start={out / run.start if run.start in RUNS else run.start}"] if run.start else []
    train(run.stage, "paper", f"data={clips}", *start, *run.settings, *more, "-o", str(out / name))


def evaluate(clips: Path, out: Path, names: Sequence[str], *, quick: bool) -> list[Score]:
    """Measure bicubic, v2 and the runs on the held-out clips."""
    networks = {"v2": load_network("v2")} | {name: load_network(str(out / name)) for name in names}
    frames, every = (2, 2) if quick else (24, 8)
    lpips = Lpips(read_lpips_vgg16())
    return list(score_clips(networks, find_clips(clips), PRESETS["paper"], lpips, frames=frames, every=every))


def format_tables(scores: Sequence[Score]) -> str:
    """Return Markdown tables: the mean of all clips, the mean of each show, each clip."""
    shows = dict.fromkeys(map(_show, scores))
    by_show = [
        replace(mean, clip=show)
        for show in shows
        for mean in mean_scores([each for each in scores if _show(each) == show])
    ]
    tables = (
        Table("Held-out clips, the mean of all", COLUMNS, _rows(mean_scores(scores))),
        Table("By show", COLUMNS, _rows(by_show)),
        Table("Each clip", COLUMNS, _rows(scores)),
    )
    return "\n\n".join(map(str, tables)) + "\n"


def _show(score: Score) -> str:
    """Return the name of the show: the beginning of the clip's name."""
    return score.clip.partition("-")[0]


def _rows(scores: Sequence[Score]) -> list[tuple[str, ...]]:
    bicubic = {score.clip: score.psnr_y for score in scores if score.upscaler == "bicubic"}
    return [
        (
            *(score.clip, score.upscaler, f"{score.psnr_y:.2f}"),
            *(f"{score.psnr_y - bicubic[score.clip]:+.2f}", f"{score.lpips:.4f}"),
        )
        for score in scores
    ]


if __name__ == "__main__":
    sys.exit(main())
