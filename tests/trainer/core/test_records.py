"""Records of a run: metrics.csv, TensorBoard, preview pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from trainer.core.records import METRICS_FILE, Means, Records
from trainer.errors import CheckpointError


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / METRICS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_means_start_again_after_each_row_and_are_part_of_a_checkpoint() -> None:
    means = Means()
    means.add({"l1": 1.0})
    means.add({"l1": 3.0})
    assert means.pop() == {"l1": 2.0}

    means.add({"l1": 5.0})
    again = Means()
    again.load_state_dict(means.state_dict())
    for each in (means, again):
        each.add({"l1": 6.0})
        assert each.pop() == {"l1": 5.5}


def test_a_resumed_run_drops_the_rows_after_its_checkpoint(tmp_path: Path) -> None:
    with Records(tmp_path, begin=0, steps=9) as records:
        for step in (1, 2, 3):
            records.log(step, {"l1": step / 3})
    with Records(tmp_path, begin=2, steps=9) as records:
        records.log(3, {"l1": 7.0})
        records.log(4, {"l1": 8.0})

    assert [(row["step"], float(row["l1"])) for row in rows(tmp_path)] == [
        ("1", 1 / 3),
        ("2", 2 / 3),
        ("3", 7.0),
        ("4", 8.0),
    ]


def test_a_new_run_drops_all_rows(tmp_path: Path) -> None:
    for _ in range(2):
        with Records(tmp_path, begin=0, steps=9) as records:
            records.log(1, {"l1": 1.0})

    assert len(rows(tmp_path)) == 1


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / METRICS_FILE).write_text("step,l1\nmany,1\n")

    with pytest.raises(CheckpointError, match=r"metrics.csv cannot be read .* move it elsewhere"):
        Records(tmp_path, begin=5, steps=9)


def test_tensorboard_gets_scalars_and_previews(tmp_path: Path) -> None:
    strip = Image.fromarray(np.full((8, 24, 3), 90, np.uint8))
    with Records(tmp_path, begin=0, steps=9) as records:
        records.log(5, {"l1": 0.25})
        records.write_preview(6, strip)

    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("l1")] == [(5, 0.25)]
    assert [(event.step, event.width) for event in board.Images("LR, SR, HQ")] == [(6, 24)]
    with Image.open(tmp_path / "previews" / "step-00000006.png") as shown:
        assert np.array_equal(np.asarray(shown), np.asarray(strip))
