"""A scene: drawings in layers, each of which moves on its own, as under the camera of an animation stand.

Places and sizes are in units of which a picture is 640 wide and 360 high, and fractions count. Time is in frames. A
scene does not know how many of its frames are asked for: a shorter clip is the beginning of a longer one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

WIDTH, HEIGHT = 640, 360
LENGTH = 24
"""Frames of a scene: a motion begins with the first and arrives at the last."""


class Drawing(Hashable, Protocol):
    """One picture of a sheet, to be had at any time, and always the same."""

    @property
    def sheet(self) -> str:
        """Which character, place or text it shows: drawings of one sheet belong to one title."""
        ...

    def paint(self, art: Path) -> Image.Image:
        """The picture, RGBA. `art` is the folder of what was fetched.

        Raises:
            DrawingError: what it is made of is missing.
        """
        ...


@dataclass(frozen=True)
class Pose:
    """Where a drawing is: its centre, and how high it is."""

    x: float = WIDTH / 2
    y: float = HEIGHT / 2
    height: float = HEIGHT

    def towards(self, other: Pose, share: float) -> Pose:
        """`share` of the way to another pose."""
        return Pose(
            self.x + (other.x - self.x) * share,
            self.y + (other.y - self.y) * share,
            self.height + (other.height - self.height) * share,
        )


@dataclass(frozen=True)
class Layer:
    """Drawings of which one shows at a time, and how they move from `begin` to `end`."""

    drawings: tuple[Drawing, ...]
    begin: Pose = Pose()
    end: Pose | None = None
    eased: bool = False
    """Sets out and arrives slowly, instead of at an even speed."""
    every: int = 1
    """Frames for which position and drawing are held: 2 is on twos, 3 on threes."""
    exposure: str = "0"
    """Which drawing shows, a digit for each hold, again from the start after the last."""
    bob: float = 0.0
    """Pixels that it sways up and down."""
    period: float = 12.0
    """Frames that one sway takes."""

    def pose(self, n: int) -> Pose:
        """Where it is in frame n."""
        n -= n % self.every
        share = min(n / (LENGTH - 1), 1.0)
        if self.eased:
            share = share * share * (3 - 2 * share)
        pose = self.begin.towards(self.end or self.begin, share)
        return Pose(pose.x, pose.y + self.bob * math.sin(2 * math.pi * n / self.period), pose.height)

    def drawing(self, n: int) -> Drawing:
        """What it shows in frame n."""
        return self.drawings[int(self.exposure[n // self.every % len(self.exposure)])]


@dataclass(frozen=True)
class Scene:
    """Layers from the farthest to the nearest. The farthest fills the picture."""

    name: str
    layers: tuple[Layer, ...]

    def frame(self, n: int) -> tuple[tuple[Drawing, Pose], ...]:
        """What is where in frame n. Equal for frames that look the same."""
        return tuple((layer.drawing(n), layer.pose(n)) for layer in self.layers)

    def drawings(self) -> Iterator[Drawing]:
        """Everything that a scene can show."""
        for layer in self.layers:
            yield from layer.drawings
