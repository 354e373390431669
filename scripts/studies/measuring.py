"""Measure what `trainer dataset build` takes for a video, in time of the processor: a minute for a thousand frames.

It is what all threads take together, on one core, without hyperIQA and without the PNG that are written. So it can be
measured beside other work.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from scripts.benchmarks.table import Table, verdict
from trainer.dataset.measures import measure_video
from trainer.dataset.quality import EdgeScorer
from trainer.dataset.sources import read_source

from .commands import make_parser, report

CORES, GOAL = 2, 4.0
"""Cores of a small machine, and times real time that they have to reach together."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("measuring", __doc__ or "")
    parser.add_argument("videos", nargs="+", type=Path, help="videos, best of 720p")
    parser.add_argument("-o", "--out", type=Path, default=Path("out", "measuring.md"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    columns = ("video", "size", "frames", "ms a frame", "times real time, a core", f"{CORES} cores")
    rows = [_measure(video) for video in options.videos]
    report([Table("Measuring videos: time of the processor", columns, rows)], options.out)
    return 0


def _measure(video: Path) -> list[str]:
    source = read_source(video)
    started = time.process_time()
    frames = len(measure_video(source, EdgeScorer(), 1, lambda count: None))
    seconds = (time.process_time() - started) / frames
    speed = 1 / seconds / float(source.rate)
    size = f"{source.width}x{source.height}"
    reached = f"{CORES * speed:.1f}; {verdict(CORES * speed, at_least=GOAL)}"
    return [video.name, size, str(frames), f"{1000 * seconds:.1f}", f"{speed:.1f}", reached]


if __name__ == "__main__":
    raise SystemExit(main())
