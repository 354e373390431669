"""Crops per second, before anything is done to them: from files, and from a pool of decoded clips."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from PIL import Image

from scripts import fetch_data
from trainer.data import pool
from trainer.data.clips import Clip, ImageClip, VideoClip
from trainer.data.pool import pack_clips
from trainer.data.pool_file import packed_bytes
from trainer.data.spans import GB, cut_spans
from trainer.vsr.dataset import Sampling
from vsanimesr.machine import cores
from vsanimesr.progress import format_bytes

from .settings import Settings
from .table import Table, verdict

FRAMES = 60
"""Frames of the real clip, 1280x720."""
CROPS = 2
"""Crops per process and measurement, from files."""
MORE = 100
"""As many times more of them from a pool."""
SHARE = 0.3
"""Share of the clip that the smaller pool holds."""
TARGET = 150
"""Crops per second from two cores."""
SAMPLING = Sampling()

VIDEO, PICTURES, POOL, PARTS = "video, h264", "pictures, PNG", "pool", f"pool of parts, {SHARE:.0%}"
COLD = ", not in memory"
"""The pool has to be read from the disk."""


class Cost(NamedTuple):
    """What a crop costs."""

    seconds: float
    """Time between two crops, with a process on each core."""
    core_seconds: float


def measure_crops(settings: Settings) -> Iterator[Table]:
    """Measure crops of 15 frames of 256x256 at strides 1 to 3, on all cores; then what it takes to make pools."""
    with tempfile.TemporaryDirectory() as name, pools_in(Path(name, "cache")):
        video = VideoClip(fetch_data.fetch())
        pictures = _write_pictures(video, Path(name, "pictures"))
        memory = packed_bytes(FRAMES, *video.check()) / GB
        frames = (SAMPLING.frames - 1) * max(SAMPLING.strides) + 1
        parts = cut_spans([pictures], SHARE * memory, frames=frames, side=SAMPLING.size, seed=0)
        clips: dict[str, Sequence[Clip]] = {VIDEO: [video], PICTURES: [pictures]}
        made = {}
        for kind, files in ((POOL, [pictures]), (PARTS, parts), (f"{POOL}, of the video", [video])):
            begun = time.perf_counter()
            clips[kind] = pack_clips(files, 3 * memory)
            begun, seconds = time.perf_counter(), time.perf_counter() - begun
            pack_clips(files, 3 * memory)
            made[kind] = files, seconds, time.perf_counter() - begun
        states = {kind: pickle.dumps(clips[kind]) for kind in (VIDEO, PICTURES, POOL, PARTS)}
        clips.clear()  # closes the pools
        yield _rate_table(states, settings)
        yield _making_table(made)


def _rate_table(states: Mapping[str, bytes], settings: Settings) -> Table:
    """Measure crops of pickled clips."""
    context = multiprocessing.get_context("spawn")
    costs = {}
    with context.Manager() as manager, ProcessPoolExecutor(cores(), context) as workers:
        barrier = manager.Barrier(cores())

        def measure(state: bytes, count: int) -> Cost:
            parts = list(workers.map(partial(_cut_crops, state, count, SAMPLING, barrier), range(cores())))
            pieces = count * cores()
            return Cost(max(each.seconds for each in parts) / pieces, sum(each.core_seconds for each in parts) / pieces)

        for kind, state in states.items():
            count = CROPS if kind in (VIDEO, PICTURES) else CROPS * MORE
            measure(state, 1)
            costs[kind] = _median([measure(state, count) for _ in range(settings.rounds)])
            if count > CROPS and hasattr(os, "posix_fadvise"):
                costs[kind + COLD] = _median([measure(state, count) for _ in range(settings.rounds) if _drop_pools()])
    rows = []
    for kind, cost in costs.items():
        target = TARGET * cores() / 2 if kind == POOL else None
        figures = f"{1 / cost.seconds:.1f}", f"{1000 * cost.core_seconds:.1f}"
        rows.append((kind, *figures, verdict(1 / cost.seconds, at_least=target)))
    note = (
        f"Crops of {SAMPLING.frames} frames of {SAMPLING.size}x{SAMPLING.size}, strides 1 to 3, of a clip of {FRAMES} "
        f"frames of 1280x720; {cores()} processes, medians of {settings.rounds} rounds."
    )
    return Table("Crops from files and from a pool", ("", "crops per s", "core-ms per crop", "target"), rows, note)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(median(each.seconds for each in costs), median(each.core_seconds for each in costs))


def _drop_pools() -> bool:
    """Take all pools out of the main memory. No process may have one open."""
    for path in pool.folder().glob(f"*{pool.SUFFIX}"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _making_table(made: Mapping[str, tuple[Sequence[Clip], float, float]]) -> Table:
    rows = []
    for kind, (clips, made_in, opened_in) in made.items():
        size = sum(packed_bytes(len(clip), *clip.check()) for clip in clips)
        rows.append((kind, format_bytes(size), f"{made_in:.1f}", f"{opened_in:.2f}", f"{size / opened_in / GB:.2f}"))
    columns = "", "size", "s to make and verify", "s to hash the files and verify", "GB/s"
    return Table("Making a pool, and opening it again", columns, rows)


@contextmanager
def pools_in(folder: Path) -> Iterator[None]:
    """Keep pools in this folder."""
    before = os.environ.get("ANIMESR_CACHE", "")
    os.environ["ANIMESR_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ["ANIMESR_CACHE"] = before  # an empty one counts as none


def _write_pictures(video: VideoClip, folder: Path) -> ImageClip:
    folder.mkdir()
    for n, frame in enumerate(video.scan(range(FRAMES))):
        Image.fromarray(frame).save(folder / f"{n:08}.png")
    return ImageClip(folder, sorted(folder.iterdir()))


def _cut_crops(state: bytes, count: int, sampling: Sampling, barrier: threading.Barrier, seed: int) -> Cost:
    clips: Sequence[Clip] = pickle.loads(state)
    generator = np.random.default_rng(seed)
    barrier.wait()
    begun, core_begun = time.perf_counter(), time.process_time()
    for _ in range(count):
        clip = clips[int(generator.integers(len(clips)))]
        stride = int(generator.choice(sampling.strides))
        first = int(generator.integers(len(clip) - (sampling.frames - 1) * stride))
        frames = clip.read(range(first, first + (sampling.frames - 1) * stride + 1, stride))
        top, left = (int(generator.integers(side - sampling.size + 1)) for side in frames[0].shape[:2])
        np.stack([frame[top : top + sampling.size, left : left + sampling.size] for frame in frames])
    return Cost(time.perf_counter() - begun, time.process_time() - core_begun)
