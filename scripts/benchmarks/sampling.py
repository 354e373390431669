"""Training samples per second, from the files to the LR clip: whether the data keeps up with the network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from scripts import fetch_data
from trainer.data.clips import Clip, ImageClip, VideoClip
from trainer.data.pool import pack_clips
from trainer.degradation.learned.degrader import Degrader
from trainer.degradation.learned.operator import Operator
from trainer.degradation.settings import LBO_PRESETS, PRESETS
from trainer.vsr.dataset import DegradedClips, Sampling

from .pool import pools_in
from .processes import time_in_processes
from .settings import Settings
from .table import Table

FRAMES = 48
"""Frames of the real clip, 1280x720."""
SAMPLES = 4
"""Samples per process and measurement."""
OPERATORS = ", with operators"
KINDS = ("video, h264", "pictures, PNG", "pool")

_datasets: dict[str, DegradedClips]  # of each process


def measure_samples(settings: Settings) -> Iterator[Table]:
    """Measure samples of 15 frames of 256x256 at strides 1 to 3, on all cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n, picture in enumerate(VideoClip(fetch_data.fetch()).read(range(FRAMES))):
            Image.fromarray(picture).save(folder / f"{n:08}.png")
        tasks = {name: partial(_load_sample, name) for kind in KINDS for name in (kind, kind + OPERATORS)}
        pictures = ImageClip(folder, sorted(folder.iterdir()))
        with pools_in(folder / "cache"):
            clips = VideoClip(fetch_data.fetch()), pictures, *pack_clips([pictures], 1)
        results, method = time_in_processes(tasks, SAMPLES, settings, _prepare, clips)

    def row(name: str) -> tuple[str, ...]:
        ratio = f"{results.ratio(name, name.removesuffix(OPERATORS)):.2f}" if name.endswith(OPERATORS) else ""
        return name, f"{1 / results.median(name):.1f}", f"{1000 * results.median(name):.0f}", ratio

    note = f"Decoded, cropped, flipped, degraded; the clip is 1280x720; operators of 64 features; {method} "
    note += "Compare with the training step."
    yield Table("Samples from files", ("", "clips per s", "ms per clip", "times without"), [*map(row, tasks)], note)


def _prepare(clips: Sequence[Clip]) -> None:
    global _datasets
    operator = Degrader(Operator(halves=False).requires_grad_(False).eval())
    _datasets = {}
    for kind, clip in zip(KINDS, clips, strict=True):
        _datasets[kind] = DegradedClips([clip], Sampling(), PRESETS["paper"], seed=0)
        _datasets[kind + OPERATORS] = DegradedClips([clip], Sampling(), LBO_PRESETS["paper"], 0, [operator])


def _load_sample(kind: str, number: int) -> None:
    _ = _datasets[kind][0, number % FRAMES]
