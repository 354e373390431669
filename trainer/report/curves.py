"""Charts of a run's losses and scores, as SVG."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..core.validation import FLICKER, LPIPS, PSNR

WIDTH, HEIGHT, MARGIN = 300, 120, 6
NAMES = {
    "l1": "L1",
    "mse": "MSE",
    "perceptual": "perceptual loss",
    "gan": "GAN loss",
    "d_real": "discriminator, real",
    "d_fake": "discriminator, fake",
    PSNR: "held out: PSNR-Y, dB",
    LPIPS: "held out: LPIPS",
    FLICKER: "held out: flicker, grey levels",
}
"""The columns of metrics.csv that are drawn, in order, and what they are called."""

type Points = Sequence[tuple[int, float]]


def read_curves(file: Path) -> dict[str, Points]:
    """Return the steps and values of each column of metrics.csv that is drawn and has values. A short run has none."""
    if not file.is_file():
        return {}
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    found = {name: [(int(row["step"]), float(row[name])) for row in rows if row.get(name)] for name in NAMES}
    return {name: points for name, points in found.items() if points}


def draw_curves(file: Path, best: int | None) -> str:
    """Return charts of metrics.csv as SVG, one after the other.

    Args:
        best: the step that is marked; None for none.
    """
    return "\n".join(_draw(NAMES[name], points, best) for name, points in read_curves(file).items())


def _draw(title: str, points: Points, best: int | None) -> str:
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    low, high = min(value for _, value in finite), max(value for _, value in finite)
    last = max(max(step for step, _ in finite), 1)

    def place(step: float, value: float) -> tuple[float, float]:
        share = (value - low) / (high - low) if high > low else 0.5
        return MARGIN + step / last * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in finite))
    mark = ""
    if best is not None:
        x, _ = place(best, low)
        mark = f'<line class="best" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}"/>'
    text = f"{title}: {finite[0][1]:.4g} to {finite[-1][1]:.4g}, from {low:.4g} to {high:.4g}"
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(text)}">{mark}'
        f'<polyline points="{line}"/></svg>'
        f"<figcaption>{escape(title)}: {low:.4g} … {high:.4g}, {last} steps</figcaption></figure>"
    )
