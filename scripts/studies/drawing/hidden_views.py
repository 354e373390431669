"""Places of the hidden shows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from .rooms import floor
from .svg import HEIGHT, WIDTH, box, cloud, disc, fade, path, pen, polygon, ridge, stroke


def boat(x: float, y: float, size: float, colour: str) -> Iterator[str]:
    """A fishing boat with a cabin, a mast and stays. x and y are the middle of its waterline."""
    yield path(
        f"M {x - size},{y - size * 0.3} L {x + size * 1.1},{y - size * 0.36} "
        f"Q {x + size * 0.95},{y} {x + size * 0.75},{y} L {x - size * 0.8},{y} Z",
        colour,
    )
    yield box(x - size * 0.8, y - size * 0.1, size * 1.6, size * 0.06, "#f4efe2", 2)
    yield box(x - size * 0.3, y - size * 0.72, size * 0.5, size * 0.4, "#f4efe2", 3)
    yield box(x - size * 0.22, y - size * 0.64, size * 0.14, size * 0.16, "#4d6b86", 2)
    yield box(x + size * 0.02, y - size * 0.64, size * 0.14, size * 0.16, "#4d6b86", 2)
    mast = (x + size * 0.36, y - size * 1.5)
    yield stroke([(mast[0], y - size * 0.34), mast], 6)
    for end in (-0.95, -0.4, 1.05):
        yield stroke([mast, (x + size * end, y - size * 0.34)], 2)


def harbour(rng: Random) -> Iterator[str]:
    """Boats and a lighthouse behind a pier, in the morning."""
    yield fade("morning", "#8ec7d8", "#fde3c0") + fade("sea", "#5aa7a8", "#1f5f78")
    yield box(0, 0, WIDTH, 620, "url(#morning)", 0)
    for x, y, size in ((260.0, 260.0, 230.0), (860, 180, 180), (1560, 330, 300)):
        yield cloud(rng, x, y, size, "#fff8ee", "#e3c9c0")
    yield ridge(rng, 600, 120, "#7c9aa6", 0)
    yield box(0, 600, WIDTH, 480, "url(#sea)", 0)
    for _ in range(150):
        y = rng.uniform(612, 900)
        x, wide = rng.uniform(0, WIDTH), (y - 560) * rng.uniform(0.2, 0.5)
        yield pen((x, y), (x + wide, y), rng.uniform(-3, 3), 2.5, rng.choice(["#bfe3df", "#89c6c4", "#2b7488"]))
    yield polygon([(1500, 600), (1522, 250), (1588, 250), (1610, 600)], "#f7f3ea")
    for k in range(3):
        top, low = 300 + 100 * k, 345 + 100 * k
        yield polygon(
            [(1520 - k * 6, top), (1590 + k * 6, top), (1593 + k * 6, low), (1517 - k * 6, low)], "#c8493f", 3
        )
    yield box(1516, 190, 78, 60, "#ffe9a8") + polygon([(1500, 190), (1555, 130), (1610, 190)], "#c8493f")
    for x, y, size, colour in ((300, 690, 150, "#2f5e8c"), (860, 720, 190, "#b64a3c"), (1330, 680, 120, "#3f7f5a")):
        yield from boat(x, y, size, colour)
    yield box(0, 850, WIDTH, 230, "#9a7b5e", 0)
    for k in range(33):
        yield stroke([(60 * k, 850), (960 + (60 * k - 960) * 1.5, HEIGHT)], 3)
    for x in range(80, WIDTH, 300):
        yield box(x, 770, 40, 150, "#6e543f")
        yield path(
            f"M {x + 20},800 Q {x + 170},900 {x + 320},800 L {x + 320},808 Q {x + 170},910 {x + 20},808 Z", "#d8c9a6", 2
        )


def library(rng: Random) -> Iterator[str]:
    """Shelves of books up to the ceiling, a ladder, lamps."""
    yield box(0, 0, WIDTH, HEIGHT, "#5a3d2b", 0)
    for column in range(5):
        left = 12 + 384 * column
        yield box(left, 0, 360, 800, "#3c271b")
        for row in range(5):
            shelf, x = 150 + 160 * row, left + 12.0
            while x < left + 320:
                wide, high = rng.uniform(14, 36), rng.uniform(86, 128)
                colour = rng.choice(["#8c3b33", "#2f5d6b", "#c39a4a", "#54693d", "#7a4a6e", "#d9c9a8", "#37415f"])
                yield box(x, shelf - high, wide, high, colour, 2)
                yield box(x + 3, shelf - high * 0.8, wide - 6, high * 0.08, "#f0d890", 0)
                yield box(x + 3, shelf - high * 0.22, wide - 6, high * 0.05, "#f0d890", 0)
                x += wide + rng.choice([0, 0, 0, 4])
            yield box(left, shelf, 360, 16, "#80573a", 3)
    for side in (0, 90):
        yield stroke([(1180 + side, 0), (1080 + side * 1.2, 860)], 14, "#a8763f")
    for k in range(1, 11):
        y = 80 * k
        yield stroke([(1180 - y * 0.116, y), (1270 - y * 0.095, y)], 10, "#a8763f")
    yield from floor(800, ("#8b5e3c", "#7f5435"), 24)
    yield box(120, 760, 620, 30, "#a9713f") + box(160, 790, 40, 250, "#7a4f2b") + box(650, 790, 40, 250, "#7a4f2b")
    for x in (250, 560):
        yield polygon([(x - 70, 640), (x - 36, 560), (x + 36, 560), (x + 70, 640)], "#2f7a5a")
        yield box(x - 5, 640, 10, 120, "#c9a24a", 2) + disc(x, 690, 130, "#fff1b022")


def station(rng: Random) -> Iterator[str]:
    """A platform with a train, a roof on pillars, signs and a clock."""
    yield fade("haze", "#9fb8d6", "#f2e6da")
    yield box(0, 0, WIDTH, HEIGHT, "url(#haze)", 0)
    for x in range(-40, WIDTH, 110):
        yield box(x, rng.uniform(260, 430), 130, 500, rng.choice(["#a9b6c9", "#b9c2cf", "#9aa8bd"]), 2)
    yield (
        box(-20, 380, 1500, 430, "#e8e6df")
        + box(-20, 620, 1500, 46, "#d0452f", 0)
        + box(-20, 676, 1500, 14, "#d0452f", 0)
    )
    yield path("M 1480,380 Q 1640,400 1660,640 L 1660,810 L 1480,810 Z", "#e8e6df")
    yield path("M 1500,420 Q 1600,430 1622,580 L 1500,580 Z", "#3d5066")
    for k in range(8):
        x = 40 + 184 * k
        if k % 3 == 1:
            yield (
                box(x, 430, 120, 370, "#cfcdc4")
                + box(x + 20, 450, 80, 150, "#3d5066", 3)
                + stroke([(x + 60, 430), (x + 60, 800)], 3)
            )
        else:
            yield box(x, 440, 150, 150, "#3d5066") + polygon(
                [(x + 10, 585), (x + 70, 445), (x + 100, 445), (x + 40, 585)], "#ffffff44", 0
            )
    yield box(0, 810, WIDTH, 40, "#4b4a52", 0)
    yield box(0, 850, WIDTH, 230, "#c9c3b8") + box(0, 868, WIDTH, 34, "#e9c23f", 2)
    for x in range(0, WIDTH, 36):
        yield disc(x + 18, 885, 7, "#c79f25")
    for y in (930, 985, 1040):
        yield stroke([(0, y), (WIDTH, y)], 2.5, "#a39c8f")
    yield polygon([(0, 0), (WIDTH, 0), (WIDTH, 110), (0, 170)], "#5d6675")
    for x in range(0, WIDTH, 120):
        yield stroke([(x, 0), (x + 60, 165 - x * 0.03)], 4, "#3a404b")
    for x in (210, 900, 1700):
        yield box(x, 120, 44, 760, "#6f7a8a") + box(x - 10, 840, 64, 30, "#59626f")
    yield box(430, 190, 330, 90, "#1f3f6b") + box(450, 210, 40, 50, "#f2e6c0", 0)
    for k in range(7):
        yield box(510 + 32 * k, 215, rng.uniform(14, 26), 40, "#f4f4ee", 0)
    yield disc(1290, 240, 74, "#f8f6ee", 7) + stroke([(1290, 190), (1290, 240), (1330, 256)], 6)
    for k in range(12):
        yield disc(1290 + 58 * math.sin(k * math.pi / 6), 240 - 58 * math.cos(k * math.pi / 6), 4, "#231a2b")


def pine(x: float, y: float, size: float) -> Iterator[str]:
    """A pine under snow."""
    yield box(x - size * 0.05, y - size * 0.2, size * 0.1, size * 0.2, "#5b4334")
    for k in range(4):
        wide, low = size * (0.42 - 0.08 * k), y - size * (0.12 + 0.22 * k)
        yield polygon([(x - wide, low), (x, low - size * 0.38), (x + wide, low)], "#2f5d57")
        cap = [(-0.55, -0.17), (0, -0.38), (0.5, -0.19), (0.1, -0.22), (-0.2, -0.14)]
        yield polygon([(x + wide * right, low + size * down) for right, down in cap], "#eef6fb", 0)


def snow(rng: Random) -> Iterator[str]:
    """Mountains, pines and a fence in the snow, while it snows."""
    yield fade("winter", "#6f86b8", "#dfe6f3")
    yield box(0, 0, WIDTH, HEIGHT, "url(#winter)", 0)
    for x, top, wide in ((250.0, 200.0, 520.0), (820, 110, 640), (1500, 180, 600)):
        yield polygon([(x - wide, 700), (x, top), (x + wide, 700)], "#8796ba")
        yield polygon([(x - wide * 0.3, top + 150), (x, top), (x + wide * 0.28, top + 140), (x + wide * 0.1, top + 120),
                       (x, top + 190), (x - wide * 0.12, top + 110)], "#f6fafd", 0)  # fmt: skip
    yield ridge(rng, 700, 80, "#c4d3e6", 0)
    for _ in range(26):
        x, y = rng.uniform(0, WIDTH), rng.uniform(690, 760)
        yield from pine(x, y, y - 560)
    yield ridge(rng, 800, 50, "#edf3f9", 2)
    for x in range(-60, WIDTH, 150):
        yield box(x, 760, 26, 170, "#7b5b45") + box(x - 4, 746, 34, 20, "#f8fbfd", 2)
    for y in (800, 860):
        yield box(0, y, WIDTH, 20, "#8a6850", 3) + box(0, y - 8, WIDTH, 10, "#f8fbfd", 0)
    yield path("M 0,960 Q 500,880 960,950 Q 1400,1010 1920,920 L 1920,1080 L 0,1080 Z", "#f8fbfd")
    for _ in range(260):
        yield disc(rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.choice([2.5, 4.0, 6.0]), "#ffffffcc")


def flower(x: float, y: float, size: float, colour: str) -> Iterator[str]:
    """A flower with a stem and a leaf."""
    yield pen((x, y), (x + size * 0.1, y - size), size * 0.08, size * 0.06, "#3c7a3a")
    yield path(f"M {x},{y - size * 0.3} q {size * 0.3},{-size * 0.2} {size * 0.34},{-size * 0.36} q {-size * 0.3},0 "
               f"{-size * 0.34},{size * 0.36} Z", "#4f9a48", 2)  # fmt: skip
    for k in range(6):
        angle = k * math.pi / 3
        yield disc(
            x + size * (0.1 + 0.2 * math.cos(angle)), y - size * (1 + 0.2 * math.sin(angle)), size * 0.15, colour, 2
        )
    yield disc(x + size * 0.1, y - size, size * 0.13, "#f6c544", 2)


def garden(rng: Random) -> Iterator[str]:
    """A glasshouse behind beds of flowers and a stone path."""
    yield fade("spring", "#a6dcef", "#f4fbe9")
    yield box(0, 0, WIDTH, HEIGHT, "url(#spring)", 0)
    for x, y, size in ((300.0, 220.0, 210.0), (1650, 260, 260)):
        yield cloud(rng, x, y, size, "#ffffff", "#d5e6ea")
    for x in range(-60, WIDTH + 100, 130):
        yield disc(x, rng.uniform(520, 600), rng.uniform(110, 170), rng.choice(["#5f9e54", "#4f8d4c", "#76ad5a"]), 3)
    yield polygon([(520, 420), (960, 190), (1400, 420)], "#d9f1ee") + box(520, 420, 880, 330, "#cdeae6")
    for k in range(12):
        x = 520 + 80 * k
        yield stroke([(x, 750), (x, 420), (960 + (x - 960) * 0.1, 200)], 4, "#f7fbf8")
    for y in (420, 530, 640, 750):
        yield stroke([(520, y), (1400, y)], 6, "#f7fbf8")
    for _ in range(9):
        x = rng.uniform(560, 1360)
        yield disc(x, rng.uniform(600, 700), rng.uniform(30, 60), "#6fb07a88") + box(
            x - 26, 700, 52, 48, "#b8694388", 0
        )
    yield box(0, 750, WIDTH, 330, "#79b84e", 0)
    yield polygon([(900, 750), (1020, 750), (1400, 1080), (560, 1080)], "#d8cdb8")
    for row, y in enumerate((770, 805, 855, 925, 1010)):
        for k in range(4):
            far = 900 + (y - 750) * -1.03 + (120 + (y - 750) * 2.18) * (k + 0.5 * (row % 2)) / 4
            yield disc(far + 14 + row * 8, y, 12 + row * 7, rng.choice(["#c5b89f", "#b9ab90", "#d0c4ad"]), 2)
    for _ in range(110):
        y = rng.uniform(800, 1080)
        x = rng.uniform(0, WIDTH)
        if not 900 - (y - 750) * 1.1 < x < 1020 + (y - 750) * 1.2:
            yield from flower(x, y, 30 + (y - 780) * 0.24, rng.choice(["#ef6f8e", "#f9f4ef", "#8f6fd6", "#f08a4b"]))


def attic(rng: Random) -> Iterator[str]:
    """A room under the roof with beams, boxes and a round window."""
    yield fade("dust", "#7d6a86", "#c79a7a")
    yield box(0, 0, WIDTH, HEIGHT, "url(#dust)", 0)
    for k in range(22):
        yield stroke([(960, -120), (-900 + 180 * k, 820)], 3, "#5d4a5f")
    yield (
        disc(960, 330, 170, "#bfe6f5", 12) + stroke([(790, 330), (1130, 330)], 8) + stroke([(960, 160), (960, 500)], 8)
    )
    yield cloud(rng, 920, 420, 110, "#ffffff", "#d5e4ee")
    yield polygon([(840, 470), (1080, 470), (1500, 1080), (620, 1080)], "#fff3c833", 0)
    for left, right in (((0, 300), (760, -60)), ((1160, -60), (1920, 300))):
        yield polygon([left, right, (right[0], right[1] + 60), (left[0], left[1] + 60)], "#6b4a34")
    yield from floor(800, ("#a87a52", "#9c6f49"), 20)
    for _ in range(16):
        wide, high = rng.uniform(120, 260), rng.uniform(90, 190)
        x, foot = rng.uniform(-60, 1800), rng.uniform(800, 900)
        if not 640 < x + wide / 2 < 1280:
            yield box(x, foot - high, wide, high, rng.choice(["#c9995f", "#b98650", "#d5aa72"]))
            yield box(x + wide * 0.42, foot - high, wide * 0.16, high, "#e6cf9f", 2)
            yield stroke([(x, foot - high * 0.72), (x + wide, foot - high * 0.72)], 2)
    for x, colour in ((1180, "#8f3f4a"), (1250, "#3f6f7f")):
        yield box(x, 700, 60, 200, colour) + box(x + 8, 720, 44, 14, "#f0dfb0", 2)
    for _ in range(120):
        yield disc(rng.uniform(700, 1250), rng.uniform(200, 900), rng.choice([1.5, 2.5]), "#fff6d8")


def waves(rng: Random) -> Iterator[str]:
    """Rows of arcs, as the background of titles."""
    yield box(0, 0, WIDTH, HEIGHT, "#f3e4cf", 0)
    for row in range(15):
        for column in range(-1, 14):
            x, y = 150 * column + 75 * (row % 2), 80 * row
            colour = rng.choice(["#3f6f8f", "#4f86a3", "#35607c"])
            for ring in range(4):
                yield disc(x, y + 60, 74 - 18 * ring, colour if ring % 2 == 0 else "#f3e4cf", 2)
