"""Training samples per second, from the files to the LR clip: whether the data keeps up with the network."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import fetch_data
import torch
from PIL import Image

from trainer.clips import Clip, PictureClip, VideoClip
from trainer.dataset import DegradedClips, Sampling
from trainer.degradation.settings import PRESETS
from trainer.heap import keep_freed
from trainer.remembered import Memory, RememberedClip

from .machine import cores
from .rounds import Turn, per_frame, taken
from .settings import Settings
from .table import Table

FRAMES = 48
"""Of the real clip, 1280x720."""
SAMPLES = 4
"""For each process in a turn."""
KINDS = ("video, h264", "pictures, PNG", "pictures, remembered")

_datasets: dict[str, DegradedClips]  # in each process


def samples(settings: Settings) -> Iterator[Table]:
    """Of 15 frames of 256x256 at strides 1 to 3, on all cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n, picture in enumerate(VideoClip(fetch_data.fetch()).read(range(FRAMES))):
            Image.fromarray(picture).save(folder / f"{n:08}.png")
        processes = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(cores(), processes, initializer=_prepare, initargs=(folder,)) as workers:

            def run(kind: str, count: int) -> None:
                list(workers.map(partial(_sample, kind), range(count)))

            turns: dict[str, Turn] = {kind: per_frame(partial(run, kind), SAMPLES * cores()) for kind in KINDS}
            figures = taken(turns, settings.rounds)

    def row(kind: str) -> tuple[str, ...]:
        return kind, f"{1 / figures.median(kind):.1f}", f"{1000 * figures.median(kind):.0f}"

    note = f"Decoded, cropped, turned, degraded; the clip is 1280x720; {cores()} processes. "
    note += f"Medians of {settings.rounds} rounds of {SAMPLES * cores()} samples. Compare with the training step."
    yield Table("Samples from files", ("", "clips per s", "ms per clip"), [*map(row, KINDS)], note)


def _prepare(folder: Path) -> None:
    global _datasets
    keep_freed()  # as a worker does
    torch.set_num_threads(1)
    pictures = PictureClip(folder, sorted(folder.iterdir()))
    remembered = RememberedClip(pictures, Memory(FRAMES * 1280 * 720 * 3))
    remembered.read(range(FRAMES))
    clips: tuple[Clip, ...] = (VideoClip(fetch_data.fetch()), pictures, remembered)
    _datasets = {
        kind: DegradedClips([clip], Sampling(), PRESETS["paper"], seed=0)
        for kind, clip in zip(KINDS, clips, strict=True)
    }


def _sample(kind: str, number: int) -> None:
    _ = _datasets[kind][0, number % FRAMES]
