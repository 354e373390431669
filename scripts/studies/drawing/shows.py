"""The shows and their scenes; which shows training does not see.

A show has the characters of one illustrator, and places and credits of its own. No drawing, dress, place or text of a
held-out show occurs in training, and no illustrator of drawn heads works for both. The held-out shows differ in their
distance from training:

blue    near: the illustrator and the girl of `green`, in other drawings: pose, dress, backgrounds
city    far: an illustrator, people, places and texts that do not occur in training

So judge them separately: a gain on city cannot come from memorised drawings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from . import characters
from .places import Place
from .renpy_art import CAMPUS, background, sylvie
from .scene import HEIGHT, WIDTH, Drawing, Layer, Pose, Scene

BLINK = "0000100"
TALK = "0203020"
LAUGH = "0033"
FONT_SIZE = 64
"""Credits use the font that Pillow includes: the same one everywhere."""
LINE_SPACING = 1.5


@dataclass(frozen=True)
class Credits:
    """Centred lines of text with a dark outline. The picture is as high as the lines."""

    name: str
    lines: tuple[str, ...]
    colour: str = "white"
    outline: int = 4

    @property
    def sheet(self) -> str:
        return f"credits/{self.name}"

    def paint(self, art: Path) -> Image.Image:
        font = ImageFont.load_default(FONT_SIZE)
        margin = 2 * self.outline + 4
        width = round(max(font.getlength(line) for line in self.lines)) + 2 * margin
        step = round(FONT_SIZE * LINE_SPACING)
        picture = Image.new("RGBA", (width, step * len(self.lines) + 2 * margin), (32, 16, 40, 0))
        draw = ImageDraw.Draw(picture)
        for n, line in enumerate(self.lines):
            at = (width / 2, margin + step * (n + 0.5))
            draw.text(at, line, self.colour, font, anchor="mm", stroke_width=self.outline, stroke_fill="#201028")
        return picture


@dataclass(frozen=True)
class Show:
    """Scenes by one illustrator."""

    name: str
    scenes: tuple[Scene, ...]


def compose(name: str, *layers: Layer) -> Scene:
    """Return a scene of layers, the farthest first."""
    return Scene(name, layers)


def view(right: float = 0, down: float = 0, zoom: float = 1) -> Pose:
    """Return the pose of a background, enlarged and moved away from the middle."""
    return Pose(WIDTH / 2 + right, HEIGHT / 2 + down, HEIGHT * zoom)


def ground(drawing: Drawing, begin: Pose, end: Pose | None = None, ease: bool = False, every: int = 1) -> Layer:
    """Return a layer that fills the picture. Its motion is that of the camera."""
    return Layer((drawing,), begin, end, ease, every)


def stand(x: float, height: float, foot: float = HEIGHT + 10) -> Pose:
    """Return the pose of a person. Drawings end at `foot`, below the picture, so that the cut is not visible."""
    return Pose(x, foot - height / 2, height)


GREEN, BLUE = sylvie("green"), sylvie("blue")
CLUB, UNI, HALL, MEADOW = (background(name) for name in ("club", "uni", "lecturehall", "meadow"))

green = Show(
    "green",
    (
        compose(
            "green-1-club-pan",
            ground(CLUB, view(50, 0, 1.25), view(-60, 0, 1.25)),
            Layer(GREEN, stand(400, 520, 540), every=2, exposure="0001020"),
        ),
        compose(
            "green-2-club-push-in",
            ground(CLUB, view(0, 0, 1.1), view(20, -12, 1.5), ease=True),
            Layer(GREEN, stand(300, 430, 440), stand(290, 600, 560), ease=True),
        ),
        compose(
            "green-3-uni-enter",
            ground(UNI, view(-20, 0, 1.2), view(-8, 0, 1.2)),
            Layer(GREEN, stand(40, 480, 520), stand(330, 480, 520), every=2, bob=4, exposure="1"),
        ),
        compose(
            "green-4-uni-still",
            ground(UNI, view(60, 20, 1.4)),
            Layer(GREEN, stand(330, 620, 640), every=3, exposure="11330022"),
        ),
        compose(
            "green-5-hall-pull-out",
            ground(HALL, view(70, 20, 1.6), view(0, 0, 1.05), ease=True),
            Layer(GREEN, stand(250, 640, 690), stand(280, 430, 470), ease=True),
        ),
        compose("green-6-hall-sweep", ground(HALL, view(-150, 40, 1.5), view(150, -60, 1.5))),
        compose(
            "green-7-club-close",
            ground(CLUB, view(-90, -30, 1.6), view(-74, -30, 1.6)),
            Layer(GREEN, stand(350, 660, 690), every=2, bob=2.5, period=16, exposure="220022"),
        ),
        compose("green-8-uni-tilt", ground(UNI, view(-30, -90, 1.55), view(20, 90, 1.55), ease=True)),
    ),
)

CLASSROOM, ROOFTOP, SHOUT, PETALS = (Place(name) for name in ("classroom", "rooftop", "shout", "petals"))
STAFF = Credits(
    "staff",
    (
        *("Original Story", "Akane Morikawa", "", "Series Composition", "T. Hoshizora", "", "Character Design"),
        *("Yuzuki Amano", "", "Art Director", "Ren Kisaragi", "", "Key Animation", "M. Ito   S. Wada   K. Ueno"),
    ),
    "#fff4f8",
    outline=3,
)

school = Show(
    "school",
    (
        compose(
            "school-1-classroom-talk",
            ground(CLASSROOM, view(80, 0, 1.3), view(-60, 0, 1.3)),
            Layer(characters.MIKA, stand(210, 330), every=2, exposure=TALK),
            Layer(characters.KEN, stand(450, 340), every=3, exposure=BLINK),
        ),
        compose(
            "school-2-classroom-close",
            ground(CLASSROOM, view(-120, 60, 1.7), view(-110, 56, 1.72)),
            Layer(characters.RIN, stand(340, 520, 500), every=2, exposure=BLINK, bob=2, period=24),
        ),
        compose(
            "school-3-classroom-enter",
            ground(CLASSROOM, view(0, -20, 1.15)),
            Layer(characters.TARO, stand(-60, 360, 380), stand(380, 360, 380), every=2, bob=5, period=8),
        ),
        compose(
            "school-4-classroom-push-in",
            ground(CLASSROOM, view(0, 0, 1.0), view(-40, -50, 1.45), ease=True),
            Layer(characters.YUI, stand(360, 290), stand(390, 400, 410), ease=True),
        ),
        compose(
            "school-5-rooftop-tilt",
            ground(ROOFTOP, view(0, 60, 1.4), view(0, -60, 1.4)),
            Layer(characters.SORA, stand(430, 380, 480), stand(430, 380, 400)),
        ),
        compose(
            "school-6-rooftop-pair",
            ground(ROOFTOP, view(-70, -20, 1.35), view(-40, -20, 1.35)),
            Layer(characters.SORA, stand(190, 390, 400), every=3, exposure=TALK),
            Layer(characters.MIKA, stand(470, 390, 400), every=2, exposure="3344", bob=3),
        ),
        compose("school-7-rooftop-pan", ground(ROOFTOP, view(110, 0, 1.4), view(-110, -30, 1.4))),
        compose(
            "school-8-shout",
            ground(SHOUT, view(6, 4, 1.3), view(-6, -4, 1.6)),
            Layer(characters.TARO, stand(320, 470, 460), stand(320, 520, 490), every=2, exposure=LAUGH, bob=5),
        ),
        compose(
            "school-9-shout-slide",
            ground(SHOUT, view(-40, 0, 1.25), view(40, 0, 1.25), every=2),
            Layer(characters.YUI, stand(700, 450, 450), stand(250, 450, 450), ease=True, exposure="3"),
        ),
        compose(
            "school-10-credits",
            ground(PETALS, view(0, 30, 1.2), view(0, -30, 1.2)),
            Layer((STAFF,), Pose(320, 360, 460), Pose(320, 300, 460)),
        ),
    ),
)

STREET = Place("street")
NEXT = Credits("next", ("NEXT EPISODE", "The Long Way Home"), "#ffe9a3", outline=5)

evening = Show(
    "evening",
    (
        compose(
            "evening-1-street-walk",
            ground(STREET, view(130, -30, 1.45), view(-130, -30, 1.45)),
            Layer(characters.HANA, stand(330, 280), every=2, bob=4, period=8, exposure="0000100"),
        ),
        compose(
            "evening-2-street-talk",
            ground(STREET, view(30, 20, 1.2), view(18, 20, 1.22)),
            Layer(characters.JUN, stand(170, 300), every=2, exposure=TALK),
            Layer(characters.MAI, stand(470, 290), every=3, exposure=BLINK),
        ),
        compose("evening-3-street-wires", ground(STREET, view(-60, 130, 1.75), view(60, 110, 1.75))),
        compose(
            "evening-4-street-still",
            ground(STREET, view(-100, -20, 1.5)),
            Layer(characters.MAI, stand(330, 350, 370), every=3, exposure="00100334"),
        ),
        compose(
            "evening-5-street-pull-out",
            ground(STREET, view(60, 40, 1.7), view(0, 0, 1.0), ease=True),
            Layer(characters.HANA, stand(300, 460, 480), stand(320, 260), ease=True),
            Layer(characters.JUN, stand(560, 470, 490), stand(480, 265), ease=True, exposure="3"),
        ),
        compose(
            "evening-6-next",
            ground(STREET, view(0, 90, 1.6), view(14, 90, 1.6), every=2),
            Layer((NEXT,), Pose(320, 175, 90), Pose(320, 175, 98)),
        ),
    ),
)

blue = Show(
    "blue",
    (
        compose(
            "blue-1-meadow-pan",
            ground(MEADOW, view(70, 10, 1.3), view(-50, 10, 1.3)),
            Layer(BLUE, stand(280, 540, 560), every=2, exposure="00010002"),
        ),
        compose(
            "blue-2-meadow-close",
            ground(MEADOW, view(-60, 50, 1.6), view(-72, 50, 1.6)),
            Layer(BLUE, stand(330, 650, 680), every=3, bob=2, period=18, exposure="11330022"),
        ),
        compose(
            "blue-3-campus-enter",
            ground(CAMPUS, view(0, 0, 1.15), view(10, 0, 1.15)),
            Layer(BLUE, stand(620, 500, 530), stand(350, 500, 530), every=2, bob=4, exposure="1"),
        ),
        compose(
            "blue-4-campus-push-in",
            ground(CAMPUS, view(0, 0, 1.05), view(30, -20, 1.5), ease=True),
            Layer(BLUE, stand(400, 420, 440), stand(430, 600, 610), ease=True),
        ),
    ),
)

NIGHT, HILLS, KITCHEN, STRIPES = (Place(name) for name in ("night", "hills", "kitchen", "stripes"))
CARD = Credits("card", ("Episode 07", "Lanterns over the River", "", "storyboard  F. Quill"), "#ffe2a8", outline=3)

city = Show(
    "city",
    (
        compose(
            "city-1-night-talk",
            ground(NIGHT, view(80, -20, 1.35), view(20, -20, 1.35)),
            Layer(characters.ADA, stand(190, 310), every=2, exposure=TALK),
            Layer(characters.BO, stand(470, 310), every=3, exposure=BLINK),
        ),
        compose(
            "city-2-hills-walk",
            ground(HILLS, view(-110, -10, 1.4), view(110, -10, 1.4)),
            Layer(characters.IDA, stand(320, 330, 375), every=2, bob=5, period=8, exposure="0000100"),
        ),
        compose(
            "city-3-kitchen-push-in",
            ground(KITCHEN, view(0, 0, 1.0), view(30, 40, 1.5), ease=True),
            Layer(characters.BO, stand(230, 260), stand(210, 390, 420), ease=True),
        ),
        compose(
            "city-4-card",
            ground(STRIPES, view(-30, 10, 1.2), view(30, -10, 1.2)),
            Layer((CARD,), Pose(320, 186, 170), Pose(320, 174, 170)),
        ),
    ),
)

TRAIN = (green, school, evening)
HELD_OUT = (blue, city)


def scenes(shows: Sequence[Show], at_most: int | None = None) -> list[Scene]:
    """Return the scenes of shows: all, or `at_most` of them, evenly spaced."""
    every = [scene for show in shows for scene in show.scenes]
    return every if at_most is None else every[:: len(every) // at_most][:at_most]
