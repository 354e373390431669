"""Shows that nobody has trained on or measured before `scripts.studies.recipe` is run, and nobody tunes anything by.

People, places and texts are new. Each show has an episode, of which training sees LQ only, and scenes that training
does not see at all. The scenes of a show share people and places with its episode, in other drawings and framings, as
those of one season do; some have a place of their own.

island  brush lines, solid hair; by the illustrator of `school`, in another style
line    bold outlines of one width
garden  flat colours without outlines
"""

from __future__ import annotations

from dataclasses import dataclass

from . import characters
from .places import Place
from .scene import Layer, Pose, Scene
from .shows import BLINK, LAUGH, TALK, Credits, compose, ground, stand, view


@dataclass(frozen=True)
class HiddenShow:
    """An episode, and scenes of the same season."""

    name: str
    episode: tuple[Scene, ...]
    held_out: tuple[Scene, ...]


HARBOUR, LIBRARY, STATION, SNOW = (Place(name) for name in ("harbour", "library", "station", "snow"))
GARDEN, ATTIC, WAVES = (Place(name) for name in ("garden", "attic", "waves"))
TITLE = Credits("title", ("Tide and Lantern", "", "Part 3"), "#fdf3d6", outline=5)
TIMETABLE = Credits("timetable", ("LAST TRAIN 23:10", "Platform 4"), "#fff1a8", outline=4)
THANKS = Credits("thanks", ("Seeds by Flora", "Music  O. Linden", "Backgrounds  W. Abel"), "#ffffff", outline=4)

island = HiddenShow(
    "island",
    (
        compose(
            "island-1-harbour-pan",
            ground(HARBOUR, view(90, 0, 1.35), view(-90, 0, 1.35)),
            Layer(characters.NAMI, stand(330, 330, 375), every=2, exposure=TALK),
        ),
        compose(
            "island-2-harbour-pair",
            ground(HARBOUR, view(-40, -30, 1.4), view(-70, -30, 1.4)),
            Layer(characters.TETSU, stand(220, 320, 375), every=3, exposure=BLINK),
            Layer(characters.NAMI, stand(430, 310, 375), every=2, exposure="00223", bob=2, period=16),
        ),
        compose(
            "island-3-library-push-in",
            ground(LIBRARY, view(0, 0, 1.1), view(40, -30, 1.5), ease=True),
            Layer(characters.KOHARU, stand(300, 280, 375), stand(330, 380, 430), ease=True, every=1),
        ),
        compose(
            "island-4-library-talk",
            ground(LIBRARY, view(-100, 20, 1.5), view(-80, 20, 1.5)),
            Layer(characters.KOHARU, stand(320, 350, 380), every=2, exposure=TALK, bob=2),
        ),
        compose(
            "island-5-harbour-enter",
            ground(HARBOUR, view(30, 40, 1.3)),
            Layer(characters.TETSU, stand(60, 330, 380), stand(360, 330, 380), every=2, bob=4, period=8),
        ),
        compose("island-6-library-sweep", ground(LIBRARY, view(140, 10, 1.45), view(-140, -20, 1.45))),
    ),
    (
        compose(
            "island-7-harbour-close",
            ground(HARBOUR, view(-120, -40, 1.6), view(-100, -46, 1.62)),
            Layer(characters.KOHARU, stand(330, 400, 420), every=2, exposure=BLINK),
        ),
        compose(
            "island-8-library-laugh",
            ground(LIBRARY, view(80, 30, 1.4), view(20, 30, 1.4)),
            Layer(characters.NAMI, stand(300, 360, 390), every=2, exposure=LAUGH, bob=4),
        ),
        compose("island-9-harbour-tilt", ground(HARBOUR, view(-20, -60, 1.4), view(20, 60, 1.4), ease=True)),
        compose(
            "island-10-title",
            ground(WAVES, view(0, 20, 1.2), view(20, -20, 1.2)),
            Layer((TITLE,), Pose(320, 184, 130), Pose(320, 176, 138)),
        ),
    ),
)

line = HiddenShow(
    "line",
    (
        compose(
            "line-1-station-walk",
            ground(STATION, view(120, -10, 1.4), view(-120, -10, 1.4)),
            Layer(characters.ROSA, stand(320, 300, 375), every=2, bob=4, period=8, exposure="0000100"),
        ),
        compose(
            "line-2-station-talk",
            ground(STATION, view(-60, 10, 1.3), view(-40, 10, 1.32)),
            Layer(characters.EMIL, stand(210, 300, 375), every=2, exposure=TALK),
            Layer(characters.ROSA, stand(440, 290, 375), every=3, exposure=BLINK),
        ),
        compose("line-3-station-tilt", ground(STATION, view(-70, -80, 1.5), view(-40, 80, 1.5), ease=True)),
        compose(
            "line-4-snow-push-in",
            ground(SNOW, view(0, 0, 1.1), view(-30, -20, 1.45), ease=True),
            Layer(characters.LENA, stand(310, 260, 370), stand(330, 350, 400), ease=True),
        ),
        compose(
            "line-5-snow-slide",
            ground(SNOW, view(-50, 10, 1.25), view(50, 10, 1.25), every=2),
            Layer(characters.EMIL, stand(560, 310, 375), stand(280, 310, 375), ease=True, exposure="3"),
        ),
        compose(
            "line-6-timetable",
            ground(STATION, view(60, 60, 1.6), view(40, 60, 1.6)),
            Layer((TIMETABLE,), Pose(320, 180, 96), Pose(320, 180, 104)),
        ),
    ),
    (
        compose(
            "line-7-station-close",
            ground(STATION, view(-140, 0, 1.6), view(-150, 0, 1.6)),
            Layer(characters.LENA, stand(320, 380, 410), every=2, exposure=TALK),
        ),
        compose(
            "line-8-snow-pair",
            ground(SNOW, view(70, -10, 1.35), view(40, -10, 1.35)),
            Layer(characters.ROSA, stand(210, 310, 375), every=3, exposure=BLINK),
            Layer(characters.LENA, stand(430, 300, 375), every=2, exposure="3344", bob=3),
        ),
        compose("line-9-snow-pan", ground(SNOW, view(120, 20, 1.4), view(-120, 0, 1.4))),
        compose(
            "line-10-station-enter",
            ground(STATION, view(20, 20, 1.2), view(12, 20, 1.2)),
            Layer(characters.EMIL, stand(540, 330, 380), stand(300, 330, 380), every=2, bob=4, exposure="0001"),
        ),
    ),
)

garden = HiddenShow(
    "garden",
    (
        compose(
            "garden-1-garden-pan",
            ground(GARDEN, view(-100, 0, 1.4), view(100, 0, 1.4)),
            Layer(characters.FLORA, stand(320, 310, 375), every=2, exposure=TALK),
        ),
        compose(
            "garden-2-garden-pull-out",
            ground(GARDEN, view(50, 40, 1.6), view(0, 0, 1.15), ease=True),
            Layer(characters.OTTO, stand(320, 400, 420), stand(320, 280, 375), ease=True),
        ),
        compose(
            "garden-3-attic-still",
            ground(ATTIC, view(-30, 10, 1.3)),
            Layer(characters.WILMA, stand(330, 330, 380), every=3, exposure="01133022"),
        ),
        compose(
            "garden-4-attic-pair",
            ground(ATTIC, view(60, -10, 1.35), view(30, -10, 1.35)),
            Layer(characters.OTTO, stand(210, 310, 375), every=2, exposure="3344", bob=3),
            Layer(characters.WILMA, stand(430, 310, 375), every=3, exposure=BLINK),
        ),
        compose("garden-5-garden-tilt", ground(GARDEN, view(80, 70, 1.5), view(80, -70, 1.5))),
        compose(
            "garden-6-attic-enter",
            ground(ATTIC, view(0, 30, 1.25), view(14, 30, 1.25)),
            Layer(characters.FLORA, stand(90, 320, 380), stand(340, 320, 380), every=2, bob=5, period=8),
        ),
    ),
    (
        compose(
            "garden-7-garden-talk",
            ground(GARDEN, view(-70, -20, 1.4), view(-40, -20, 1.4)),
            Layer(characters.WILMA, stand(210, 310, 375), every=2, exposure=TALK),
            Layer(characters.FLORA, stand(440, 310, 375), every=3, exposure=BLINK),
        ),
        compose("garden-8-attic-pan", ground(ATTIC, view(-110, 0, 1.4), view(110, -20, 1.4))),
        compose(
            "garden-9-garden-close",
            ground(GARDEN, view(130, 30, 1.7), view(120, 26, 1.72)),
            Layer(characters.OTTO, stand(330, 390, 410), every=2, exposure=BLINK, bob=2, period=24),
        ),
        compose(
            "garden-10-thanks",
            ground(GARDEN, view(0, -50, 1.3), view(0, -10, 1.3)),
            Layer((THANKS,), Pose(320, 200, 150), Pose(320, 170, 150)),
        ),
    ),
)

HIDDEN = (island, line, garden)
