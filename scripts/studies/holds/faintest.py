"""The faintest motions that are kept, without any encoding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from scripts.studies.drawing import shows
from scripts.studies.drawing.scene import Drawing, Pose

from . import encodings, scenes
from .comparison import Comparison
from .groups import BOUND, Limits, find_kept
from .scenes import WHOLE, Cel, Overlay, Scene

COUNT = 24


def make_scenes(place: Drawing) -> Iterator[Scene]:
    """Yield motions on ones before a place, the fainter ones of a kind first."""

    def scene(name: str, pixels: float = 0, *overlays: Overlay) -> Scene:
        return Scene(name, "", (Cel((place,), scenes.on(1, 0), scenes.moving(Pose(320, 180, 468), pixels)),), overlays)

    yield from (scene(f"pan, {speed} pixels a frame", speed) for speed in (0.05, 0.1, 0.15, 0.2, 0.25))
    yield from (scene(f"fade, {step} a frame", 0, scenes.fade(step)) for step in (0.05, 0.1, 0.2, 0.3))
    yield from (scene(f"mouth of 6x3 by {by}", 0, scenes.mouth(Random(1), by, (1,))) for by in (10, 15, 20, 30))
    yield from (scene(f"flicker by {by}", 0, scenes.flicker(Random(1), by, WHOLE, (1,))) for by in (0.5, 1))


def measure(art: Path, comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """Yield rows: the motion, frames held of all that are distinct, times the limits of the second frame."""
    limits = Limits()
    for scene in make_scenes(shows.CLUB):
        frames = [encodings.split(encodings.to_yuv(picture)) for picture in islice(scenes.render(scene, art), COUNT)]

        def is_held(kept: int, n: int, frames: list[list[encodings.Yuv]] = frames) -> bool:
            return comparison.is_held(frames[kept], frames[n])

        held = sum(kept < n for n, kept in enumerate(find_kept(COUNT, BOUND, is_held)))
        excess = limits.excess(comparison.measure(frames[0], frames[1]))
        yield scene.name, f"{held} of {COUNT - 1}", f"{excess:.2f}"
