"""Tables: who is better, by how much, and the same figures in CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import pytest

from trainer.evaluation.measures import LPIPS_ALEX, NIQE, PSNR
from trainer.evaluation.run import Record
from trainer.evaluation.tables import Costs, Evaluation, list_tables, to_csv, to_markdown

CLIPS = [f"clip {n}" for n in range(6)]
PSNRS: dict[str, list[float | None]] = {
    "bicubic": [20.0, 25, 30, 22, 24, 26],
    "a|b": [21.0, 26, 31, 23, 25, 27],
    "HQ": [None] * 6,
}
LPIPS: dict[str, list[float | None]] = {"bicubic": [0.5] * 6, "a|b": [0.4, 0.4, 0.6, 0.4, 0.4, None], "HQ": [None] * 6}


def evaluation(clips: int = 6) -> Evaluation:
    records = {
        (clip, model): Record(
            {name: value for name, value in ((PSNR, PSNRS[model][n]), (LPIPS_ALEX, LPIPS[model][n])) if value}, ""
        )
        for n, clip in enumerate(CLIPS[:clips])
        for model in PSNRS
    }
    costs = {"bicubic": Costs(0, 0, 1.234), "a|b": Costs(1_495_376, 1_127_232, 321.4)}
    return Evaluation(list(PSNRS), ["a|b", "bicubic"], [PSNR, LPIPS_ALEX], CLIPS[:clips], records, costs, ["A note."])


def evaluate_niqe(values: Mapping[str, Sequence[float | None]]) -> Evaluation:
    """Return an evaluation by NIQE, of clips of which some have none, as a flat one."""
    clips = CLIPS[: len(values["bicubic"])]
    records = {
        (clip, model): Record({} if (value := own[n]) is None else {NIQE: value}, "")
        for n, clip in enumerate(clips)
        for model, own in values.items()
    }
    return Evaluation(list(values), [name for name in values if name != "HQ"], [NIQE], clips, records)


def test_means_are_of_the_clips_that_every_row_has() -> None:
    found = evaluate_niqe(
        {"bicubic": [4, 4, 9, None], "mine": [5, 5, None, None], "HQ": [3, 1, 2, 3], "none": [None] * 4}
    )
    means, differences, _ = list_tables(found)
    assert [row[4] for row in means.rows] == ["4.0000", "5.0000", "2.0000", ""]
    assert means.marked == {(0, 4)}  # over its own clips, bicubic would be the worse
    assert means.note.endswith("Over the clips that each row has a value of: NIQE: 2 of 4.")
    assert differences.rows[0][1] == "+1.0000, 0 of 2"
    rows = csv.DictReader(io.StringIO(to_csv(found)["means.csv"]))
    assert {(row["model"], row["clips"]) for row in rows} == {("bicubic", "2"), ("mine", "2"), ("HQ", "2")}


def test_without_a_clip_that_every_row_has_nothing_is_compared() -> None:
    found = evaluate_niqe({"bicubic": [4, None], "mine": [None, 5]})
    means, differences, _ = list_tables(found)
    assert [row[4] for row in means.rows] == ["", ""]
    assert not means.marked
    assert "NIQE: 0 of 2" in means.note
    assert differences.rows == [["mine", ""]]


def test_notes_tell_of_intervals_only_where_there_are_some() -> None:
    means, differences, _ = list_tables(evaluation())
    for table in (means, differences):
        assert ", with 95 % confidence intervals (Student's t)" in table.note
    assert "Bold: the interval excludes 0." in differences.note
    for table in list_tables(evaluation(clips=4)):
        assert "interval" not in table.note
    some = evaluate_niqe({"bicubic": [4.0] * 5, "mine": [None] * 5})
    assert "interval" in list_tables(some)[0].note
    assert "interval" not in list_tables(some)[1].note


def test_differences_are_paired_over_the_clips_that_both_have() -> None:
    found = evaluation().difference("bicubic", "a|b", PSNR)
    assert found is not None
    assert (found.estimate.mean, found.estimate.low, found.estimate.high, found.better) == (-1, -1, -1, 0)
    lower = evaluation().difference("a|b", "bicubic", LPIPS_ALEX)
    assert lower is not None
    assert lower.estimate.clips == 5
    assert lower.better == 4  # lower is better
    assert evaluation().difference("HQ", "a|b", PSNR) is None


def test_the_best_and_what_is_certain_stand_out() -> None:
    means, differences, clips = list_tables(evaluation())
    assert means.marked == {(1, 4), (1, 5)}
    assert means.rows[1][:4] == ["a|b", "1.50", "1127", "321"]
    assert means.rows[2] == ["HQ", "", "", "", "", ""]
    assert [row[0] for row in differences.rows] == ["bicubic"]
    assert differences.rows[0][1] == "-1.00 [-1.00, -1.00], 0 of 6"
    assert (0, 1) in differences.marked
    assert len(clips.rows) == 3 * 6


def test_few_clips_are_certain_of_nothing() -> None:
    _, differences, _ = list_tables(evaluation(clips=3))
    assert differences.rows[0][1] == "-1.00, 0 of 3"
    assert not differences.marked


def test_markdown_has_a_cell_for_each_column_whatever_names_hold() -> None:
    text = to_markdown(evaluation())
    for table in text.split("## ")[1:]:
        rows = [line.replace("\\|", "") for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1
    assert "* A note." in text
    assert "**25.50 [" in text


def test_breaks_in_names_end_no_row() -> None:
    name = "two\nlines\r\nand\u2028more"
    record = Record({PSNR: 30.0}, "")
    models = [name, "bicubic"]
    found = Evaluation(
        models, models, [PSNR], [name], {(name, model): record for model in models}, notes=[f"Set: {name}."]
    )
    lines = to_markdown(found).splitlines()
    assert all(line.startswith(("## ", "Means of", "Means over", "| ", "* ")) for line in lines if line)
    assert "| two lines and more | bicubic | 30.00 |" in lines
    assert "## Differences to two lines and more" in lines
    assert "* Set: two lines and more." in lines


def test_csv_holds_what_the_tables_show() -> None:
    files = {name: list(csv.DictReader(io.StringIO(text))) for name, text in to_csv(evaluation()).items()}
    assert [row[PSNR] for row in files["clips.csv"] if row["model"] == "a|b"] == [str(each) for each in PSNRS["a|b"]]
    assert [row[LPIPS_ALEX] for row in files["clips.csv"] if row["model"] == "HQ"] == [""] * 6
    (mean,) = (row for row in files["means.csv"] if (row["model"], row["measure"]) == ("a|b", PSNR))
    assert (mean["parameters"], float(mean["mean"]), mean["clips"]) == ("1495376", 25.5, "6")
    assert float(mean["low"]) < 25.5 < float(mean["high"])
    (difference,) = (row for row in files["differences.csv"] if row["measure"] == PSNR)
    assert (difference["model"], difference["other"], difference["better"]) == ("bicubic", "a|b", "0")
    assert float(difference["difference"]) == pytest.approx(-1)
