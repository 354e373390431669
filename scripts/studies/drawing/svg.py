"""SVG drawings: flat colours, ink outlines, tapered pen lines. resvg renders them without any system library."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from types import ModuleType

from PIL import Image

from .scene import DrawingError

type Point = tuple[float, float]

WIDTH, HEIGHT = 1920, 1080
"""Size of a place in units: three per pixel of the clip if the camera shows all of it."""
INK = "#231a2b"
LINE = 4.0
INSTALL = "in the checkout, run python -m pip install '.[learn]' with the Python that runs this"


def document(shapes: Iterable[str], width: int = WIDTH, height: int = HEIGHT) -> str:
    """Return an SVG document of shapes, the farthest first."""
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{"".join(shapes)}</svg>'


def format_points(points: Iterable[Point]) -> str:
    """Format points as in SVG."""
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def outline(line: float) -> str:
    """Return the attributes of an outline; none if `line` is 0."""
    return f' stroke="{INK}" stroke-width="{line}" stroke-linejoin="round"' if line else ""


def polygon(points: Iterable[Point], fill: str, line: float = LINE) -> str:
    """A filled polygon, with an outline unless `line` is 0."""
    return f'<polygon points="{format_points(points)}" fill="{fill}"{outline(line)}/>'


def box(x: float, y: float, width: float, height: float, fill: str, line: float = LINE) -> str:
    """A filled rectangle, with an outline unless `line` is 0."""
    return polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], fill, line)


def disc(x: float, y: float, radius: float, fill: str, line: float = 0) -> str:
    """A filled circle, with an outline if `line` is more than 0."""
    return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}" fill="{fill}"{outline(line)}/>'


def path(d: str, fill: str, line: float = LINE) -> str:
    """A filled path, with an outline unless `line` is 0."""
    return f'<path d="{d}" fill="{fill}"{outline(line)}/>'


def stroke(points: Sequence[Point], line: float = LINE, colour: str = INK) -> str:
    """A polyline of constant width."""
    return f'<polyline points="{format_points(points)}" fill="none" stroke="{colour}" stroke-width="{line}"/>'


def pen(begin: Point, end: Point, bend: float, line: float = LINE, colour: str = INK) -> str:
    """A line with pointed ends, thick in the middle. `bend` is its curvature to the left, in units."""
    (x0, y0), (x1, y1) = begin, end
    length = math.hypot(x1 - x0, y1 - y0)
    left = ((y1 - y0) / length, (x0 - x1) / length)
    sides = [
        f"Q {(x0 + x1) / 2 + left[0] * by:.2f},{(y0 + y1) / 2 + left[1] * by:.2f}"
        for by in (2 * bend - line, 2 * bend + line)
    ]
    return path(f"M {x0:.2f},{y0:.2f} {sides[0]} {x1:.2f},{y1:.2f} {sides[1]} {x0:.2f},{y0:.2f} Z", colour, 0)


def fade(name: str, top: str, bottom: str) -> str:
    """A vertical gradient; the fill is url(#name)."""
    return (
        f'<linearGradient id="{name}" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient>'
    )


def cloud(rng: Random, x: float, y: float, size: float, light: str, shade: str) -> str:
    """A cumulus cloud with a flat base, in two tones. x and y are the middle of its base."""
    puffs = [
        (x + size * (share - 0.5) * 1.6, y - size * 0.1, size * (0.16 + 0.26 * math.sin(math.pi * share)))
        for share in (rng.uniform(k, k + 1) / 7 for k in range(7))
    ]
    base = f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{size * 0.95:.2f}" ry="{size * 0.09:.2f}" fill="{shade}"/>'
    dark = "".join(disc(px, py - radius * 0.4, radius, shade) for px, py, radius in puffs)
    bright = "".join(disc(px - radius * 0.12, py - radius * 0.62, radius * 0.86, light) for px, py, radius in puffs)
    return base + dark + bright


def ridge(rng: Random, y: float, rise: float, fill: str, line: float = LINE) -> str:
    """Land with a smooth, irregular skyline that rises up to `rise` above y."""
    peaks = [(x, y - rise * rng.random()) for x in range(-320, WIDTH + 321, 160)]
    skyline = "".join(
        f" Q {x:.2f},{at:.2f} {(x + right) / 2:.2f},{(at + after) / 2:.2f}"
        for (x, at), (right, after) in pairwise(peaks)
    )
    return path(f"M {peaks[0][0]},{HEIGHT + 20}{skyline} L {peaks[-1][0]},{HEIGHT + 20} Z", fill, line)


def import_resvg() -> ModuleType:
    """Return resvg. Raises DrawingError if it is not installed."""
    try:
        import resvg_py
    except ImportError as error:
        raise DrawingError(f"vector drawings need resvg-py, which cannot be imported ({error}); {INSTALL}") from error
    module: ModuleType = resvg_py
    return module


def rasterize(svg: str, height: int) -> Image.Image:
    """Render an SVG document to RGBA. System fonts are off, as text would differ between systems.

    Raises:
        DrawingError: resvg is not installed.
    """
    png = import_resvg().svg_to_bytes(svg_string=svg, height=height, skip_system_fonts=True)
    return Image.open(io.BytesIO(png)).convert("RGBA")
