"""Scenes whose exposure sheet is known, at the size of a DVD: drawn art on holds, and motions that are easy to miss.

A scene has cels (drawings that move on a path) and overlays (small things drawn on top). Each says what it shows in
frame n as a key. Frames of a scene are equal if and only if their keys are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from scripts.studies.drawing import characters, scene, shows
from scripts.studies.drawing.places import Place
from scripts.studies.drawing.render import paste
from scripts.studies.drawing.renpy_art import CAMPUS
from scripts.studies.drawing.scene import Drawing, Pose

WIDTH, HEIGHT = 720, 480
LENGTH = 72
"""Frames of a scene: three seconds."""

type Picture = NDArray[np.float32]
"""RGB in code values of 8 bits, not rounded: (HEIGHT, WIDTH, 3)."""


@dataclass(frozen=True)
class Cel:
    """Drawings of which one is visible at a time: its number and its pose for each frame."""

    drawings: tuple[Drawing, ...]
    sheet: tuple[int, ...]
    path: tuple[Pose, ...]

    def key(self, n: int) -> Hashable:
        return self.sheet[n], self.path[n]


class Overlay(Protocol):
    """Something drawn on top of a picture."""

    def key(self, n: int) -> Hashable: ...

    def draw(self, picture: Picture, n: int) -> None: ...


@dataclass(frozen=True)
class Patch:
    """A small picture with alpha, (height, width, 4), one for each frame: mouths, eyes, hair lines."""

    states: tuple[NDArray[np.float32], ...]
    sheet: tuple[int, ...]
    x: int
    y: int

    def key(self, n: int) -> Hashable:
        return self.sheet[n]

    def draw(self, picture: Picture, n: int) -> None:
        state = self.states[self.sheet[n]]
        height, width, _ = state.shape
        area = picture[self.y : self.y + height, self.x : self.x + width]
        area += state[..., 3:] * (state[..., :3] - area)


@dataclass(frozen=True)
class Snow:
    """Flakes that fall on ones, with a little wind."""

    flakes: tuple[tuple[float, float, float], ...]
    """x, y and pixels fallen per frame."""
    size: float
    opacity: float

    def key(self, n: int) -> Hashable:
        return n

    def draw(self, picture: Picture, n: int) -> None:
        layer = Image.new("L", (2 * WIDTH, 2 * HEIGHT))
        pen = ImageDraw.Draw(layer)
        for x, y, speed in self.flakes:
            left, top = 2 * (x + 3 * math.sin(n / 9 + x)) % (2 * WIDTH), 2 * (y + speed * n) % (2 * HEIGHT)
            pen.ellipse((left, top, left + 2 * self.size, top + 2 * self.size), fill=255)
        alpha = np.asarray(layer.resize((WIDTH, HEIGHT), Image.Resampling.BOX), np.float32) * (self.opacity / 255)
        picture += alpha[..., None] * (250 - picture)


@dataclass(frozen=True)
class Light:
    """A change of brightness: by `gain` and by `lift` code values, for each frame, weighted by `area` (H, W)."""

    gain: tuple[float, ...]
    lift: tuple[float, ...]
    area: NDArray[np.float32] = field(repr=False)

    def key(self, n: int) -> Hashable:
        return self.gain[n], self.lift[n]

    def draw(self, picture: Picture, n: int) -> None:
        picture += self.area[..., None] * (picture * (self.gain[n] - 1) + self.lift[n])


@dataclass(frozen=True)
class Scene:
    name: str
    kind: str
    cels: tuple[Cel, ...]
    overlays: tuple[Overlay, ...] = ()

    def key(self, n: int) -> Hashable:
        """Return what frame n shows."""
        parts: tuple[Cel | Overlay, ...] = (*self.cels, *self.overlays)
        return tuple(part.key(n) for part in parts)


def render(scene: Scene, art: Path) -> Iterator[Picture]:
    """Yield the frames."""
    previous, picture = None, np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for n in range(LENGTH):
        if previous != (previous := tuple(cel.key(n) for cel in scene.cels)):
            canvas = Image.new("RGBA", (WIDTH, HEIGHT), "black")
            for cel in scene.cels:
                paste(canvas, paint(cel.drawings[cel.sheet[n]], art), cel.path[n])
            picture = np.asarray(canvas.convert("RGB"), np.float32)
        shown = picture.copy()
        for overlay in scene.overlays:
            overlay.draw(shown, n)
        yield shown


@cache
def paint(drawing: Drawing, art: Path) -> Image.Image:
    """Return a drawing, at most 900 pixels high."""
    picture = drawing.paint(art)
    factor = max(1, round(picture.height / 900))
    return picture.reduce(factor)


# Exposure sheets: the number of a drawing for each frame.


def on(every: int, *drawings: int) -> tuple[int, ...]:
    """Return a sheet that shows each drawing for `every` frames, again and again."""
    return tuple(drawings[n // every % len(drawings)] for n in range(LENGTH))


def mixed(rng: Random, holds: Sequence[int], states: int) -> tuple[int, ...]:
    """Return a sheet of random holds; two that follow each other show different drawings."""
    sheet: list[int] = []
    while len(sheet) < LENGTH:
        others = [k for k in range(states) if not sheet or k != sheet[-1]]
        sheet += [rng.choice(others)] * rng.choice(holds)
    return tuple(sheet[:LENGTH])


def still(pose: Pose) -> tuple[Pose, ...]:
    return (pose,) * LENGTH


def moving(pose: Pose, x: float, y: float = 0, zoom: float = 0, every: int = 1) -> tuple[Pose, ...]:
    """Return a path by x and y pixels of the picture, and by `zoom` of the height, each frame, on `every`."""
    across, down = x * scene.WIDTH / WIDTH, y * scene.HEIGHT / HEIGHT
    return tuple(
        Pose(pose.x + k * across, pose.y + k * down, pose.height * (1 + k * zoom))
        for k in (n - n % every for n in range(LENGTH))
    )


# Overlays


def ink(rgb: ArrayLike, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a patch of one colour: (height, width, 4)."""
    return np.dstack([np.full((*alpha.shape, 3), rgb, np.float32), alpha]).astype(np.float32)


def mouth(rng: Random, contrast: float, holds: Sequence[int]) -> Patch:
    """A mouth of 6x3 pixels on skin: shut (a line) or open, `contrast` code values from the skin."""
    skin = np.array([236, 200, 176], np.float32)
    open_ = ink(skin, np.ones((13, 20), np.float32))
    shut = open_.copy()
    open_[5:8, 7:13, :3] = skin - contrast * np.array([0.8, 1.1, 1.0])
    shut[6, 7:13, :3] = skin - contrast * np.array([0.8, 1.1, 1.0])
    return Patch((shut, open_), mixed(rng, holds, 2), rng.randrange(40, WIDTH - 60), rng.randrange(40, HEIGHT - 60))


def blink(rng: Random, holds: Sequence[int]) -> Patch:
    """An eye of 10x6 pixels: open, half, shut."""
    skin = np.array([240, 206, 184], np.float32)
    base = ink(skin, np.ones((16, 20), np.float32))
    states = [base.copy() for _ in range(3)]
    states[0][5:11, 5:15, :3] = (250, 250, 250)
    states[0][5:11, 8:12, :3] = (60, 44, 90)
    states[1][8:11, 5:15, :3] = (238, 238, 238)
    states[1][8:11, 8:12, :3] = (60, 44, 90)
    for state, row in zip(states, (4, 7, 10), strict=True):
        state[row, 5:15, :3] = (52, 36, 40)
    return Patch(tuple(states), mixed(rng, holds, 3), rng.randrange(40, WIDTH - 60), rng.randrange(40, HEIGHT - 60))


def blush(rng: Random, strength: float, holds: Sequence[int]) -> Patch:
    """A cheek of 24x14 pixels that reddens without becoming lighter or darker: red by `strength`."""
    pale = ink((238, 204, 182), np.ones((30, 40), np.float32))
    red = pale.copy()
    red[8:22, 8:32, :3] += strength * np.array([1, -0.299 / 0.587, 0], np.float32)
    return Patch((pale, red), mixed(rng, holds, 2), rng.randrange(40, WIDTH - 80), rng.randrange(40, HEIGHT - 80))


def hair(rng: Random, shift: float, holds: Sequence[int]) -> Patch:
    """A line of one pixel on skin, 30 long, that moves sideways by `shift` pixels."""
    skin, line = np.array([238, 204, 182], np.float32), np.array([90, 60, 66], np.float32)
    states = []
    for k in range(3):
        alpha = np.zeros((34, 24), np.float32)
        for row in range(2, 32):
            x = 8 + shift * k + 0.12 * row
            alpha[row, int(x)], alpha[row, int(x) + 1] = 1 - x % 1, x % 1
        states.append(ink((0, 0, 0), np.ones_like(alpha)))
        states[-1][..., :3] = skin + alpha[..., None] * (line - skin)
    return Patch(tuple(states), mixed(rng, holds, 3), rng.randrange(40, WIDTH - 80), rng.randrange(40, HEIGHT - 80))


def snow(rng: Random, count: int, size: float, opacity: float) -> Snow:
    flakes = [(rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(0.8, 2.2)) for _ in range(count)]
    return Snow(tuple(flakes), size, opacity)


WHOLE = np.ones((HEIGHT, WIDTH), np.float32)


def lamp(rng: Random, radius: float) -> NDArray[np.float32]:
    """Return the area that a lamp lights."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    distance: NDArray[np.float64] = np.hypot(x - rng.uniform(150, WIDTH - 150), y - rng.uniform(100, HEIGHT - 100))
    return np.exp(-((distance / radius) ** 2)).astype(np.float32)


def fade(step: float, area: NDArray[np.float32] = WHOLE) -> Light:
    """A fade to black that takes `step` code values from a grey of 110 each frame."""
    return Light(tuple(1 - n * step / 110 for n in range(LENGTH)), (0.0,) * LENGTH, area)


def flicker(rng: Random, amplitude: float, area: NDArray[np.float32], holds: Sequence[int]) -> Light:
    """A light that jumps between three levels, `amplitude` code values apart."""
    levels = tuple(amplitude * k for k in mixed(rng, holds, 3))
    return Light((1.0,) * LENGTH, levels, area)


# The two halves: no drawing, place or text of one is in the other (scripts/studies/drawing/shows.py).


@dataclass(frozen=True)
class Half:
    name: str
    seed: str
    places: tuple[Drawing, ...]
    people: tuple[tuple[Drawing, ...], ...]
    credits: Drawing


def place(*names: str) -> tuple[Drawing, ...]:
    return tuple(Place(name) for name in names)


TRAIN = Half(
    "train",
    "train-1",
    (shows.CLUB, shows.UNI, shows.HALL, *place("classroom", "rooftop", "street", "petals")),
    (shows.GREEN, characters.MIKA, characters.KEN, characters.RIN, characters.HANA, characters.JUN),
    shows.STAFF,
)
HELD_OUT = Half(
    "held-out",
    "held-out-1",
    (shows.MEADOW, CAMPUS, *place("night", "hills", "kitchen", "stripes")),
    (shows.BLUE, characters.ADA, characters.BO, characters.IDA),
    shows.CARD,
)


type Parts = tuple[str, tuple[Cel, ...], tuple[Overlay, ...]]
"""The name of a scene, its cels and its overlays."""


def scenes(half: Half) -> list[Scene]:
    """Return the scenes of a half: holds first, then small motions."""
    rng = Random(half.seed)

    def ground(zoom: float = 1.3) -> Pose:
        return Pose(scene.WIDTH / 2 + rng.uniform(-30, 30), scene.HEIGHT / 2 + rng.uniform(-20, 20), 360 * zoom)

    def setting(path: Callable[[Pose], tuple[Pose, ...]] = still, zoom: float = 1.3) -> Cel:
        return Cel((rng.choice(half.places),), on(1, 0), path(ground(zoom)))

    def person(sheet: tuple[int, ...], x: float, path: Callable[[Pose], tuple[Pose, ...]] = still) -> Cel:
        height = rng.uniform(300, 420)
        return Cel(rng.choice(half.people), sheet, path(Pose(x, 370 - height / 2 + 30, height)))

    def faces(holds: Sequence[int]) -> tuple[int, ...]:
        return mixed(rng, holds, 4)

    def walk(every: int) -> Callable[[Pose], tuple[Pose, ...]]:
        return lambda pose: moving(pose, rng.uniform(3, 6), rng.uniform(-0.5, 0.5), every=every)

    def pan(x: float, y: float = 0, zoom: float = 0, every: int = 1) -> Callable[[Pose], tuple[Pose, ...]]:
        return lambda pose: moving(pose, x, y, zoom, every)

    twos, threes, ones = (2,), (3,), (1,)
    holds: list[Parts] = [
        ("talk on twos", (setting(), person(faces(twos), 250)), ()),
        ("talk on threes", (setting(), person(faces(threes), 390)), ()),
        ("talk, mixed", (setting(), person(faces((2, 3, 4, 6)), 300)), ()),
        ("pair, twos and threes", (setting(), person(faces(twos), 200), person(faces(threes), 450)), ()),
        ("pair, long holds", (setting(), person(faces((8, 12, 20)), 200), person(faces((10, 24)), 460)), ()),
        ("walk on twos", (setting(), person(on(2, 0), 80, walk(2))), ()),
        ("walk on threes", (setting(), person(on(3, 0, 1), 60, walk(3))), ()),
        ("pan on twos", (setting(pan(1.5, every=2)), person(faces(twos), 320)), ()),
        ("pan on threes", (setting(pan(-1, 0.5, every=3)), person(on(3, 0), 320)), ()),
        ("still", (setting(), person(on(1, 0), 320)), ()),
        ("still, a blink", (setting(), person(on(1, 0), 220)), (blink(rng, (6, 9, 14)),)),
        ("mouth on threes", (setting(), person(on(1, 0), 420)), (mouth(rng, 90, threes),)),
    ]
    small: list[Parts] = [
        ("mouth 6x3, 90", (setting(),), (mouth(rng, 90, ones),)),
        ("mouth 6x3, 50", (setting(), person(on(1, 0), 320)), (mouth(rng, 50, (1, 2)),)),
        ("mouth 6x3, 30", (setting(),), (mouth(rng, 30, ones),)),
        ("blink 10x6", (setting(),), (blink(rng, ones),)),
        ("blush, 20", (setting(),), (blush(rng, 20, ones),)),
        ("blush, 10", (setting(),), (blush(rng, 10, ones),)),
        ("hair, 1 pixel", (setting(),), (hair(rng, 1, ones),)),
        ("hair, half a pixel", (setting(), person(on(1, 0), 320)), (hair(rng, 0.5, ones),)),
        ("pan, quarter pixel", (setting(pan(0.25)), person(on(1, 0), 320)), ()),
        ("pan, quarter pixel, all", (setting(pan(0, 0.25)),), ()),
        ("slow zoom", (setting(pan(0, 0, 0.0006)),), ()),
        ("snow", (setting(),), (snow(rng, 120, 2, 0.9),)),
        ("snow, sparse", (setting(),), (snow(rng, 14, 1.5, 0.6),)),
        ("fade, 0.3 a frame", (setting(),), (fade(0.3),)),
        ("fade, 1 a frame", (setting(), person(on(1, 0), 320)), (fade(1),)),
        ("credits, half a pixel", (setting(), credits_(half, 0.5)), ()),
        ("credits, 1 pixel", (setting(), credits_(half, 1)), ()),
        ("lamp, 4", (setting(),), (flicker(rng, 4, lamp(rng, 90), ones),)),
        ("lamp, 2", (setting(),), (flicker(rng, 2, lamp(rng, 140), ones),)),
        ("flicker, 1.5", (setting(), person(on(1, 0), 320)), (flicker(rng, 1.5, WHOLE, ones),)),
    ]
    return [
        *(Scene(name, "holds", cels, overlays) for name, cels, overlays in holds),
        *(Scene(name, "small motions", cels, overlays) for name, cels, overlays in small),
    ]


def credits_(half: Half, speed: float) -> Cel:
    height = 46.0 * (14 if half.name == "train" else 4)
    return Cel((half.credits,), on(1, 0), moving(Pose(320, 60 + height / 2, height), 0, -speed))
