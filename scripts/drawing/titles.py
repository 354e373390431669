"""The titles and their scenes, and which of them training does not see.

A title is one hand's characters, with places and credits of its own. No drawing, dress, place or text of a held-out
title shows up in training, and no illustrator of a drawn head. The held-out titles differ in how far away they are:

blue    near: the hand that drew `green`, and its girl, in drawings that training has not: pose, dress, backgrounds
city    far: an illustrator, people, places and texts of which training has nothing

So judge them apart: what is gained on city cannot have been learned by heart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import casts
from .credits import Credits
from .place import Place
from .question import CAMPUS, background, sylvie
from .scene import HEIGHT, WIDTH, Drawing, Layer, Pose, Scene

BLINK = "0000100"
TALK = "0203020"
LAUGH = "0033"


@dataclass(frozen=True)
class Title:
    """Scenes by one hand."""

    name: str
    scenes: tuple[Scene, ...]


def view(right: float = 0, down: float = 0, zoom: float = 1) -> Pose:
    """A ground, enlarged, and moved away from the middle."""
    return Pose(WIDTH / 2 + right, HEIGHT / 2 + down, HEIGHT * zoom)


def ground(drawing: Drawing, begin: Pose, end: Pose | None = None, eased: bool = False, every: int = 1) -> Layer:
    """What fills the picture, and how the camera passes over it."""
    return Layer((drawing,), begin, end, eased, every)


def standing(x: float, height: float, foot: float = HEIGHT + 10) -> Pose:
    """Someone of a height, cut off at the foot: below the picture, so that the cut is not seen."""
    return Pose(x, foot - height / 2, height)


GREEN, BLUE = sylvie("green"), sylvie("blue")
CLUB, UNI, HALL, MEADOW = (background(name) for name in ("club", "uni", "lecturehall", "meadow"))

green = Title(
    "green",
    (
        Scene(
            "green-1-club-pan",
            (
                ground(CLUB, view(50, 0, 1.25), view(-60, 0, 1.25)),
                Layer(GREEN, standing(400, 520, 540), every=2, exposure="0001020"),
            ),
        ),
        Scene(
            "green-2-club-push-in",
            (
                ground(CLUB, view(0, 0, 1.1), view(20, -12, 1.5), eased=True),
                Layer(GREEN, standing(300, 430, 440), standing(290, 600, 560), eased=True),
            ),
        ),
        Scene(
            "green-3-uni-enter",
            (
                ground(UNI, view(-20, 0, 1.2), view(-8, 0, 1.2)),
                Layer(GREEN, standing(40, 480, 520), standing(330, 480, 520), every=2, bob=4, exposure="1"),
            ),
        ),
        Scene(
            "green-4-uni-still",
            (
                ground(UNI, view(60, 20, 1.4)),
                Layer(GREEN, standing(330, 620, 640), every=3, exposure="11330022"),
            ),
        ),
        Scene(
            "green-5-hall-pull-out",
            (
                ground(HALL, view(70, 20, 1.6), view(0, 0, 1.05), eased=True),
                Layer(GREEN, standing(250, 640, 690), standing(280, 430, 470), eased=True),
            ),
        ),
        Scene("green-6-hall-sweep", (ground(HALL, view(-150, 40, 1.5), view(150, -60, 1.5)),)),
        Scene(
            "green-7-club-close",
            (
                ground(CLUB, view(-90, -30, 1.6), view(-74, -30, 1.6)),
                Layer(GREEN, standing(350, 660, 690), every=2, bob=2.5, period=16, exposure="220022"),
            ),
        ),
        Scene("green-8-uni-tilt", (ground(UNI, view(-30, -90, 1.55), view(20, 90, 1.55), eased=True),)),
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

school = Title(
    "school",
    (
        Scene(
            "school-1-classroom-talk",
            (
                ground(CLASSROOM, view(80, 0, 1.3), view(-60, 0, 1.3)),
                Layer(casts.MIKA, standing(210, 330), every=2, exposure=TALK),
                Layer(casts.KEN, standing(450, 340), every=3, exposure=BLINK),
            ),
        ),
        Scene(
            "school-2-classroom-close",
            (
                ground(CLASSROOM, view(-120, 60, 1.7), view(-110, 56, 1.72)),
                Layer(casts.RIN, standing(340, 520, 500), every=2, exposure=BLINK, bob=2, period=24),
            ),
        ),
        Scene(
            "school-3-classroom-enter",
            (
                ground(CLASSROOM, view(0, -20, 1.15)),
                Layer(casts.TARO, standing(-60, 360, 380), standing(380, 360, 380), every=2, bob=5, period=8),
            ),
        ),
        Scene(
            "school-4-classroom-push-in",
            (
                ground(CLASSROOM, view(0, 0, 1.0), view(-40, -50, 1.45), eased=True),
                Layer(casts.YUI, standing(360, 290), standing(390, 400, 410), eased=True),
            ),
        ),
        Scene(
            "school-5-rooftop-tilt",
            (
                ground(ROOFTOP, view(0, 60, 1.4), view(0, -60, 1.4)),
                Layer(casts.SORA, standing(430, 380, 480), standing(430, 380, 400)),
            ),
        ),
        Scene(
            "school-6-rooftop-pair",
            (
                ground(ROOFTOP, view(-70, -20, 1.35), view(-40, -20, 1.35)),
                Layer(casts.SORA, standing(190, 390, 400), every=3, exposure=TALK),
                Layer(casts.MIKA, standing(470, 390, 400), every=2, exposure="3344", bob=3),
            ),
        ),
        Scene("school-7-rooftop-pan", (ground(ROOFTOP, view(110, 0, 1.4), view(-110, -30, 1.4)),)),
        Scene(
            "school-8-shout",
            (
                ground(SHOUT, view(6, 4, 1.3), view(-6, -4, 1.6)),
                Layer(casts.TARO, standing(320, 470, 460), standing(320, 520, 490), every=2, exposure=LAUGH, bob=5),
            ),
        ),
        Scene(
            "school-9-shout-slide",
            (
                ground(SHOUT, view(-40, 0, 1.25), view(40, 0, 1.25), every=2),
                Layer(casts.YUI, standing(700, 450, 450), standing(250, 450, 450), eased=True, exposure="3"),
            ),
        ),
        Scene(
            "school-10-credits",
            (
                ground(PETALS, view(0, 30, 1.2), view(0, -30, 1.2)),
                Layer((STAFF,), Pose(320, 360, 460), Pose(320, 300, 460)),
            ),
        ),
    ),
)

STREET = Place("street")
NEXT = Credits("next", ("NEXT EPISODE", "The Long Way Home"), "#ffe9a3", outline=5)

evening = Title(
    "evening",
    (
        Scene(
            "evening-1-street-walk",
            (
                ground(STREET, view(130, -30, 1.45), view(-130, -30, 1.45)),
                Layer(casts.HANA, standing(330, 280), every=2, bob=4, period=8, exposure="0000100"),
            ),
        ),
        Scene(
            "evening-2-street-talk",
            (
                ground(STREET, view(30, 20, 1.2), view(18, 20, 1.22)),
                Layer(casts.JUN, standing(170, 300), every=2, exposure=TALK),
                Layer(casts.MAI, standing(470, 290), every=3, exposure=BLINK),
            ),
        ),
        Scene("evening-3-street-wires", (ground(STREET, view(-60, 130, 1.75), view(60, 110, 1.75)),)),
        Scene(
            "evening-4-street-still",
            (
                ground(STREET, view(-100, -20, 1.5)),
                Layer(casts.MAI, standing(330, 350, 370), every=3, exposure="00100334"),
            ),
        ),
        Scene(
            "evening-5-street-pull-out",
            (
                ground(STREET, view(60, 40, 1.7), view(0, 0, 1.0), eased=True),
                Layer(casts.HANA, standing(300, 460, 480), standing(320, 260), eased=True),
                Layer(casts.JUN, standing(560, 470, 490), standing(480, 265), eased=True, exposure="3"),
            ),
        ),
        Scene(
            "evening-6-next",
            (
                ground(STREET, view(0, 90, 1.6), view(14, 90, 1.6), every=2),
                Layer((NEXT,), Pose(320, 175, 90), Pose(320, 175, 98)),
            ),
        ),
    ),
)

blue = Title(
    "blue",
    (
        Scene(
            "blue-1-meadow-pan",
            (
                ground(MEADOW, view(70, 10, 1.3), view(-50, 10, 1.3)),
                Layer(BLUE, standing(280, 540, 560), every=2, exposure="00010002"),
            ),
        ),
        Scene(
            "blue-2-meadow-close",
            (
                ground(MEADOW, view(-60, 50, 1.6), view(-72, 50, 1.6)),
                Layer(BLUE, standing(330, 650, 680), every=3, bob=2, period=18, exposure="11330022"),
            ),
        ),
        Scene(
            "blue-3-campus-enter",
            (
                ground(CAMPUS, view(0, 0, 1.15), view(10, 0, 1.15)),
                Layer(BLUE, standing(620, 500, 530), standing(350, 500, 530), every=2, bob=4, exposure="1"),
            ),
        ),
        Scene(
            "blue-4-campus-push-in",
            (
                ground(CAMPUS, view(0, 0, 1.05), view(30, -20, 1.5), eased=True),
                Layer(BLUE, standing(400, 420, 440), standing(430, 600, 610), eased=True),
            ),
        ),
    ),
)

NIGHT, HILLS, KITCHEN, STRIPES = (Place(name) for name in ("night", "hills", "kitchen", "stripes"))
CARD = Credits("card", ("Episode 07", "Lanterns over the River", "", "storyboard  F. Quill"), "#ffe2a8", outline=3)

city = Title(
    "city",
    (
        Scene(
            "city-1-night-talk",
            (
                ground(NIGHT, view(80, -20, 1.35), view(20, -20, 1.35)),
                Layer(casts.ADA, standing(190, 310), every=2, exposure=TALK),
                Layer(casts.BO, standing(470, 310), every=3, exposure=BLINK),
            ),
        ),
        Scene(
            "city-2-hills-walk",
            (
                ground(HILLS, view(-110, -10, 1.4), view(110, -10, 1.4)),
                Layer(casts.IDA, standing(320, 330, 375), every=2, bob=5, period=8, exposure="0000100"),
            ),
        ),
        Scene(
            "city-3-kitchen-push-in",
            (
                ground(KITCHEN, view(0, 0, 1.0), view(30, 40, 1.5), eased=True),
                Layer(casts.BO, standing(230, 260), standing(210, 390, 420), eased=True),
            ),
        ),
        Scene(
            "city-4-card",
            (
                ground(STRIPES, view(-30, 10, 1.2), view(30, -10, 1.2)),
                Layer((CARD,), Pose(320, 186, 170), Pose(320, 174, 170)),
            ),
        ),
    ),
)

TRAIN = (green, school, evening)
HELD_OUT = (blue, city)


def scenes(titles: Sequence[Title], at_most: int | None = None) -> list[Scene]:
    """The scenes of titles; or so many of them, spread over all."""
    every = [scene for title in titles for scene in title.scenes]
    return every if at_most is None else every[:: len(every) // at_most][:at_most]
