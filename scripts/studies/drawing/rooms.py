"""Rooms."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from .svg import HEIGHT, WIDTH, Point, box, cloud, disc, fade, path, pen, polygon, stroke


def floor(y: float, colours: tuple[str, str], boards: int) -> Iterator[str]:
    """Floor boards in perspective, below y."""
    yield box(0, y, WIDTH, HEIGHT - y, colours[0], 0)
    edges = [-1.0 + 3.0 * k / boards for k in range(boards + 1)]
    far = [WIDTH * (0.5 + (edge - 0.5) * 0.55) for edge in edges]
    near = [WIDTH * edge for edge in edges]
    for k in range(0, boards, 2):
        board: list[Point] = [(far[k], y), (far[k + 1], y), (near[k + 1], HEIGHT), (near[k], HEIGHT)]
        yield polygon(board, colours[1], 0)
    for begin, end in zip(far, near, strict=True):
        yield stroke([(begin, y), (end, HEIGHT)], 2)


def window(rng: Random, x: float, y: float, width: float, height: float) -> Iterator[str]:
    """A window with two by three panes and a summer sky."""
    yield box(x, y, width, height, "url(#sky)")
    yield f'<svg x="{x}" y="{y}" width="{width}" height="{height}">'
    for share in (0.3, 0.75):
        yield cloud(rng, width * share, height * rng.uniform(0.5, 0.9), width * 0.36, "#ffffff", "#c3dcf2")
    yield polygon([(0, height), (width * 0.7, 0), (width * 0.85, 0), (width * 0.15, height)], "#ffffff40", 0)
    yield "</svg>"
    for k in range(3):
        yield box(x + width * k / 2 - 8, y - 8, 16, height + 16, "#e9e4d8", 3)
    for k in range(4):
        yield box(x - 14, y + height * k / 3 - 7, width + 28, 14, "#e9e4d8", 3)


def desk(x: float, y: float, size: float) -> Iterator[str]:
    """A school desk from behind."""
    for leg in (0.06, 0.88):
        yield box(x + size * leg, y, size * 0.06, size * 0.75, "#7d8792", 3)
    yield polygon(
        [(x + size * 0.08, y - size * 0.16), (x + size * 0.92, y - size * 0.16), (x + size, y), (x, y)], "#d9a766"
    )
    yield box(x, y, size, size * 0.08, "#b27f45")
    yield box(x + size * 0.12, y + size * 0.08, size * 0.76, size * 0.2, "#8e6233", 3)


def classroom(rng: Random) -> Iterator[str]:
    """Three windows with a summer sky, curtains, desks on a wooden floor."""
    yield fade("sky", "#3f97e0", "#b9e3fb") + fade("wall", "#f6ecd2", "#e8d5ad")
    yield box(0, 0, WIDTH, HEIGHT, "url(#wall)", 0)
    yield box(0, 640, WIDTH, 130, "#c9a877", 3)
    yield from floor(770, ("#c98e56", "#bf8149"), 30)
    for x in (120, 740, 1360):
        yield from window(rng, x, 110, 440, 460)
        for side in (x - 90, x + 440):
            yield path(f"M {side},70 L {side + 90},70 Q {side + 70},360 {side + 96},620 L {side - 6},620 Z", "#f2f6fb")
            for fold in (24, 46, 68):
                yield pen((side + fold, 74), (side + fold + rng.uniform(-8, 8), 612), rng.uniform(-8, 8), 3, "#8fa3c4")
    yield box(0, 52, WIDTH, 22, "#8a6a4a", 3)
    for x, y, size in ((90, 830, 320), (560, 830, 320), (1030, 830, 320), (1500, 830, 320), (300, 960, 420)):
        yield from desk(x, y, size)
    yield from desk(1080, 960, 420)


def cup(x: float, y: float, size: float, colour: str) -> Iterator[str]:
    """A cup on a shelf."""
    yield disc(x + size * 0.95, y - size * 0.5, size * 0.26, "none", 8)
    yield path(
        f"M {x},{y - size} L {x + size},{y - size} Q {x + size},{y} {x + size * 0.7},{y} "
        f"L {x + size * 0.3},{y} Q {x},{y} {x},{y - size} Z",
        colour,
    )
    yield pen((x + size * 0.2, y - size * 0.85), (x + size * 0.32, y - size * 0.2), -4, 5, "#ffffff")


def kitchen(rng: Random) -> Iterator[str]:
    """Tiles in a fine grid, shelves with cups, a counter, a chequered floor."""
    yield fade("tiles", "#d5efe6", "#b5dccf")
    yield box(0, 0, WIDTH, HEIGHT, "url(#tiles)", 0)
    for x in range(0, WIDTH + 1, 60):
        yield stroke([(x, 0), (x, 720)], 2.5, "#86b8a9")
    for y in range(0, 721, 60):
        yield stroke([(0, y), (WIDTH, y)], 2.5, "#86b8a9")
    for _ in range(40):
        x, y = 60 * rng.randrange(32), 60 * rng.randrange(12)
        yield box(x + 2, y + 2, 56, 56, rng.choice(["#c0e4d8", "#e6f7f1", "#f7d9c4"]), 0)
    for y in (230, 430):
        for x in range(140, 1780, 150):
            yield from cup(
                x, y, rng.uniform(60, 90), rng.choice(["#f0756b", "#f7c65c", "#6b9fe0", "#fdfaf2", "#9a7bd0"])
            )
        yield box(80, y, 1760, 22, "#a0673a")
    for k in range(6):
        yield box(320 * k, 700, 320, 190, "#f3e3c3")
        yield box(320 * k + 30, 730, 260, 130, "#ead3a4", 3)
        yield disc(320 * k + 160, 760, 11, "#c08a4a", 3)
    yield box(0, 660, WIDTH, 46, "#5b4a57")
    for row, (top, bottom) in enumerate(((890, 935), (935, 1000), (1000, 1080))):
        for k in range(-12, 44):
            far, near = (960 + (k * 96 - 960) * (1 + (y - 890) / 420) for y in (top, bottom))
            step = [96 * (1 + (y - 890) / 420) for y in (top, bottom)]
            tile: list[Point] = [(far, top), (far + step[0], top), (near + step[1], bottom), (near, bottom)]
            yield polygon(tile, "#f8f2e6" if (k + row) % 2 else "#4f6b8f", 2)
