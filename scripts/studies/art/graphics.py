"""Generated graphics: charts, plans, instruments and patterns of thin lines, and skies to put figures in front of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random

from ..drawing import svg

WIDTH, HEIGHT = 1600, 1000
INKS = ("#e4572e", "#17bebb", "#ffc914", "#76b041", "#7768ae", "#d7263d", "#1b998b")
PAPERS = (("#fbf8ef", "#2b2d42"), ("#10182b", "#dfe7fd"), ("#ffffff", "#111111"), ("#0d3b66", "#faf0ca"))
"""Colours of paper and lines."""


def chart(rng: Random) -> Iterator[str]:
    """Curves over a fine grid."""
    paper, ink = rng.choice(PAPERS)
    yield svg.box(0, 0, WIDTH, HEIGHT, paper, 0)
    for x in range(0, WIDTH + 1, 40):
        yield svg.stroke([(x, 0), (x, HEIGHT)], 3.0 if x % 200 == 0 else 1.2, ink + ("80" if x % 200 == 0 else "40"))
    for y in range(0, HEIGHT + 1, 40):
        yield svg.stroke([(0, y), (WIDTH, y)], 3.0 if y % 200 == 0 else 1.2, ink + ("80" if y % 200 == 0 else "40"))
    for colour in rng.sample(INKS, 4):
        level, points = rng.uniform(200, 800), []
        for x in range(-40, WIDTH + 41, 20):
            level = min(max(level + rng.gauss(0, 28), 60), HEIGHT - 60)
            points.append((float(x), level))
        yield svg.stroke(points, rng.choice((2.5, 4.0, 6.0)), colour)
        yield "".join(svg.disc(x, y, 7, paper, 2.5) for x, y in points[::6])


def bars(rng: Random) -> Iterator[str]:
    """Bars with outlines, and rings."""
    paper, ink = rng.choice(PAPERS)
    yield svg.box(0, 0, WIDTH, HEIGHT, paper, 0)
    for k in range(11):
        yield svg.stroke([(80, 100 + 80 * k), (WIDTH - 80, 100 + 80 * k)], 1.5, ink)
    x = 100.0
    while x < WIDTH - 120:
        width, height = rng.choice((24.0, 40.0, 56.0)), rng.uniform(60, 760)
        yield svg.box(x, 900 - height, width, height, rng.choice(INKS), 2.5)
        x += width + rng.choice((8.0, 16.0, 40.0))
    for _ in range(5):
        across, down, radius = rng.uniform(200, 1400), rng.uniform(150, 500), rng.uniform(40, 160)
        for ring in range(6):
            yield f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{radius + 9 * ring:.1f}" fill="none" '
            yield f'stroke="{ink}" stroke-width="{rng.choice((1.2, 2.0, 3.0))}"/>'


def instrument(rng: Random) -> Iterator[str]:
    """A dark display: dials with marks, a radar, a target, a star field of crosses."""
    yield svg.box(0, 0, WIDTH, HEIGHT, rng.choice(("#04110c", "#0a0a18", "#14060a")), 0)
    light = rng.choice(("#4cffb0", "#66d9ff", "#ffb347", "#ff6b8b"))
    for _ in range(70):
        x, y, size = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(4, 12)
        yield svg.stroke([(x - size, y), (x + size, y)], 1.5, light + "a0")
        yield svg.stroke([(x, y - size), (x, y + size)], 1.5, light + "a0")
    for x, y, radius in ((420, 520, 330), (1150, 330, 230), (1240, 760, 180)):
        x, y = x + rng.uniform(-60, 60), y + rng.uniform(-60, 60)
        for ring in range(1, 5):
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * ring / 4:.1f}" fill="none" stroke="{light}" '
            yield f'stroke-width="{2 if ring < 4 else 5}"/>'
        for mark in range(72):
            angle, inner = math.tau * mark / 72, 0.9 if mark % 6 else 0.8
            ends = [(x + radius * r * math.cos(angle), y + radius * r * math.sin(angle)) for r in (inner, 1)]
            yield svg.stroke(ends, 2.0, light)
        angle = rng.uniform(0, math.tau)
        yield svg.stroke([(x, y), (x + radius * math.cos(angle), y + radius * math.sin(angle))], 4, "#ffffff")


def plan(rng: Random) -> Iterator[str]:
    """A plan of streets and houses with hatched parts, on blue or white paper."""
    paper, ink = rng.choice(PAPERS)
    yield svg.box(0, 0, WIDTH, HEIGHT, paper, 0)
    for column in range(8):
        for row in range(5):
            if rng.random() < 0.12:
                continue
            x, y = 20 + 200 * column, 20 + 200 * row
            wide, high = rng.uniform(90, 170), rng.uniform(90, 170)
            fill = rng.choice((*INKS, "none", "none", "none"))
            yield f'<rect x="{x}" y="{y}" width="{wide:.1f}" height="{high:.1f}" fill="{fill}" stroke="{ink}" '
            yield f'stroke-width="{rng.choice((1.5, 2.5, 4.0))}"/>'
            for k in range(int(wide / 12)) if fill == "none" else ():
                yield svg.stroke([(x + 12 * k, y), (x + 12 * k, y + high)], 1.1, ink)
    for _ in range(6):
        points = [(float(x), HEIGHT * rng.random()) for x in range(-200, WIDTH + 400, 200)]
        yield svg.stroke(points, rng.choice((1.2, 2.0, 3.5)), rng.choice(INKS))


def weave(rng: Random) -> Iterator[str]:
    """A pattern of rays and circles that cross at small angles."""
    paper, ink = rng.choice(PAPERS)
    yield svg.box(0, 0, WIDTH, HEIGHT, paper, 0)
    for colour in (ink, rng.choice(INKS)):
        x, y, count = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.choice((90, 120))
        for k in range(count):
            angle = math.tau * k / count
            inner, outer = ((x + r * math.cos(angle), y + r * math.sin(angle)) for r in (60, 2200))
            yield svg.stroke([inner, outer], rng.choice((1.2, 2.0)), colour)
    for _ in range(12):
        yield svg.disc(rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(20, 110), rng.choice(INKS), 3)


def park(rng: Random) -> Iterator[str]:
    """Hills below clouds, by day or in the evening."""
    top, low, light, shade = rng.choice(
        (
            ("#4aa3df", "#e8f6fb", "#ffffff", "#c9dcea"),
            ("#f08a5d", "#ffe3b3", "#ffe9d0", "#d98a86"),
            ("#141b41", "#5b5f97", "#8d91c7", "#4c4f86"),
        )
    )
    yield svg.fade("air", top, low)
    yield svg.box(0, 0, svg.WIDTH, svg.HEIGHT, "url(#air)", 0)
    for _ in range(5):
        yield svg.cloud(rng, rng.uniform(0, 1900), rng.uniform(120, 480), rng.uniform(120, 320), light, shade)
    for y, fill in ((640, "#7fa99b"), (760, "#5d9c59"), (900, "#3d7a45")):
        yield svg.ridge(rng, y, 140, fill)


def flat(rng: Random) -> Iterator[str]:
    """Large shapes in two colours: stripes, dots, rays or nothing."""
    first, second = rng.choice(
        (("#ffd166", "#ffe29a"), ("#8ecae6", "#a9d9f0"), ("#f4a6b7", "#f9c4cf"), ("#b7e4c7", "#cdeedb"),
         ("#e9e4d4", "#f6f2e6"), ("#2b2d42", "#343754"), ("#ffffff", "#f2f2f2"), ("#6d597a", "#7f6a8c"))
    )  # fmt: skip
    yield svg.box(0, 0, WIDTH, HEIGHT, first, 0)
    kind = rng.randrange(4)
    if kind == 0:
        for k in range(-6, 20):
            yield svg.polygon(
                [(100 * k, 0), (100 * k + 50, 0), (100 * k + 550, 1000), (100 * k + 500, 1000)], second, 0
            )
    elif kind == 1:
        yield "".join(svg.disc(80 * x + 40 * (y % 2), 80 * y, 22, second) for x in range(21) for y in range(14))
    elif kind == 2:
        for k in range(0, 48, 2):
            ends = [
                (800 + 2000 * math.cos(math.tau * n / 48), 600 + 2000 * math.sin(math.tau * n / 48)) for n in (k, k + 1)
            ]
            yield svg.polygon([(800, 600), *ends], second, 0)
    yield svg.box(0, 860, WIDTH, 140, second, 3 if rng.random() < 0.5 else 0)


def size(kind: str) -> tuple[int, int]:
    """Return width and height of a graphic in units."""
    return (svg.WIDTH, svg.HEIGHT) if kind == "park" else (WIDTH, HEIGHT)


def draw(kind: str, seed: int) -> str:
    """Return the SVG document of a graphic."""
    return svg.document(GRAPHICS[kind](Random(seed)), *size(kind))


LINES = ("chart", "bars", "instrument", "plan", "weave")
"""Graphics that are looked at for themselves: the others are grounds."""
GRAPHICS: dict[str, Callable[[Random], Iterator[str]]] = {
    shapes.__name__: shapes for shapes in (chart, bars, instrument, plan, weave, park, flat)
}
