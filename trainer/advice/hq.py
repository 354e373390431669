"""Says whether HQ fits the episodes to repair: how much of it there is, and how soft it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cache
from math import sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.clips import Clip, Frame, find_clips
from ..degradation.learned.pool import pairs_folder
from . import softness

_log = logging.getLogger(__name__)

FRAMES = 24
"""Frames that are looked at, evenly over all clips."""
LEAST_SCENES, LEAST_FRAMES = 12, 288
"""The least that was tried: 12 drawn clips of 24 frames (docs/reports/operators.md)."""
THUMBNAIL, OTHER_SCENE = (16, 9), 16
"""Size of thumbnails, and grey levels by which those of two scenes differ."""


def advise_on_hq(data: Path, operators: Iterable[Path], zoom: tuple[float, float]) -> None:
    """Log warnings if there is little HQ, or if it is softer or crisper than the pseudo-HQ of an operator's folder.

    Args:
        data: folder of HQ clips.
        operators: folders of operators. Those without pairs say nothing.
        zoom: range of `sampling.zoom`.

    Raises:
        ClipError: a clip cannot be read.
    """
    _advise_on_amount(data)
    for folder in operators:
        if (pairs_folder(folder) / "hq").is_dir():
            _advise_on_softness(data, folder, zoom)


@cache
def _advise_on_amount(data: Path) -> None:
    clips, frames = find_clips(data), _sample(data)
    scenes, count = count_scenes(frames), sum(len(clip) for clip in clips)
    if scenes < LEAST_SCENES or count < LEAST_FRAMES:
        _log.warning(
            "%s: little HQ: %d frames of about %d scenes. The least that was tried is %d frames of %d scenes; the "
            "paper has 55,000 of 553. With less, a network may learn these pictures by heart: add other clips",
            *(data, count, scenes, LEAST_FRAMES, LEAST_SCENES),
        )


def _advise_on_softness(data: Path, folder: Path, zoom: tuple[float, float]) -> None:
    found = softness.compare(_sample(data), sample_frames(find_clips(pairs_folder(folder) / "hq")))
    if found is None:
        _log.info("%s: too few edges to see whether HQ is as soft as its pseudo-HQ", folder)
        return
    numbers = (
        f"edges of pseudo-HQ in {folder} are {found.pseudo_hq:.2f} pixels wide, those of HQ at half its size "
        f"{found.hq:.2f}"
    )
    if found.fits(sqrt(zoom[0] * zoom[1])):
        _log.info("%s; with sampling.zoom=[%g,%g] that fits", numbers, *zoom)
    else:
        _log.warning(
            "%s: HQ is too %s, and a network learns to draw so. Set sampling.zoom=[%.2g,%.2g], or scale the clips by "
            "%.2g yourself (docs/reports/advice.md)",
            *(numbers, "crisp" if found.zoom > sqrt(zoom[0] * zoom[1]) else "soft"),
            *[found.zoom] * 3,
        )


@cache
def _sample(data: Path) -> Sequence[Frame]:
    return sample_frames(find_clips(data))


def sample_frames(clips: Sequence[Clip], count: int = FRAMES) -> list[Frame]:
    """Return frames evenly over all clips.

    Raises:
        ClipError: a frame cannot be read.
    """
    ends = np.cumsum([len(clip) for clip in clips])
    frames = []
    for n in np.unique(np.linspace(0, ends[-1] - 1, count + 2)[1:-1].astype(int)):
        clip = int(np.searchsorted(ends, n, side="right"))
        frames += clips[clip].read([int(n - (ends[clip - 1] if clip else 0))])
    return frames


def count_scenes(frames: Sequence[Frame]) -> int:
    """Return how many scenes frames are of, at least: frames that differ from all those before them."""
    scenes: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    for frame in frames:
        thumbnail = np.asarray(Image.fromarray(frame).resize(THUMBNAIL, Image.Resampling.BOX), np.float32)
        if all(np.abs(thumbnail - scene).mean() > OTHER_SCENE for scene in scenes):
            scenes.append(thumbnail)
    return len(scenes)
