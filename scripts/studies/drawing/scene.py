"""A scene: layers of drawings. Each layer moves on its own, as under the camera of an animation stand.

Positions and sizes are fractional, in units of a picture that is usually 640 wide and 360 high. Time is in frames. A
scene does not depend on the number of frames in the clip: a shorter clip is the beginning of a longer one.
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
"""Frames of a scene: a motion begins with the first one and ends with the last one."""


class DrawingError(Exception):
    """Art is missing. The message says what is missing and what to do."""


class Drawing(Hashable, Protocol):
    """One picture of a sheet; always the same."""

    @property
    def sheet(self) -> str:
        """The character, place or text in the drawing. All drawings of a sheet belong to one show."""
        ...

    def paint(self, art: Path) -> Image.Image:
        """Return the picture, RGBA.

        Args:
            art: the folder of the painted art.

        Raises:
            DrawingError: art is missing.
        """
        ...


@dataclass(frozen=True)
class Pose:
    """Centre and height of a drawing."""

    x: float = WIDTH / 2
    y: float = HEIGHT / 2
    height: float = HEIGHT

    def towards(self, other: Pose, share: float) -> Pose:
        """Interpolate linearly between this pose (share 0) and another (share 1)."""
        return Pose(
            self.x + (other.x - self.x) * share,
            self.y + (other.y - self.y) * share,
            self.height + (other.height - self.height) * share,
        )


@dataclass(frozen=True)
class Layer:
    """Drawings, one of which is visible at a time, and their motion from `begin` to `end`."""

    drawings: tuple[Drawing, ...]
    begin: Pose = Pose()
    end: Pose | None = None
    ease: bool = False
    """Start and end slowly, instead of moving at constant speed."""
    every: int = 1
    """Frames for which position and drawing stay the same: 2 is on twos, 3 on threes."""
    exposure: str = "0"
    """Numbers of the drawings, a digit for each hold. The sequence repeats."""
    bob: float = 0.0
    """Amplitude of a vertical oscillation, in pixels."""
    period: float = 12.0
    """Period of the oscillation, in frames."""

    def pose(self, n: int) -> Pose:
        """Return the pose in frame n."""
        n -= n % self.every
        share = self.progress(n)
        if self.ease:
            share = share * share * (3 - 2 * share)
        pose = self.begin.towards(self.end or self.begin, share)
        return Pose(pose.x, pose.y + self.bob * math.sin(2 * math.pi * n / self.period), pose.height)

    def progress(self, n: int) -> float:
        """Return the share of the way from `begin` to `end` that has passed by frame n."""
        return min(n / (LENGTH - 1), 1.0)

    def drawing(self, n: int) -> Drawing:
        """Return the visible drawing in frame n."""
        return self.drawings[int(self.exposure[n // self.every % len(self.exposure)])]


@dataclass(frozen=True)
class Scene:
    """Layers, the farthest first. The farthest one fills the picture."""

    name: str
    layers: tuple[Layer, ...]
    size: tuple[int, int] = (WIDTH, HEIGHT)
    """Width and height in units."""

    def frame(self, n: int) -> tuple[tuple[Drawing, Pose], ...]:
        """Return the visible drawings and their poses in frame n. Equal results mean equal frames."""
        return tuple((layer.drawing(n), layer.pose(n)) for layer in self.layers)

    def drawings(self) -> Iterator[Drawing]:
        """Yield all drawings of the scene."""
        for layer in self.layers:
            yield from layer.drawings
