"""The study of held frames: groups, exposure sheets, and what counts as lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.studies.holds import __main__ as study
from scripts.studies.holds import encodings, scenes
from scripts.studies.holds.comparison import Comparison, Difference, Planes
from scripts.studies.holds.groups import Score, find_carried, find_kept
from scripts.studies.holds.scenes import HELD_OUT, LENGTH, TRAIN, Patch, Scene
from scripts.studies.holds.tables import Encoded


@given(drawings=st.lists(st.integers(0, 2), min_size=1, max_size=60), bound=st.integers(1, 15))
def test_a_group_is_the_longest_run_of_frames_like_its_first(drawings: list[int], bound: int) -> None:
    kept = find_kept(len(drawings), bound, lambda k, n: drawings[k] == drawings[n])

    for n in range(1, len(drawings)):
        group = kept[n - 1]
        goes_on = drawings[n] == drawings[group] and n - group < bound
        assert kept[n] == (group if goes_on else n)
    assert kept[0] == 0


def make_scene(sheet: str) -> Scene:
    """A scene that shows the drawings of a sheet, then the last one to its end."""
    numbers = [int(digit) for digit in sheet]
    numbers += numbers[-1:] * (LENGTH - len(numbers))
    states = tuple(np.full((8, 8, 4), 40 * k, np.float32) for k in range(3))
    return Scene("sheet", "holds", (), (Patch(states, tuple(numbers), 0, 0),))


def make_frames(sheet: str) -> list[encodings.Yuv]:
    return [np.full((12, 8), 10 + 40 * int(digit), np.uint8) for digit in sheet]


def test_a_score_counts_holds_found_and_frames_lost() -> None:
    score = Score()

    score.add(make_scene("0011222"), [0, 0, 2, 2, 2, 5, 5], *[make_frames("0011222")] * 2)

    assert (score.frames, score.steps, score.held, score.found, score.distinct) == (7, 3, 4, 3, 2)
    assert [(lost.kept, lost.frame, lost.carried) for lost in score.lost] == [(2, 4, 1.0)]


class MeanDifference(Comparison):
    """A comparison by the mean of luma, without a compiler."""

    def __init__(self) -> None:
        pass

    def measure(self, kept: Planes, frame: Planes, bits: int = 8, *, has_chroma: bool = True) -> Difference:
        peak = abs(float(kept[0].mean()) - float(frame[0].mean()))
        return Difference(peak, peak, chroma=0.25, drift=0, typical=0, shift=0.5)


def test_the_tables_of_a_half_are_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    frames = np.repeat(make_frames("00112".ljust(LENGTH, "2")), 8, 1).repeat(8, 2)
    half = [Encoded(each, [make_scene("00112")], frames, frames, MeanDifference()) for each in encodings.ENCODINGS[:2]]

    study.print_limits(half)
    study.print_scores(TRAIN, half, tmp_path)

    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert len([row for row in rows if row[:1] == ["as chosen"]]) == 1
    assert len([row for row in rows if row[1:4] == ["64 of 69", "92.8 %", "11.1 %"]]) == 4
    nearest = [row for row in rows if row[1:2] == ["sheet"]]
    assert [row[2:] for row in nearest] == 2 * [["2", "5.71", "40.00", "40.00", "0.25", "0.00", "0.00", "0.50"]]
    assert (tmp_path / "nearest-train.png").is_file()


def test_a_change_that_the_encode_does_not_show_is_not_carried() -> None:
    source = make_frames("01")
    erased, half = make_frames("00"), [source[0], source[0] + np.uint8(20)]

    assert [find_carried(source, encoded, 0, 1) for encoded in (source, half, erased)] == [1, 0.5, 0]


def test_the_halves_share_no_drawing() -> None:
    train, held_out = (
        {drawing.sheet for scene in scenes.scenes(half) for cel in scene.cels for drawing in cel.drawings}
        for half in (TRAIN, HELD_OUT)
    )

    assert train
    assert held_out
    assert not train & held_out


def test_grain_differs_from_frame_to_frame_and_spares_chroma() -> None:
    yuv = np.full((48, 32), 100, np.uint8)
    one, again, other = (encodings.add_grain(yuv, 3, n) for n in (1, 1, 2))

    assert (one == again).all()
    assert (one != other).any()
    assert (one[32:] == 100).all()
    assert 2 < one[:32].std() < 4
