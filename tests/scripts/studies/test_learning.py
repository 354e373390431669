"""The study of training: the settings of its runs, its tables and curves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageColor

from scripts.studies.learning import __main__ as learning
from scripts.studies.learning import curves
from scripts.studies.learning.runs import RUNS
from trainer.settings import override
from trainer.vsr.config import preset
from trainer.vsr.evaluation import Score


@pytest.mark.parametrize("name", list(RUNS))
def test_the_trainer_accepts_the_settings_of_each_run(name: str) -> None:
    run = RUNS[name]

    settings = override(preset(run.stage, "paper"), run.settings)
    quick = override(settings, learning.QUICK)

    assert settings.steps >= 500
    assert (quick.steps, quick.sampling.size) == (4, 96)
    assert run.start in {"", "v2", *RUNS}


def test_the_tables_compare_with_bicubic_by_clip_and_by_show() -> None:
    scores = [
        *(Score("sea-1", "bicubic", 20.0, 0.5), Score("sea-1", "net", 21.0, 0.25)),
        *(Score("sea-2", "bicubic", 30.0, 0.5), Score("sea-2", "net", 33.0, 0.75)),
        *(Score("sky-1", "bicubic", 40.0, 0.5), Score("sky-1", "net", 39.0, 0.5)),
    ]

    lines = learning.format_tables(scores).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    assert ["all", "net", "31.00", "+1.00", "0.5000"] in rows
    assert ["sea", "net", "27.00", "+2.00", "0.5000"] in rows
    assert ["sky", "net", "39.00", "-1.00", "0.5000"] in rows
    assert ["sea-2", "net", "33.00", "+3.00", "0.7500"] in rows


def test_curves_show_the_metrics_of_each_run(tmp_path: Path) -> None:
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["step", "l1", "perceptual"])
        writer.writeheader()
        writer.writerows({"step": n, "l1": 1.0, "perceptual": 20 if n < 50 else 5} for n in range(1, 101))

    chart = np.asarray(curves.draw_curves({"a": tmp_path, "b": tmp_path}))

    assert chart.shape == (curves.HEIGHT, 2 * curves.WIDTH, 3)

    def height(loss: str, share: float) -> float:
        column = chart[: curves.HEIGHT - 50, round(curves._x(share))]
        return float(np.nonzero((column == ImageColor.getrgb(curves.COLOURS[loss])).all(-1))[0].mean())

    assert height("l1", 0.75) == pytest.approx(curves._y(1), abs=2)
    assert height("perceptual", 0.75) == pytest.approx(curves._y(0.25), abs=2)
