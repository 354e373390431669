"""Places and other backgrounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image

from . import hidden_views, rooms, views
from .svg import HEIGHT, WIDTH, Point, box, disc, document, fade, path, polygon, rasterize


def halftone(colour: str) -> Iterator[str]:
    """Dots on a slanted grid, smaller towards the top."""
    for row in range(46):
        for column in range(70):
            x, y = 28 * column + 14 * (row % 2), 24 * row
            yield disc(x, y, 2 + 9 * (y / HEIGHT), colour)


def shout(rng: Random) -> Iterator[str]:
    """A halftone with speed lines towards the middle."""
    yield fade("shout", "#fff3b0", "#ff9a4a")
    yield box(0, 0, WIDTH, HEIGHT, "url(#shout)", 0)
    yield from halftone("#f0703a")
    for k in range(150):
        angle = 2 * math.pi * (k + rng.uniform(-0.4, 0.4)) / 150
        inner, half = rng.uniform(430, 640), rng.uniform(0.002, 0.009)
        wedge: list[Point] = [(960 + inner * 1.2 * math.cos(angle), 540 + inner * 0.8 * math.sin(angle))]
        wedge += [(960 + 1400 * math.cos(angle + by), 540 + 1400 * math.sin(angle + by)) for by in (-half, half)]
        yield polygon(wedge, "#2a1a30", 0)


def petals(rng: Random) -> Iterator[str]:
    """A gradient with petals, as the background of credits."""
    yield fade("petals", "#2b2f66", "#c0689a")
    yield box(0, 0, WIDTH, HEIGHT, "url(#petals)", 0)
    for _ in range(60):
        x, y, angle = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(0, 360)
        petal = path("M 0,0 Q 14,-22 0,-40 Q -4,-34 -8,-38 Q -16,-20 0,0 Z", "#ffd3e2", 2)
        placing = f"translate({x:.2f} {y:.2f}) rotate({angle:.2f}) scale({rng.uniform(0.6, 1.6):.2f})"
        yield f'<g transform="{placing}">{petal}</g>'


def stripes(rng: Random) -> Iterator[str]:
    """Slanted stripes and rings, for a title card."""
    yield box(0, 0, WIDTH, HEIGHT, "#123c46", 0)
    for k in range(-12, 30):
        left = 90 * k
        yield polygon([(left, HEIGHT), (left + 38, HEIGHT), (left + 638, 0), (left + 600, 0)], "#185260", 0)
    for _ in range(14):
        x, y, radius = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(40, 190)
        colour = rng.choice(["#f2b84b", "#e8e4d0", "#3aa39a"])
        for ring in range(3):
            yield (
                f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius - 16 * ring:.2f}" fill="none" '
                f'stroke="{colour}" stroke-width="3"/>'
            )


PLACES: dict[str, Callable[[Random], Iterator[str]]] = {
    "attic": hidden_views.attic,
    "classroom": rooms.classroom,
    "garden": hidden_views.garden,
    "harbour": hidden_views.harbour,
    "hills": views.hills,
    "kitchen": rooms.kitchen,
    "library": hidden_views.library,
    "night": views.night,
    "petals": petals,
    "rooftop": views.rooftop,
    "shout": shout,
    "snow": hidden_views.snow,
    "station": hidden_views.station,
    "street": views.street,
    "stripes": stripes,
    "waves": hidden_views.waves,
}
PICTURE_HEIGHT = 1440
"""Height of a picture: four times the clip's, so that close-ups show no pixels."""


@dataclass(frozen=True)
class Place:
    """A place from PLACES."""

    name: str

    @property
    def sheet(self) -> str:
        return f"place/{self.name}"

    def paint(self, art: Path) -> Image.Image:
        return rasterize(document(PLACES[self.name](Random(self.name))), PICTURE_HEIGHT)
