"""Training samples per second, from the files to the LR clip: whether the data keeps up with the network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fetch_data
from PIL import Image

from trainer.clips import Clip, PictureClip, VideoClip
from trainer.dataset import DegradedClips, Sampling
from trainer.degradation.settings import LEARNED, PRESETS
from trainer.lbo.degrader import Degrader
from trainer.lbo.operator import Operator
from trainer.remembered import Memory, RememberedClip

from .processes import shared_out
from .settings import Settings
from .table import Table

FRAMES = 48
"""Of the real clip, 1280x720."""
SAMPLES = 4
"""For each process in a turn."""
LEARNT = ", with operators"
KINDS = ("video, h264", "pictures, PNG", "pictures, remembered")

_datasets: dict[str, DegradedClips]  # in each process


def samples(settings: Settings) -> Iterator[Table]:
    """Of 15 frames of 256x256 at strides 1 to 3, on all cores."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n, picture in enumerate(VideoClip(fetch_data.fetch()).read(range(FRAMES))):
            Image.fromarray(picture).save(folder / f"{n:08}.png")
        ways = {name: partial(_sample, name) for kind in KINDS for name in (kind, kind + LEARNT)}
        figures, how = shared_out(ways, SAMPLES, settings, _prepare, folder)

    def row(name: str) -> tuple[str, ...]:
        slower = f"{figures.ratio(name, name.removesuffix(LEARNT)):.2f}" if name.endswith(LEARNT) else ""
        return name, f"{1 / figures.median(name):.1f}", f"{1000 * figures.median(name):.0f}", slower

    note = f"Decoded, cropped, turned, degraded; the clip is 1280x720; operators of 64 features; {how} "
    note += "Compare with the training step."
    yield Table("Samples from files", ("", "clips per s", "ms per clip", "times without"), [*map(row, ways)], note)


def _prepare(folder: Path) -> None:
    global _datasets
    pictures = PictureClip(folder, sorted(folder.iterdir()))
    remembered = RememberedClip(pictures, Memory(FRAMES * 1280 * 720 * 3))
    remembered.read(range(FRAMES))
    clips: tuple[Clip, ...] = (VideoClip(fetch_data.fetch()), pictures, remembered)
    operator = Degrader(Operator(halves=False).requires_grad_(False).eval())
    _datasets = {}
    for kind, clip in zip(KINDS, clips, strict=True):
        _datasets[kind] = DegradedClips([clip], Sampling(), PRESETS["paper"], seed=0)
        _datasets[kind + LEARNT] = DegradedClips([clip], Sampling(), LEARNED["paper"], 0, [operator])


def _sample(kind: str, number: int) -> None:
    _ = _datasets[kind][0, number % FRAMES]
