"""The ranges of int8, and the study that measures it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts import calibrate
from scripts.calibrate import LINE_SHARE, draw_lines, measure_ranges
from scripts.studies import int8
from vsanimesr.backends.openvino import computes_bf16, get_core
from vsanimesr.weights.load import read_weights

type Array = NDArray[np.float32]


def test_a_range_goes_from_the_film_towards_the_lines_and_is_never_narrower(monkeypatch: pytest.MonkeyPatch) -> None:
    film, lines = (np.array(each, np.float32) for each in (([-1, -1, 0], [2, 2, 2]), ([-3, 0, 0], [2, 6, 1])))

    def find(_: object, scenes: Iterable[Array]) -> dict[str, tuple[Array, Array]]:
        found = film if isinstance(scenes, list) else lines
        return {"layer": (found[0], found[1])}

    monkeypatch.setattr(calibrate, "load_scenes", list)
    monkeypatch.setattr(calibrate, "find_extremes", find)

    low, high = measure_ranges(read_weights("v2-fast"))["layer"]

    assert low == pytest.approx([-1 - 2 * LINE_SHARE, -1, 0])
    assert high == pytest.approx([2, 2 + 4 * LINE_SHARE, 2])


def test_lines_are_black_on_white_and_move() -> None:
    one, other = draw_lines(0), draw_lines(1)

    assert set(np.unique(one)) == {0, 1}
    assert 0.5 < one.mean() < 0.95
    assert not np.array_equal(one[0], one[1])
    assert np.array_equal(one[0][..., 2:], one[1][..., :-2])
    assert not np.array_equal(one, other)


def test_the_study_has_a_row_for_each_scene_and_precision(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not computes_bf16(get_core()):
        pytest.skip("this processor does not compute bf16")
    monkeypatch.setattr(int8, "FRAMES", 2)
    monkeypatch.setattr(int8, "SEEDS", (0,))
    monkeypatch.setattr(calibrate, "LINE_FRAMES", 2)

    assert int8.main(["v2-fast"]) == 0

    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1:4] for row in rows] == [
        [scene, precision, "2"]
        for scene in ("film", "film as black and white", "lines")
        for precision in ("bf16", "int8")
    ]
    assert all(30 < float(row[4]) <= float(row[5]) < 120 for row in rows)
