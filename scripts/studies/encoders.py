"""Measure what it takes that encoders give the same bytes: with how many threads, and at what cost.

    python -m scripts.studies.encoders .data/bigbuckbunny.mp4

encodes 60 frames again and again, each time in a process of its own: on the first core alone, on all cores, and on all
cores with another process in its way. Prints a table. Needs Linux, which can bind a process to cores.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.table import Table
from vsanimesr.episode import encoding
from vsanimesr.episode.encoding import EncoderSettings, VideoFormat, encode, samples
from vsanimesr.pixels import PixelFormat

from .commands import make_parser

SIZE, FRAMES = (320, 180), 60
VIDEO = VideoFormat(*SIZE, PixelFormat("yuv", "integer", 10, (1, 1)))
QUICK: Mapping[str, dict[str, str]] = {
    "x265": {"preset": "medium"},
    "x264": {"preset": "medium"},
    "svt-av1": {"preset": "8"},
    "ffv1": {},
}
"""Quicker than the defaults; threads act alike."""
AUTO = "auto"


@dataclass(frozen=True)
class Tried:
    """An encoder with a number of threads.

    Args:
        own: the encoder's parameter that says how many, or "" where FFmpeg tells it.
        threads: the number, or `AUTO`: by the number of cores.
    """

    encoder: str
    own: str
    threads: str


TRIED = [
    *(Tried("x265", "frame-threads", threads) for threads in (AUTO, "1", "2", "3", "4")),
    *(Tried("x264", "", threads) for threads in (AUTO, "1", "4", "6")),
    *(Tried("svt-av1", "lp", threads) for threads in (AUTO, "1", "4")),
    *(Tried("ffv1", "", threads) for threads in ("1", "4")),
]


@dataclass(frozen=True)
class Run:
    """What one process measured."""

    digest: str
    size: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser("encoders", __doc__ or "")
    parser.add_argument("clip", type=Path)
    options = parser.parse_args(arguments)
    rows = []
    for tried in TRIED:
        alone, whole, busy = measure(options.clip, tried)
        runs = [alone, *whole, *busy]
        rows.append(
            [
                tried.encoder,
                f"{tried.own or 'threads'}={tried.threads}",
                "yes" if len({run.digest for run in runs}) == 1 else "no",
                f"{FRAMES / alone.seconds:.0f}",
                f"{FRAMES / min(run.seconds for run in whole):.0f}",
                f"{whole[0].size / 1000:.0f}",
            ]
        )
        print(*rows[-1], file=sys.stderr, flush=True)
    columns = ("encoder", "threads", "same bytes", "frames/s, one core", "frames/s, all cores", "kB")
    print(Table(f"{FRAMES} frames of {SIZE[0]}x{SIZE[1]}, {os.cpu_count()} cores", columns, rows))
    return 0


def measure(clip: Path, tried: Tried) -> tuple[Run, list[Run], list[Run]]:
    """Return a run on one core, two on all cores, and two at the same time."""
    cores = sorted(os.sched_getaffinity(0))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        alone = pool.submit(run, clip, tried, cores[:1]).result()
        whole = [pool.submit(run, clip, tried, cores).result() for _ in range(2)]
        busy = [future.result() for future in [pool.submit(run, clip, tried, cores) for _ in range(2)]]
    return alone, whole, busy


def run(clip: Path, tried: Tried, cores: Sequence[int]) -> Run:
    """Encode the clip in this process, on these cores."""
    os.sched_setaffinity(0, cores)
    own = encoding.ENCODERS[tried.encoder]
    number = 0 if tried.threads == AUTO else int(tried.threads)
    if tried.own:
        fixed = {name: value for name, value in own.fixed.items() if name != tried.own}
        own = replace(own, fixed=fixed if tried.threads == AUTO else {**fixed, tried.own: tried.threads})
    else:
        own = replace(own, threads=number)
    encoding.ENCODERS = {**encoding.ENCODERS, tried.encoder: own}
    frames = read(clip)
    with tempfile.TemporaryDirectory() as folder:
        chunk, start = Path(folder, "chunk.mkv"), time.perf_counter()
        encode(frames, VIDEO, EncoderSettings(tried.encoder, QUICK[tried.encoder], Fraction(24)), chunk)
        seconds = time.perf_counter() - start
        with av.open(str(chunk)) as container:
            packets = b"".join(bytes(packet) for packet in container.demux(video=0))
    return Run(hashlib.sha256(packets).hexdigest(), len(packets), seconds)


def read(clip: Path) -> list[list[NDArray[Any]]]:
    """Return the first frames of a clip, in 10 bits and of `SIZE`."""
    frames: list[list[NDArray[Any]]] = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            scaled = frame.reformat(*SIZE, "yuv420p10le")
            frames.append([np.array(samples(scaled, plane)) for plane in range(3)])
            if len(frames) == FRAMES:
                break
    return frames


if __name__ == "__main__":
    sys.exit(main())
