"""A picture of the losses of each run over its steps, each as a share of its highest value."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"l1": "#1b6ca8", "perceptual": "#2e8b57", "gan": "#c2410c", "d_real": "#7c3aed", "d_fake": "#a16207"}
WIDTH, HEIGHT, MARGIN, TITLE = 560, 300, 56, 30
PAPER, INK, FAINT = "#fcfcfa", "#1f2024", "#d9d9d4"
SMOOTH = 5
"""Rows of the moving mean: the loss varies more between samples than between steps."""


def draw_curves(folders: Mapping[str, Path]) -> Image.Image:
    """Draw a chart for each run, side by side."""
    picture = Image.new("RGB", (WIDTH * len(folders), HEIGHT), PAPER)
    for number, (name, folder) in enumerate(folders.items()):
        picture.paste(_draw_chart(name, _read_columns(folder / "metrics.csv")), (number * WIDTH, 0))
    return picture


def _read_columns(file: Path) -> dict[str, list[float]]:
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {name: [float(row[name]) for row in rows] for name in ("step", *COLOURS) if name in rows[0]}


def _draw_chart(name: str, columns: Mapping[str, Sequence[float]]) -> Image.Image:
    chart = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(chart)
    curves = {loss: _smooth(columns[loss]) for loss in COLOURS if loss in columns}
    last = columns["step"][-1]
    draw.text((MARGIN, 8), f"{name}, to step {last:.0f}", INK, font_size=15)
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        draw.line((MARGIN, y, WIDTH - MARGIN / 2, y), FAINT)
        draw.text((16, y - 8), f"{share:.1f}", INK, font_size=13)
    for number, (loss, curve) in enumerate(curves.items()):
        shares = [value / max(curve) for value in curve]
        places = [(_x(step / last), _y(share)) for step, share in zip(columns["step"], shares, strict=True)]
        draw.line(places, COLOURS[loss], 2, joint="curve")
        draw.text((MARGIN + 98 * number, HEIGHT - 42), loss, COLOURS[loss], font_size=14)
        draw.text((MARGIN + 98 * number, HEIGHT - 24), f"1.0 is {max(curve):.3g}", COLOURS[loss], font_size=12)
    return chart


def _smooth(values: Sequence[float]) -> list[float]:
    parts = [values[max(0, n - SMOOTH + 1) : n + 1] for n in range(len(values))]
    return [sum(part) / len(part) for part in parts]


def _x(share: float) -> float:
    return MARGIN + share * (WIDTH - 1.5 * MARGIN)


def _y(share: float) -> float:
    return TITLE + (1 - share) * (HEIGHT - TITLE - MARGIN)
