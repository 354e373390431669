"""Drawn places as drawings of a scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image

from . import patterns, rooms, views
from .shapes import document
from .vector import raster

PLACES: dict[str, Callable[[Random], Iterator[str]]] = {
    "classroom": rooms.classroom,
    "hills": views.hills,
    "kitchen": rooms.kitchen,
    "night": views.night,
    "petals": patterns.petals,
    "rooftop": views.rooftop,
    "shout": patterns.shout,
    "street": views.street,
    "stripes": patterns.stripes,
}
HEIGHT = 1440
"""Of the picture: four times a clip's, so that a camera that comes close finds no pixels."""


@dataclass(frozen=True)
class Place:
    """A place by its name in PLACES."""

    name: str

    @property
    def sheet(self) -> str:
        return f"place/{self.name}"

    def paint(self, art: Path) -> Image.Image:
        return raster(document(PLACES[self.name](Random(self.name))), HEIGHT)
