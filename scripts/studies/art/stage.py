"""The stage on which a scene is set: views of a picture that a camera moves between, figures, captions.

Scenes are set in units of two pixels (drawing/render.py). Raster pictures are never enlarged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ..drawing.render import OVERSAMPLING, UNIT
from ..drawing.scene import Layer, Pose
from . import graphics
from .drawings import DARK, DAY, DUSK, NIGHT, Caption, Grade, Graphic, Picture, sample

SIZES = ((256, 192), (320, 240), (320, 256), (360, 240), (384, 216), (384, 256))
"""Sizes of scenes in units: 512x384 to 768x512 pixels."""
LARGEST = 0.9
"""The largest scale of raster pictures."""
MARGIN = 1.02
"""By how much a ground is larger than the view, at least."""
BRIGHT = 0.4
"""From this brightness, a ground can be shown at night."""
TRIES = 12
PAN = 0.28
"""The longest way of a camera, as a share of the view: 7 pixels a frame."""


@dataclass(frozen=True)
class Stage:
    """What a scene is made with and where: its own random numbers, the art, the size of the picture in units."""

    rng: Random
    art: Path
    size: tuple[int, int]

    # Grounds

    def fits(self, file: str) -> bool:
        """Return whether a picture fills the view without being enlarged."""
        found = sample(self.art / file)
        return found.vector or self._smallest(found.size) * MARGIN <= LARGEST

    def _smallest(self, size: tuple[int, int]) -> float:
        """Return the scale at which a picture just fills the view."""
        return max(UNIT * self.size[0] / size[0], UNIT * self.size[1] / size[1])

    def ground(
        self, file: str, grade: Grade = DAY, *, zoom: float = 2.0, paper: str = "", still: bool = False
    ) -> Layer:
        """Return a layer that fills the view: a picture that the camera moves over.

        Args:
            zoom: the closest view, relative to the widest.
            still: the camera does not move.
        """
        found = sample(self.art / file)
        least = self._smallest(found.size) * MARGIN
        most = least * zoom if found.vector else max(min(least * zoom, LARGEST), least)
        views = [self._views(found.size, least, most, still) for _ in range(TRIES)]
        begin, end = max(views, key=lambda pair: min(self._detail(file, pose) for pose in pair))
        height = self._rendered((begin, end)) if found.vector else 0
        return self.camera(Picture(file, height, grade, paper), begin, end)

    def backdrop(self, kind: str, *, zoom: float = 1.3, still: bool = False) -> Layer:
        """Return a layer that fills the view: a generated graphic."""
        size = graphics.size(kind)
        least = self._smallest(size) * MARGIN
        begin, end = self._views(size, least, least * zoom, still)
        return self.camera(Graphic(kind, self.rng.randrange(1_000_000), self._rendered((begin, end))), begin, end)

    def camera(self, drawing: Picture | Graphic, begin: Pose, end: Pose) -> Layer:
        """Return a layer under a camera that moves on ones, rarely on twos, with or without ease."""
        every = 1 if begin == end else self.rng.choice((1, 1, 1, 2))
        return Layer((drawing,), begin, end, self.rng.random() < 0.6, every)

    def _views(self, size: tuple[int, int], least: float, most: float, still: bool) -> tuple[Pose, Pose]:
        """Return two views of a picture between these scales, at most PAN of the view apart."""
        rng = self.rng
        first = rng.uniform(least, most)
        second = first if still or rng.random() < 0.4 else min(max(first * rng.uniform(0.82, 1.22), least), most)
        begin = self._inside(size, first, rng.uniform(-1, 1), rng.uniform(-1, 1))
        if still:
            return begin, begin
        end = self._inside(size, second, rng.uniform(-1, 1), rng.uniform(-1, 1))
        far = max(abs(end.x - begin.x) / self.size[0], abs(end.y - begin.y) / self.size[1]) / PAN
        if far > 1:  # a shorter way in the same direction; both ends and what lies between stay inside
            end = self._clamp(
                size, Pose(begin.x + (end.x - begin.x) / far, begin.y + (end.y - begin.y) / far, end.height)
            )
        return begin, end

    def _inside(self, size: tuple[int, int], scale: float, right: float, down: float) -> Pose:
        """Return a pose at which a picture fills the view. `right` and `down`, -1 to 1, are the view's place in it."""
        return self._clamp(
            size,
            Pose(
                self.size[0] / 2 - right * (size[0] * scale / UNIT - self.size[0]) / 2,
                self.size[1] / 2 - down * (size[1] * scale / UNIT - self.size[1]) / 2,
                size[1] * scale / UNIT,
            ),
        )

    def _clamp(self, size: tuple[int, int], pose: Pose) -> Pose:
        """Move a pose so that the picture fills the view, with a margin for the rounding of rendered sizes."""
        width, height = self.size
        across = max((pose.height * size[0] / size[1] - width) / 2 - 1, 0)
        down = max((pose.height - height) / 2 - 1, 0)
        return Pose(
            min(max(pose.x, width / 2 - across), width / 2 + across),
            min(max(pose.y, height / 2 - down), height / 2 + down),
            pose.height,
        )

    def _detail(self, file: str, pose: Pose) -> float:
        """Return the mean detail of what is in view."""
        found = sample(self.art / file)
        wide = pose.height * found.size[0] / found.size[1]
        left = (wide / 2 - pose.x) / wide
        top = (pose.height / 2 - pose.y) / pose.height
        return found.detail_in(left, top, left + self.size[0] / wide, top + self.size[1] / pose.height)

    @staticmethod
    def _rendered(poses: Sequence[Pose]) -> int:
        """Return the height in pixels at which a vector picture is crisp in all poses."""
        return round(max(pose.height for pose in poses) * UNIT * OVERSAMPLING)

    # Figures

    def figure(
        self,
        files: Sequence[str],
        begin: Pose,
        end: Pose | None = None,
        *,
        every: int,
        exposure: str = "0",
        grade: Grade = DAY,
        bob: float = 0.0,
        ease: bool = False,
    ) -> Layer:
        """Return a layer of pictures of one figure. Raster ones are made smaller than the poses say if need be."""
        samples = [sample(self.art / file) for file in files]
        poses = (begin, end or begin)
        limit = min((LARGEST * each.size[1] / UNIT for each in samples if not each.vector), default=float("inf"))
        smaller = min(limit / max(pose.height for pose in poses), 1.0)
        begin, end = (Pose(pose.x, pose.y, pose.height * smaller) for pose in poses)
        height = self._rendered((begin, end))
        drawings = tuple(
            Picture(file, height if each.vector else 0, grade) for file, each in zip(files, samples, strict=True)
        )
        return Layer(drawings, begin, end, ease, every, exposure, bob, self.rng.uniform(9, 20))

    def standing(self, files: Sequence[str], x: float, height: float, **motion: object) -> Layer:
        """Return a figure whose lower edge is below the view, at a share `x` of its width; see `figure`."""
        first = sample(self.art / files[0])
        if not first.vector:
            height = min(height, LARGEST * first.size[1] / UNIT)
        y = self.size[1] + 8 - height / 2
        begin = Pose(self.size[0] * x, y, height)
        step = self.rng.choice((0.0, 0.0, 0.12, -0.12))
        end = Pose(self.size[0] * (x + step), y, height)
        return self.figure(files, begin, end, **motion)  # type: ignore[arg-type]

    def timing(self) -> int:
        """Return for how many frames a figure's drawing is held: mostly two or three."""
        return self.rng.choice((1, 2, 2, 3, 3))

    def light(self, ground: str) -> Grade:
        """Return the light of a scene before a ground: by day, sometimes dusk or night. No dark one gets darker."""
        grade = self.rng.choice((DAY, DAY, DAY, DAY, DUSK, NIGHT, DARK))
        return grade if grade in (DAY, DUSK) or sample(self.art / ground).brightness > BRIGHT else DAY

    # Letters

    def caption(self, fonts: Sequence[tuple[str, Sequence[tuple[str, ...]]]]) -> Layer:
        """Return a caption: a subtitle at the bottom, a title in the middle, or credits that roll.

        Args:
            fonts: files of fonts, and what is written with them.
        """
        rng, (width, height) = self.rng, self.size
        font, texts = rng.choice(list(fonts))
        lines = rng.choice(list(texts))
        colour, outline = rng.choice(
            (("#ffffff", "#101010"), ("#ffe45e", "#1a1a1a"), ("#ffffff", "#7a1f3d"), ("#1d1d3b", "#ffffff"))
        )
        place = rng.choice(("bottom", "bottom", "middle", "roll"))
        most = width * UNIT * 0.9 / (max(map(len, lines)) * 0.62 + 1)  # pixels: a letter is 0.6 of a line wide or less
        line = round(min({"bottom": 38, "middle": 76, "roll": 44}[place], most))
        drawing = Caption(lines, font, line, colour, outline, rng.choice((1, 2, 2, 3)))
        tall = line * len(lines) / UNIT
        if place == "roll":
            way = rng.uniform(0.1, 0.3) * height
            return Layer((drawing,), Pose(width / 2, height / 2 + way, tall), Pose(width / 2, height / 2 - way, tall))
        y = height - tall / 2 - 8 if place == "bottom" else height * rng.uniform(0.3, 0.6)
        return Layer((drawing,), Pose(width / 2, y, tall))
