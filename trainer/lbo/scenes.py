"""A few scenes of an episode at each factor, to choose a factor by."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.clips import Clip
from ..origin import Origin
from .episode import Window
from .factor import FactorHint, measure
from .pictures import keep_only, renew_clips, write_pictures
from .rescaling import FACTORS, Rescaling

_log = logging.getLogger(__name__)

SCENE_COUNT = 8
SCENE_FRAMES = 6
"""Number of frames of a window that are upscaled. The last one is shown, when the recurrence has warmed up."""


@dataclass(frozen=True)
class Scene:
    """A frame of the episode, and its pseudo-HQ at each factor."""

    name: str
    lq: Path
    pseudo_hq: dict[float, Path]
    """PNG files by factor, of exactly twice the size of `lq`."""


def render_scenes(
    episode: Clip, windows: Sequence[Window], rescaling: Rescaling, folder: Path, origin: Origin
) -> list[Scene]:
    """Render scenes from the whole episode as files. Scenes that the folder holds are kept if their origin is the same.

    Args:
        origin: what scenes are made of.

    Raises:
        ClipError: a frame cannot be read.
        PairError: the frames are too small for the smallest factor.
    """
    if len(windows) > SCENE_COUNT:
        windows = [windows[n * len(windows) // SCENE_COUNT] for n in range(SCENE_COUNT)]
    renew_clips(folder, [folder], origin)
    keep_only(folder, {_name(window) for window in windows})
    scenes = []
    for number, window in enumerate(windows, 1):
        _log.info("scene %d of %d at %d factors", number, len(windows), len(FACTORS))
        scenes.append(_render_scene(episode, window, rescaling, folder / _name(window)))
    return scenes


def measure_scenes(scenes: Sequence[Scene]) -> tuple[FactorHint, ...]:
    """Measure scenes at each factor: means over all scenes."""
    measures = {factor: measure([open_picture(scene.pseudo_hq[factor]) for scene in scenes]) for factor in FACTORS}
    return tuple(
        FactorHint(factor=factor, sharpness=each.sharpness, artefacts=each.artefacts)
        for factor, each in measures.items()
    )


def open_picture(file: Path) -> Image.Image:
    """Read a picture as R, G, B."""
    with Image.open(file) as picture:
        return picture.convert("RGB")


def _name(window: Window) -> str:
    return f"{window.first:06}"


def _render_scene(episode: Clip, window: Window, rescaling: Rescaling, folder: Path) -> Scene:
    scene = Scene(folder.name, folder / "lq.png", {factor: folder / f"x{factor:.1f}.png" for factor in FACTORS})
    if not folder.is_dir():
        frames = episode.read(range(window.first, window.first + SCENE_FRAMES))
        pictures = {scene.lq.name: Image.fromarray(np.ascontiguousarray(frames[-1]))}
        for factor, file in scene.pseudo_hq.items():
            *_, pictures[file.name] = rescaling.pseudo_hq(frames, factor)
        write_pictures(folder, pictures)
    return scene
