"""Episodes with known cuts: shots of drawn clips and of a film, joined in every way that an episode joins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

type Picture = NDArray[np.uint8]
"""uint8 (height, width, 3): R, G, B."""

WIDTH, HEIGHT = 720, 480
"""Size of an episode, in pixels."""
CUTS = ("hard", "same palette", "dark to dark")
FLASHES = ("flash of 1", "flash of 2", "flash of 3")
SLOW = ("fade", "dissolve")
PULLDOWN = ((0, 0), (0, 1), (1, 2), (2, 2), (3, 3))
"""Which of 4 film frames the fields of 5 video frames come from."""
WHITE = 255
LENGTH = 30, 70
"""Frames of a shot: from, and to before."""


@dataclass(frozen=True)
class Event:
    """A place where a scene starts, or seems to."""

    kind: str
    first: int
    last: int
    """A cut: an anchor on any of the frames `first` to `last` finds it. A fade or dissolve: all its frames."""


@dataclass(frozen=True)
class Style:
    """How the shots of an episode are filmed and joined."""

    name: str
    joins: tuple[str, ...]
    steps: tuple[int, ...] = (1, 1, 2)
    """Frames that a drawing stays: on ones, twos, threes."""
    pan: float = 0.005
    """Fastest pan, in widths a frame."""
    zoom: float = 0.004
    """Fastest zoom, in shares of the size a frame."""
    grain: float = 0.0
    """Standard deviation of the grain, of 255."""
    dark: bool = False
    telecined: bool = False


ALL = ("hard", "hard", "hard", "same palette", "same palette", *FLASHES, *SLOW)
STYLES = (
    Style("calm", ALL, pan=0.0, zoom=0.0),
    Style("threes", ALL, steps=(2, 3, 3)),
    Style("camera", ALL, steps=(1,), pan=0.03, zoom=0.015),
    Style("grain", ALL, grain=7.0),
    Style("dark", ("dark to dark", "dark to dark", *FLASHES, *SLOW), dark=True, grain=2.0),
    Style("telecined", ALL, telecined=True),
)


@dataclass(frozen=True)
class Source:
    """A scene to film: a folder of pictures, or frames of a video file."""

    show: str
    path: Path
    frames: range = range(0)

    def read(self) -> Sequence[Picture]:
        return (
            _read_folder(self.path)
            if self.path.is_dir()
            else _read_video(self.path)[self.frames.start : self.frames.stop]
        )


def find_sources(clips: Path, film: Path, half: int) -> list[Source]:
    """Return the scenes of a folder of drawn clips, and one half of a film."""
    drawn = [Source(path.name.partition("-")[0], path) for path in sorted(clips.iterdir()) if path.is_dir()]
    count = len(_read_video(film))
    middle = count // 2
    return [*drawn, Source("film", film, range(0, middle) if half == 0 else range(middle, count))]


@dataclass(frozen=True)
class Episode:
    """Frames and the events in them."""

    name: str
    pictures: Sequence[Picture]
    events: Sequence[Event]


def make_episode(style: Style, sources: Sequence[Source], frames: int, seed: int) -> Episode:
    """Film and join shots until the episode has at least this many frames."""
    random = np.random.default_rng([seed, STYLES.index(style)])
    pictures: list[Picture] = []
    events: list[Event] = []
    source, view = _choose(random, sources), _View.wide()
    shot = _film(source, view, style, random)
    joins: list[str] = []
    while len(pictures) < frames:
        joins = joins or list(style.joins)
        join = joins.pop(int(random.integers(len(joins))))
        if join in FLASHES:
            shot, flash = _flash(shot, int(join[-1]), sources, random)
            events += [Event(join, len(pictures) + n, len(pictures) + n) for n in flash]
            join = style.joins[0]
        pictures += shot
        source, view = _next_view(source, view, sources, join, random)
        last, shot = shot[-1], _film(source, view, style, random)
        if join in SLOW:
            slow, begun = (_fade if join == "fade" else _dissolve)(last, shot, random)
            events.append(Event(join, len(pictures), len(pictures) + len(slow)))
            pictures += slow
            shot = shot[begun:]
        else:
            events.append(Event(join, len(pictures), len(pictures)))
    events = [event for event in events if event.last < len(pictures)]
    if style.grain:
        pictures = [_add_grain(picture, style.grain, random) for picture in pictures]
    if style.telecined:
        return _telecine(Episode(style.name, pictures, events))
    return Episode(style.name, pictures, events)


@dataclass(frozen=True)
class _View:
    """What a camera sees of a scene: centre and width, in shares of the scene."""

    x: float
    y: float
    width: float

    @classmethod
    def wide(cls) -> _View:
        return cls(0.5, 0.5, 0.9)


def _next_view(
    source: Source, view: _View, sources: Sequence[Source], join: str, random: Generator
) -> tuple[Source, _View]:
    """Choose what the shot after a join shows."""
    width = float(random.uniform(0.45, 0.9))
    half = width / 2
    new = _View(float(random.uniform(half, 1 - half)), float(random.uniform(half, 1 - half)), width)
    if join != "same palette":
        return _choose(random, [each for each in sources if each != source]), new
    kin = [each for each in sources if each.show == source.show and each != source]
    if kin and random.random() < 0.5:
        return _choose(random, kin), new
    # The same scene from nearer, or from farther, on the other side.
    side = 0.3 if view.x > 0.5 else 0.7
    return source, _View(side, float(random.uniform(0.35, 0.65)), 0.5 if view.width > 0.6 else 0.95)


def _film(source: Source, view: _View, style: Style, random: Generator) -> list[Picture]:
    """Film a shot. The scene runs forwards and backwards when the shot is longer."""
    scene = source.read()
    step = int(random.choice(style.steps))
    pan = random.uniform(-1, 1, 2) * style.pan
    zoom = float(random.uniform(-1, 1)) * style.zoom
    shot = []
    for n in range(int(random.integers(*LENGTH))):
        held = n - n % step
        place = held % (2 * len(scene) - 2)
        picture = scene[min(place, 2 * len(scene) - 2 - place)]
        centre = _bounce(view.x + held * pan[0]), _bounce(view.y + held * pan[1] / 2)
        width = view.width * (1 + zoom) ** held
        shot.append(_crop(picture, replace(view, x=centre[0], y=centre[1], width=min(max(width, 0.3), 1.2))))
    if style.dark:
        gain, offset = float(random.uniform(0.1, 0.25)), float(random.uniform(2, 10))
        shot = [(picture * gain + offset).astype(np.uint8) for picture in shot]
    return shot


def _bounce(place: float) -> float:
    """Keep a centre within the scene: the camera turns at the edges."""
    place = (place - 0.2) % 1.2
    return 0.2 + min(place, 1.2 - place)


def _crop(picture: Picture, view: _View) -> Picture:
    height, width = picture.shape[:2]
    scale = WIDTH / (view.width * width)
    stretch = HEIGHT / WIDTH * width / height * scale  # a DVD squeezes the picture
    matrix = np.array(
        [
            [scale, 0, WIDTH / 2 - scale * view.x * width],
            [0, stretch, HEIGHT / 2 - stretch * view.y * height],
        ]
    )
    filmed: Picture = cv2.warpAffine(
        picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    ).astype(np.uint8)
    return filmed


def _flash(
    shot: list[Picture], length: int, sources: Sequence[Source], random: Generator
) -> tuple[list[Picture], tuple[int, int]]:
    """Put a flash into the middle of a shot: white, bright, black, or an impact frame."""
    at = len(shot) // 2
    kind = random.choice(("white", "bright", "black", "impact"))
    if kind == "impact":
        picture = _crop(_choose(random, sources).read()[0], _View.wide())
        flash = [picture] * length
    else:
        share, colour = {"white": (1.0, WHITE), "bright": (0.6, WHITE), "black": (1.0, 0)}[str(kind)]
        flash = [_mix(picture, np.full_like(picture, colour), share) for picture in shot[at : at + length]]
    return [*shot[:at], *flash, *shot[at + length :]], (at, at + length)


def _fade(last: Picture, after: list[Picture], random: Generator) -> tuple[list[Picture], int]:
    """Fade from the last picture of a shot to black or white, and from there to the shot that follows.

    Returns:
        The pictures, and how many of the shot that follows they have used.
    """
    colour = np.full_like(last, WHITE if random.random() < 0.3 else 0)
    down, hold, up = (int(random.integers(*limits)) for limits in ((6, 24), (1, 8), (6, 24)))
    out = [_mix(last, colour, (n + 1) / down) for n in range(down)]
    back = [_mix(colour, after[n], (n + 1) / (up + 1)) for n in range(up)]
    return [*out, *[colour] * hold, *back], up


def _dissolve(last: Picture, after: list[Picture], random: Generator) -> tuple[list[Picture], int]:
    """Dissolve from the last picture of a shot to the shot that follows. Return as `_fade` does."""
    count = int(random.integers(8, 24))
    return [_mix(last, after[n], (n + 1) / (count + 1)) for n in range(count)], count


def _mix(one: Picture, other: Picture, share: float) -> Picture:
    mixed: Picture = cv2.addWeighted(one, 1 - share, other, share, 0).astype(np.uint8)
    return mixed


def _add_grain(picture: Picture, sigma: float, random: Generator) -> Picture:
    grain = random.normal(0, sigma, (HEIGHT, WIDTH, 1)).astype(np.float32)
    grainy: Picture = np.clip(picture + grain, 0, WHITE).astype(np.uint8)
    return grainy


def _telecine(episode: Episode) -> Episode:
    """Weave 4 film frames into 5 video frames, and leave them woven."""
    pictures: list[Picture] = []
    firsts: dict[int, tuple[int, int]] = {}
    for group in range(len(episode.pictures) // 4):
        for top, bottom in PULLDOWN:
            fields = 4 * group + top, 4 * group + bottom
            picture = episode.pictures[fields[0]].copy()
            picture[1::2] = episode.pictures[fields[1]][1::2]
            for film in fields:
                # A frame woven of two scenes may start the scene, or the frame after it.
                firsts.setdefault(film, (len(pictures), len(pictures) + (fields[0] != fields[1])))
            pictures.append(picture)
    events = [
        Event(event.kind, firsts[event.first][0], firsts[event.last][1])
        for event in episode.events
        if event.last in firsts
    ]
    return Episode(episode.name, pictures, events)


def _choose(random: Generator, sources: Sequence[Source]) -> Source:
    return sources[int(random.integers(len(sources)))]


@lru_cache(maxsize=4)
def _read_folder(path: Path) -> Sequence[Picture]:
    return [_read_picture(file) for file in sorted(path.glob("*.png"))]


@lru_cache(maxsize=1)
def _read_video(path: Path) -> Sequence[Picture]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False) for frame in container.decode(video=0)]


def _read_picture(file: Path) -> Picture:
    picture = cv2.imread(str(file))
    assert picture is not None, file
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)
