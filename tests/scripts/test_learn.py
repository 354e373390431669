"""The script that shows that training learns: its runs' settings, its table, its curves."""

from __future__ import annotations

import csv
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageColor

from trainer.evaluation import Score
from trainer.settings import changed
from trainer.stages import preset

from .sandbox import load

learn = load("learn")
curves, parts, table = (import_module(f"learning.{name}") for name in ("curves", "parts", "table"))


@pytest.mark.parametrize("name", list(parts.PARTS))
def test_each_part_is_a_run_that_the_trainer_takes(name: str) -> None:
    part = parts.PARTS[name]

    settings = changed(preset(part.stage, "paper"), part.settings)
    quick = changed(settings, learn.QUICK)

    assert settings.steps >= 500
    assert (quick.steps, quick.sampling.size) == (4, 96)
    assert part.start in {"", "v2", *parts.PARTS}


def test_the_table_compares_with_bicubic_by_clip_and_by_title() -> None:
    found = [
        *(Score("sea-1", "bicubic", 20.0, 0.5), Score("sea-1", "net", 21.0, 0.25)),
        *(Score("sea-2", "bicubic", 30.0, 0.5), Score("sea-2", "net", 33.0, 0.75)),
        *(Score("sky-1", "bicubic", 40.0, 0.5), Score("sky-1", "net", 39.0, 0.5)),
    ]

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.written(found).splitlines()]

    assert ["all", "net", "31.00", "+1.00", "0.5000"] in rows
    assert ["sea", "net", "27.00", "+2.00", "0.5000"] in rows
    assert ["sky", "net", "39.00", "-1.00", "0.5000"] in rows
    assert ["sea-2", "net", "33.00", "+3.00", "0.7500"] in rows


def test_curves_are_drawn_from_the_runs_own_figures(tmp_path: Path) -> None:
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["step", "l1", "perceptual"])
        writer.writeheader()
        writer.writerows({"step": n, "l1": 1.0, "perceptual": 20 if n < 50 else 5} for n in range(1, 101))

    chart = np.asarray(curves.drawn({"a": tmp_path, "b": tmp_path}))

    assert chart.shape == (curves.HEIGHT, 2 * curves.WIDTH, 3)

    def height(loss: str, share: float) -> float:
        column = chart[: curves.HEIGHT - 50, round(curves._x(share))]
        return float(np.nonzero((column == ImageColor.getrgb(curves.COLOURS[loss])).all(-1))[0].mean())

    assert height("l1", 0.75) == pytest.approx(curves._y(1), abs=2)
    assert height("perceptual", 0.75) == pytest.approx(curves._y(0.25), abs=2)
