"""A few scenes of an episode at each factor: what a person, or a measure, chooses by."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..clips import Clip
from ..episode import Window
from .measures import Measure, measured
from .rescaling import FACTORS, Rescaling

_log = logging.getLogger(__name__)

SCENES = 8
FRAMES = 6
"""Of a window; the last one is shown: the recurrence has warmed up by then."""


@dataclass(frozen=True)
class Scene:
    """One picture of the episode, and what became of it at each factor."""

    name: str
    lq: Path
    pseudo_hq: dict[float, Path]
    """By factor: PNG files of exactly twice its size."""


def drawn_scenes(episode: Clip, windows: Sequence[Window], rescaling: Rescaling, folder: Path) -> list[Scene]:
    """Scenes from all over the episode, as files; those that are there are kept.

    Raises:
        ClipError: a frame cannot be read.
        PairError: the pictures are too small for the smallest factor.
    """
    shown = [windows[n * len(windows) // SCENES] for n in range(SCENES)] if len(windows) > SCENES else windows
    scenes = []
    for number, window in enumerate(shown):
        _log.info("scene %d of %d at %d factors", number + 1, len(shown), len(FACTORS))
        scenes.append(_scene(episode, window, rescaling, folder / f"{window.first:06}"))
    return scenes


def measures_of(scenes: Sequence[Scene]) -> dict[float, Measure]:
    """By factor: the means over all scenes."""
    return {factor: measured([opened(scene.pseudo_hq[factor]) for scene in scenes]) for factor in FACTORS}


def _scene(episode: Clip, window: Window, rescaling: Rescaling, folder: Path) -> Scene:
    scene = Scene(folder.name, folder / "lq.png", {factor: folder / f"x{factor:.1f}.png" for factor in FACTORS})
    if all(file.is_file() for file in (scene.lq, *scene.pseudo_hq.values())):
        return scene
    folder.mkdir(parents=True, exist_ok=True)
    pictures = episode.read(range(window.first, window.first + FRAMES))
    Image.fromarray(np.ascontiguousarray(pictures[-1])).save(scene.lq)
    for factor, file in scene.pseudo_hq.items():
        *_, last = rescaling.pseudo_hq(pictures, factor)
        last.save(file)
    return scene


def opened(file: Path) -> Image.Image:
    """A picture, R, G, B."""
    with Image.open(file) as picture:
        return picture.convert("RGB")
