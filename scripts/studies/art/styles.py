"""Styles of scenes: which art they show, and how. Held-out styles use other packages than those to train with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from random import Random

from ..drawing.scene import Layer, Pose, Scene
from . import graphics, packages
from .drawings import DAY, is_sprite, sample
from .packages import Package
from .stage import SIZES, Stage

ENGLISH = (
    ("The river froze that night.",),
    ("I never said it was safe!",),
    ("Twelve years earlier",),
    ("Where did everybody go?", "The lamps are still warm."),
    ("EPISODE 4", "A Door in the Hill"),
    ("Script   M. Aldous", "Layout   R. Ferne", "Colour   S. Okoye", "Paint   T. Brandt"),
)
OTHERS = (
    ("Später, am Hafen",),
    ("Où est la clé ?",),
    ("¡Corre, no mires atrás!",),
    ("Третий день пути",),
    ("0123456789 % & @ § +",),
)
JAPANESE = (
    ("第三話", "丘の上のとびら"),
    ("おわり",),
    ("次回もおたのしみに",),
    ("待って、まだ早い",),
    ("監督　音楽　美術",),
)
HELD_OUT_TEXTS = (
    ("Meanwhile, up north",),
    ("Checkmate in five moves",),
    ("Next week:", "The Long Way Home"),
    ("ENDE",),
)

COMIC = "fonts-comic-neue/ComicNeue-Bold.otf"
SANS, SERIF = "fonts-dejavu-core/DejaVuSans-Bold.ttf", "fonts-dejavu-core/DejaVuSerif.ttf"
CEDAR = "fonts-motoya-l-cedar/MTLc3m.ttf"
FONTS = (
    (COMIC, ENGLISH),
    (SANS, (*ENGLISH, *OTHERS)),
    (SERIF, (*ENGLISH, *OTHERS)),
    (CEDAR, JAPANESE),
)
HELD_OUT_FONTS = (("fonts-lato/Lato-Black.ttf", HELD_OUT_TEXTS), ("fonts-lato/Lato-Regular.ttf", HELD_OUT_TEXTS))
FONT_PACKAGES = (packages.COMIC_NEUE, packages.DEJAVU, packages.MOTOYA)
HELD_OUT_FONT_PACKAGES = (packages.LATO,)

SMALL = SIZES[:1]

type Compose = Callable[[Stage, int], tuple[Layer, ...]]
"""Returns the layers of the n-th scene of a style."""


@dataclass(frozen=True)
class Style:
    """Scenes made in one way of the art of some packages."""

    name: str
    count: int
    compose: Compose
    packages: tuple[Package, ...]
    captions: float = 0.2
    """Share of scenes with letters."""
    held_out: bool = False
    sizes: tuple[tuple[int, int], ...] = SIZES

    def names(self) -> list[str]:
        """Return the names of the scenes."""
        return [f"{self.name}-{n:02d}" for n in range(self.count)]

    def needs(self) -> tuple[Package, ...]:
        """Return the packages of its art and of its letters."""
        fonts = HELD_OUT_FONT_PACKAGES if self.held_out else FONT_PACKAGES
        return (*self.packages, *(fonts if self.captions else ()))

    def scene(self, name: str, art: Path) -> Scene:
        """Compose the scene of this name. It depends on nothing but the name and the art.

        Raises:
            DrawingError: art is missing.
        """
        rng = Random(name)
        stage = Stage(rng, art, rng.choice(self.sizes))
        layers = self.compose(stage, int(name.rpartition("-")[2]))
        if rng.random() < self.captions:
            layers = (*layers, stage.caption(HELD_OUT_FONTS if self.held_out else FONTS))
        return Scene(name, layers, stage.size)


def find(art: Path, package: Package, *patterns: str, but: Iterable[str] = ()) -> list[str]:
    """Return the files of a package that fit a pattern, and none of `but`, relative to `art`. The order is fixed."""
    folder = art / package.name
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return [
        f"{package.name}/{name}"
        for name in names
        if any(fnmatch(name, each) for each in patterns) and not any(fnmatch(name, each) for each in but)
    ]


def deal(files: Sequence[str], n: int, seed: str) -> str:
    """Return the n-th file in a shuffled order: all come before one comes again."""
    order = Random(f"{seed}/{n // len(files)}").sample(list(files), len(files))
    return order[n % len(files)]


# To train with


def painting(stage: Stage, files: Sequence[str], n: int) -> tuple[Layer, ...]:
    """A camera over a painting."""
    file = deal([file for file in files if stage.fits(file)], n, "painting")
    return (stage.ground(file, stage.light(file)),)


def paintings(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over a large painting."""
    return painting(stage, find(stage.art, packages.WESNOTH_TROW, "story/*"), n)


def fables(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over a small painting with lines of ink."""
    return painting(stage, find(stage.art, packages.WESNOTH_HTTT, "story/*"), n)


def faces(files: Sequence[str]) -> list[tuple[str, ...]]:
    """Group the portraits of one person by the first word of their names. The first is shown the most."""
    groups: dict[str, list[str]] = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        groups.setdefault(f"{folder}/{name.partition('.')[0].partition('-')[0]}", []).append(file)
    return [tuple(group) for group in groups.values()]


def alike(art: Path, files: Sequence[str]) -> tuple[str, ...]:
    """Return those files that are as large as the first: others would jump."""
    return tuple(file for file in files if sample(art / file).size == sample(art / files[0]).size)[:4]


def exposure(rng: Random, count: int) -> str:
    """Return which of `count` drawings is visible in each hold: the first one, with changes between."""
    return "".join(rng.choice(("0", "0", str(rng.randrange(count)))) for _ in range(12)) if count > 1 else "0"


def portraits(stage: Stage, n: int) -> tuple[Layer, ...]:
    """One or two people before a painting."""
    rng, art = stage.rng, stage.art
    behind = [
        file
        for file in (*find(art, packages.WESNOTH_TROW, "story/*"), *find(art, packages.WARMUX, "*/*sky*.jpg"))
        if stage.fits(file)
    ]
    people = faces(
        [
            *find(art, packages.WESNOTH_HTTT, "portraits/*"),
            *find(art, packages.WESNOTH_TROW, "portraits/*", but=("*/rithrandil*",)),
            *find(art, packages.WESNOTH_TSG, "portraits/*"),
            *find(art, packages.WESNOTH_UTBS, "portraits/*"),
        ]
    )
    ground = rng.choice(behind)
    light = stage.light(ground)
    layers = [stage.ground(ground, light, zoom=1.4, still=rng.random() < 0.5)]
    chosen = [people[(2 * n + k) * 7 % len(people)] for k in range(rng.choice((1, 2)))]
    for k, group in enumerate(chosen):
        looks = alike(art, group)
        x = 0.5 if len(chosen) == 1 else (0.28, 0.74)[k]
        layers.append(
            stage.standing(
                looks, x, stage.size[1] * rng.uniform(0.8, 1.05), every=stage.timing(), grade=light,
                exposure=exposure(rng, len(looks)), bob=rng.choice((0.0, 0.0, 1.5, 3.0)),
            )
        )  # fmt: skip
    return tuple(layers)


def anime(stage: Stage, n: int) -> tuple[Layer, ...]:
    """The girls of Ren'Py's tutorial in close-ups, or a camera over its concert."""
    rng, art = stage.rng, stage.art
    concerts = find(art, packages.RENPY_DEMO, "concert*")
    concert = deal(concerts, n // 3, "concert")
    if n % 3 == 2:
        return (stage.ground(concert, stage.light(concert)),)
    looks = find(art, packages.RENPY_DEMO, ("eileen *", "lucy *")[n % 3])
    behind = rng.choice(("park", "flat", "concert"))
    light = stage.light(concert) if behind == "concert" else DAY
    if behind == "concert":
        ground = stage.ground(concert, light, still=rng.random() < 0.5)
    else:
        ground = stage.backdrop(behind, still=rng.random() < 0.5)
    height = stage.size[1] * rng.uniform(1.1, 1.7)
    scale = min(height, 0.9 * sample(art / looks[0]).size[1] / 2)
    begin = Pose(stage.size[0] * rng.uniform(0.35, 0.65), scale / 2 + stage.size[1] * 0.04, scale)
    end = replace(begin, x=begin.x + rng.choice((0, 0, -40, 40)), y=begin.y + rng.choice((0, -10, 6)))
    every = stage.timing()
    return ground, stage.figure(looks, begin, end, every=every, exposure=exposure(rng, len(looks)), grade=light)


def islands(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A drawn island before its sky, each moved at its own speed."""
    files = find(stage.art, packages.WARMUX, "*/*.jpg", "*/*.png", but=("*/preview*", "random*", "*/*layer-*"))
    worlds: dict[str, list[str]] = {}
    for file in files:
        if min(sample(stage.art / file).size) >= 900:
            worlds.setdefault(file.split("/")[1], []).append(file)
    name = deal(sorted(worlds), n, "islands")
    skies = [file for file in worlds[name] if sample(stage.art / file).coverage > 0.95]
    lands = [file for file in worlds[name] if file not in skies and stage.fits(file)]
    light = stage.light((skies or lands)[0])
    behind = [stage.ground(skies[0], light, zoom=1.5)] if skies else [stage.backdrop("park")]
    return (*behind, *(stage.ground(file, light, zoom=2.4) for file in lands[:1]))


def things(stage: Stage, n: int) -> tuple[Layer, ...]:
    """Clip art that flies, slides and bounces before a plain ground, each at its own timing."""
    rng, art = stage.rng, stage.art
    files = find(art, packages.OPENCLIPART, "*")
    layers = [stage.backdrop(rng.choice(("flat", "flat", "park")), still=rng.random() < 0.6)]
    for _ in range(rng.randint(3, 6)):
        file = rng.choice(files)
        while not is_sprite(art / file):
            file = rng.choice(files)
        begin, end = (
            Pose(stage.size[0] * rng.uniform(0.1, 0.9), stage.size[1] * rng.uniform(0.15, 0.85), 0.0) for _ in range(2)
        )
        size = stage.size[1] * rng.uniform(0.28, 0.8)
        end = begin.towards(end, 0.35)
        grown = size * rng.choice((1.0, 1.0, 0.85, 1.2))
        layers.append(
            stage.figure(
                [file], replace(begin, height=size), replace(end, height=grown), every=stage.timing(),
                bob=rng.choice((0.0, 0.0, 4.0)), ease=rng.random() < 0.5,
            )
        )  # fmt: skip
    return tuple(layers)


def outlines(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over a line drawing on paper."""
    named = ("worldmap*.png", "street.png", "chicken.png", "tux_farmer.png", "jetplane.png")
    files = find(stage.art, packages.TUXPAINT, "*.svg", *named, but=("*-back*", "nagasaki*", "frame*"))
    fitting = [file for file in files if stage.fits(file) and sample(stage.art / file).coverage < 0.8]
    paper = stage.rng.choice(("#ffffff", "#fdf6e3", "#cfe8fc", "#f7d6d0", "#d8f0d2"))
    return (stage.ground(deal(fitting, n, "outlines"), zoom=1.5, paper=paper),)


def cat(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A small cat that walks in a hand-drawn landscape."""
    rng, art = stage.rng, stage.art
    walks = ("cat-walk", "cat-poncho", "cat-rainboots", "cat-speedboots", "cat-umbrella", "cat-shield", "cat-laser")
    lands = [
        file
        for file in find(art, packages.RAINCAT, "levels/*/*.png")
        if stage.fits(file) and 0.05 < sample(art / file).coverage < 0.8
    ]
    layers = [
        stage.ground(find(art, packages.RAINCAT, "backgrounds/*")[0], zoom=1.2),
        stage.ground(deal(lands, n, "cat"), zoom=1.3, still=True),
    ]
    for k in range(3):
        steps = alike(art, find(art, packages.RAINCAT, f"cat/*/{walks[(n + 2 * k) % len(walks)]}[0-9]*"))
        begin = Pose(stage.size[0] * rng.uniform(0.1, 0.7), stage.size[1] * (0.3 + 0.22 * k), 58)
        end = replace(begin, x=begin.x + rng.uniform(20, 70))
        layers.append(stage.figure(steps, begin, end, every=rng.choice((2, 3)), exposure="0123"))
    return tuple(layers)


def cards(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over playing cards on cloth."""
    decks = [file for file in find(stage.art, packages.CARDS, "*") if is_sprite(stage.art / file)]
    cloth = stage.rng.choice(("#1f6f43", "#7b1e2b", "#23395d", "#8a6f4d"))
    return (stage.ground(deal(decks, n, "cards"), zoom=2.2, paper=cloth),)


def wallpapers(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over shapes and patterns."""
    debian = (f"{name}*/*1600*" for name in ("joy-ink", "emerald", "homeworld", "moon"))
    files = [
        *find(stage.art, packages.GNOME, "*", but=("adwaita*", "vnc*", "wood*", "symbolic*")),
        *find(stage.art, packages.DESKTOP, *debian),
        *find(stage.art, packages.SINGULARITY, "*"),
    ]
    return (stage.ground(deal([file for file in files if stage.fits(file)], n, "wallpapers"), zoom=3.0),)


def lines(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over charts, plans and instruments."""
    return (stage.backdrop(graphics.LINES[n % len(graphics.LINES)], zoom=2.0),)


TRAIN = (
    Style("painting", 16, paintings, (packages.WESNOTH_TROW,)),
    Style("fable", 6, fables, (packages.WESNOTH_HTTT,), sizes=SMALL),
    Style(
        "portrait",
        20,
        portraits,
        (packages.WESNOTH_TROW, packages.WESNOTH_HTTT, packages.WESNOTH_TSG, packages.WESNOTH_UTBS, packages.WARMUX),
    ),
    Style("anime", 13, anime, (packages.RENPY_DEMO,), 0.3),
    Style("island", 24, islands, (packages.WARMUX,), 0.1),
    Style("things", 13, things, (packages.OPENCLIPART,)),
    Style("outline", 8, outlines, (packages.TUXPAINT,)),
    Style("cat", 4, cat, (packages.RAINCAT,), 0),
    Style("cards", 4, cards, (packages.CARDS,), 0),
    Style("wallpaper", 6, wallpapers, (packages.GNOME, packages.DESKTOP, packages.SINGULARITY)),
    Style("lines", 6, lines, (), 0.6),
)


# Held out


def monsters(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A cartoon with bold outlines before a ground of its own."""
    rng, art = stage.rng, stage.art
    grounds = [file for file in find(art, packages.AMOEBAX, "*Background.png") if stage.fits(file)]
    people = ("Angus", "Brooke", "Gary", "K.Quita", "Kerberos", "Mr.Bones", "Sasha", "Spike", "Tom", "Kim")
    layers = [stage.ground(deal(grounds, n, "monster"), zoom=1.4)]
    for k in range(2):
        name = people[(2 * n + k) % len(people)]
        height = stage.size[1] * rng.uniform(0.6, 0.9)
        layers.append(stage.standing([f"{packages.AMOEBAX.name}/{name}.png"], (0.28, 0.72)[k], height,
                                     every=stage.timing(), bob=rng.choice((0.0, 3.0))))  # fmt: skip
    return tuple(layers)


def stories(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over a painted place of a role-playing game."""
    art = stage.art
    places = [
        file
        for file in find(
            art, packages.ARDENTRYST, "StorySceneImages/*", but=("*/black*", "*/part*", "*/End*", "*_dark*")
        )
        if stage.fits(file)
    ]
    return (stage.ground(deal(places, n, "stories"), zoom=1.1),)


def toys(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over a picture to be decorated, and what belongs to it."""
    return (stage.ground(deal(find(stage.art, packages.KTUBERLING, "*"), n, "toys"), zoom=2.2),)


def chess(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over a chess board, and pieces that are moved."""
    rng, art = stage.rng, stage.art
    boards = [file for file in find(art, packages.DREAMCHESS, "boards/*/*.png") if stage.fits(file)]
    pieces = find(art, packages.DREAMCHESS, ("pieces/sketch/*_[bw].png", "pieces/figurine/*_[bw].png")[n % 2])
    layers = [stage.ground(deal(boards, n, "chess"), zoom=1.5)]
    for _ in range(3):
        begin = Pose(stage.size[0] * rng.uniform(0.15, 0.85), stage.size[1] * rng.uniform(0.3, 0.7), 110)
        end = replace(begin, x=begin.x + rng.uniform(-60, 60), y=begin.y + rng.uniform(-20, 20))
        layers.append(stage.figure([rng.choice(pieces)], begin, end, every=stage.timing(), ease=True))
    return tuple(layers)


def penguin(stage: Stage, n: int) -> tuple[Layer, ...]:
    """A camera over a penguin in space."""
    return (stage.ground(find(stage.art, packages.SPACEFUN, "*")[0], zoom=2.5),)


HELD_OUT = (
    Style("monster", 4, monsters, (packages.AMOEBAX,), 0.3, held_out=True),
    Style("story", 3, stories, (packages.ARDENTRYST,), 0.3, held_out=True, sizes=SMALL),
    Style("toys", 4, toys, (packages.KTUBERLING,), 0.2, held_out=True),
    Style("chess", 4, chess, (packages.DREAMCHESS,), 0.3, held_out=True),
    Style("penguin", 1, penguin, (packages.SPACEFUN,), 0, held_out=True),
)
