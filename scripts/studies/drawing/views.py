"""Outdoor views."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from .svg import HEIGHT, WIDTH, box, cloud, disc, fade, path, pen, polygon, ridge, stroke


def rooftop(rng: Random) -> Iterator[str]:
    """Summer clouds behind the wire fence of a school roof."""
    yield fade("day", "#1f6fd0", "#bfe6ff")
    yield box(0, 0, WIDTH, HEIGHT, "url(#day)", 0)
    for x, y, size in ((330, 520, 420), (1500, 560, 520), (900, 640, 330), (1200, 200, 150), (120, 170, 110)):
        yield cloud(rng, x, y, size, "#ffffff", "#b7d3ee")
    yield ridge(rng, 700, 60, "#6fa08a", 0)
    for k in range(-14, 36):
        yield stroke([(60 * k, 330), (60 * k + 480, 810)], 2.5, "#3e5a57")
        yield stroke([(60 * k + 480, 330), (60 * k, 810)], 2.5, "#3e5a57")
    for x in range(60, WIDTH, 360):
        yield box(x, 300, 20, 520, "#7fa59b", 3)
    yield box(0, 318, WIDTH, 18, "#8fb5ab", 3)
    yield box(0, 800, WIDTH, 60, "#d8d3c6")
    yield box(0, 860, WIDTH, 220, "#bcb6a9", 0)
    for y in (900, 968):
        yield stroke([(0, y), (WIDTH, y)], 2.5)
    for k in range(-6, 16):
        yield stroke([(960 + (k * 200 - 960) * 0.8, 860), (960 + (k * 200 - 960) * 1.6, HEIGHT)], 2.5)
    for _ in range(26):
        left, top = rng.uniform(0, WIDTH), rng.uniform(875, 1070)
        yield pen((left, top), (left + rng.uniform(20, 90), top + rng.uniform(-6, 6)), 2, 2, "#8a8478")


def house(rng: Random, x: float, width: float, height: float) -> Iterator[str]:
    """A house front with a tiled roof and some lit windows."""
    top = 800 - height
    yield box(x, top, width, height, rng.choice(["#c98f8a", "#b58aa8", "#d9a788", "#9a8bb5"]))
    yield polygon([(x + width * 0.72, top), (x + width, top), (x + width, 800), (x + width * 0.8, 800)], "#3b255066", 0)
    yield polygon([(x - 30, top), (x + 30, top - 90), (x + width - 30, top - 90), (x + width + 30, top)], "#6b4a6e")
    for k in range(1, 7):
        yield stroke([(x + 30 - 10 * k, top - 90 + 15 * k), (x + width - 30 + 10 * k, top - 90 + 15 * k)], 2)
    for row in range(int(height / 150)):
        for column in range(int(width / 120)):
            left, upper = x + 34 + 120 * column, top + 34 + 150 * row
            yield box(left, upper, 66, 86, rng.choice(["#ffe9a3", "#5a4a78", "#ffd27a", "#6b5a8a"]))
            yield stroke([(left + 33, upper), (left + 33, upper + 86)], 3)
            yield stroke([(left, upper + 43), (left + 66, upper + 43)], 3)


def street(rng: Random) -> Iterator[str]:
    """Houses in the evening, with poles and sagging wires."""
    yield fade("dusk", "#7a4fa0", "#ffb36b")
    yield box(0, 0, WIDTH, HEIGHT, "url(#dusk)", 0)
    yield disc(1430, 420, 120, "#ffe3a0")
    for x, y, size in ((300, 300, 260), (1000, 200, 210), (1700, 330, 240)):
        yield cloud(rng, x, y, size, "#ffcf9e", "#d9828c")
    left = -40.0
    while left < WIDTH:
        width = rng.uniform(260, 420)
        yield from house(rng, left, width, rng.choice([310.0, 390.0, 460.0]))
        left += width + rng.uniform(20, 70)
    yield box(0, 800, WIDTH, 60, "#8a7a8f")
    yield box(0, 860, WIDTH, 220, "#5d5070", 0)
    yield box(0, 880, WIDTH, 10, "#e8dcc0", 0)
    for k in range(7):
        yield polygon([(300 * k, 985), (300 * k + 160, 985), (300 * k + 140, 1005), (300 * k - 20, 1005)], "#e8dcc0", 0)
    for x in (260, 1160):
        yield box(x, 120, 26, 740, "#4a3f52")
        yield box(x - 90, 180, 206, 16, "#4a3f52", 3)
        yield box(x - 70, 240, 166, 14, "#4a3f52", 3)
    for y in (180, 190, 246, 320):
        for begin in (-640, 270, 1170):
            sag = [(begin + 45 * k, y + 70 * math.sin(math.pi * k / 20)) for k in range(21)]
            yield stroke(sag, 2.5)


def tower(rng: Random, x: float, width: float, height: float) -> Iterator[str]:
    """A tower block at night, with a grid of windows."""
    top = 860 - height
    yield box(x, top, width, height, rng.choice(["#1d2450", "#232a5c", "#191f45"]), 3)
    yield box(x + width * 0.8, top, width * 0.2, height, "#10153466", 0)
    lights = ["#ffe58a", "#fff3c4", "#8fd0ff", *["#2d3770"] * 4]
    for row in range(int((height - 20) / 34)):
        for column in range(int((width - 20) / 26)):
            yield box(x + 14 + 26 * column, top + 16 + 34 * row, 15, 20, rng.choice(lights), 0)


def night(rng: Random) -> Iterator[str]:
    """Tower blocks with lit windows, stars and the moon, behind a railing."""
    yield fade("dark", "#0b1038", "#4b3f8f")
    yield box(0, 0, WIDTH, HEIGHT, "url(#dark)", 0)
    for _ in range(170):
        yield disc(rng.uniform(0, WIDTH), rng.uniform(0, 620), rng.choice([1.5, 2.5, 4.0]), "#fdf6d8")
    yield disc(420, 250, 110, "#fff6cf") + disc(385, 225, 24, "#ecdfa8") + disc(455, 290, 16, "#ecdfa8")
    for x in range(-60, WIDTH, 150):
        yield box(x, rng.uniform(430, 620), 170, 400, "#2c2f72", 0)
    left = -20.0
    while left < WIDTH:
        width = rng.uniform(120, 240)
        yield from tower(rng, left, width, rng.uniform(230, 560))
        left += width + rng.uniform(-10, 40)
    yield box(0, 855, WIDTH, 225, "#151a38", 0)
    for x in range(10, WIDTH, 64):
        yield box(x, 800, 14, 280, "#7f88b8", 3)
    yield box(0, 786, WIDTH, 26, "#a0a8d0") + box(0, 980, WIDTH, 18, "#8f97c4", 3)


def tree(rng: Random, x: float, y: float, size: float) -> Iterator[str]:
    """A round tree in two tones."""
    half, root = size * 0.08, size * 0.13
    yield polygon([(x - half, y - size / 2), (x + half, y - size / 2), (x + root, y), (x - root, y)], "#6b4a34")
    leaves = [(x + size * rng.uniform(-0.36, 0.36), y - size * rng.uniform(0.5, 1.1)) for _ in range(9)]
    yield "".join(disc(px, py, size * 0.24, "#2f7a45", 4) for px, py in leaves)
    yield "".join(disc(px, py, size * 0.235, "#3d8f4f") for px, py in leaves)
    yield "".join(disc(px - size * 0.06, py - size * 0.07, size * 0.13, "#74bf62") for px, py in leaves)


def hills(rng: Random) -> Iterator[str]:
    """Rows of hills, trees, and grass in the foreground."""
    yield fade("noon", "#5cb8e8", "#eaf8e8")
    yield box(0, 0, WIDTH, HEIGHT, "url(#noon)", 0)
    for x, y, size in ((520, 330, 300), (1250, 250, 230), (1760, 400, 260), (100, 190, 140)):
        yield cloud(rng, x, y, size, "#fffdf5", "#cfe0e6")
    for y, rise, fill in ((560, 150, "#8fb7c4"), (640, 110, "#7fb58a"), (740, 90, "#6fae5e")):
        yield ridge(rng, y, rise, fill)
    for x in (180, 420, 1330, 1600, 1820):
        yield from tree(rng, x + rng.uniform(-40, 40), rng.uniform(770, 830), rng.uniform(200, 330))
    yield ridge(rng, 860, 50, "#8ccb5a")
    yield path("M 760,1080 Q 900,930 1010,860 Q 1060,850 1080,862 Q 1060,960 1180,1080 Z", "#e6cf9a")
    for _ in range(420):
        left, foot = rng.uniform(0, WIDTH), rng.uniform(890, 1090)
        if not 720 < left < 1220:  # the path
            blade = (foot - 820) / 5
            tip = (left + rng.uniform(-0.5, 0.5) * blade, foot - blade)
            colour = rng.choice(["#4f9a3c", "#5fae45", "#3f8034"])
            yield pen((left, foot), tip, rng.uniform(-4, 4), 3 + blade / 14, colour)
