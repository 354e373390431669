"""The benchmark's arithmetic, its tables, and that every section runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.video import environment

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(autouse=True)
def scripts_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


def turns(figures: list[float]) -> Iterator[float]:
    yield 99.0  # the first round, which does not count
    yield from figures


def test_ratios_and_differences_are_taken_within_rounds() -> None:
    from benchmarks.rounds import taken

    ours, theirs = turns([1, 10, 2]), turns([2, 40, 4])

    samples = taken({"ours": lambda: next(ours), "theirs": lambda: next(theirs)}, rounds=3)

    assert samples.median("ours") == 2
    assert samples.range("theirs") == (2, 40)
    assert samples.ratio("theirs", "ours") == 2  # of 2, 4, 2; the ratio of the medians is 2 too, that of the means 3.5
    assert samples.difference("theirs", "ours") == 2


def test_contestants_take_turns() -> None:
    from benchmarks.rounds import taken

    order = []

    def turn(name: str) -> float:
        order.append(name)
        return 1.0

    taken({"a": lambda: turn("a"), "b": lambda: turn("b")}, rounds=2)

    assert order == ["a", "b"] * 3


def test_a_table_is_markdown_with_aligned_columns() -> None:
    from benchmarks.table import Table

    text = str(Table("Speed", ("", "ms"), [("filter", "7.5"), ("x", "12.0")], "A note."))

    assert text == ("## Speed\n\n|        |   ms |\n| ------ | ---: |\n| filter |  7.5 |\n| x      | 12.0 |\n\nA note.")


@pytest.mark.parametrize(
    ("value", "limits", "verdict"),
    [
        (1.2, {"at_least": 1.2}, "at least 1.2: met"),
        (1.1, {"at_least": 1.2}, "at least 1.2: not met"),
        (5.1, {"at_most": 5.0, "unit": " %"}, "at most 5 %: not met"),
        (5.0, {"at_most": 5.0, "unit": " %"}, "at most 5 %: met"),
    ],
)
def test_a_verdict_names_the_target(value: float, limits: dict[str, float], verdict: str) -> None:
    from benchmarks import table

    assert table.verdict(value, **limits) == verdict  # type: ignore[arg-type]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "bench.py"), *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)


def test_every_section_runs_and_prints_tables_only() -> None:
    result = bench("--size", "32x24", "--frames", "1", "--rounds", "1")

    assert result.returncode == 0, result.stderr
    assert [line for line in result.stdout.splitlines() if line.startswith("## ")] == [
        "## Speed at 32x24",
        "## The filter around the engine at 32x24",
        "## vspipe's start to its first byte of video at 32x24",
        "## Where that time goes, with openvino",
        "## Peak resident memory of vspipe, 24 frames at 32x24",
        "## Imports",
    ]


@pytest.mark.parametrize("arguments", [["--size", "33x24"], ["--frames", "0"], ["sped"]])
def test_a_wrong_argument_is_named(arguments: list[str]) -> None:
    result = bench(*arguments)

    assert result.returncode == 2
    assert repr(arguments[-1]) in result.stderr
