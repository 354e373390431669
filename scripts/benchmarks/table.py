"""Markdown tables with aligned columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of cells under a heading. The first column is the name of a row. `str()` gives Markdown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __str__(self) -> str:
        body = format_rows(self.columns, self.rows)
        return "\n".join([f"## {self.title}", "", body, *(["", self.note] if self.note else [])])


def format_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without a heading. A cell may be any text, such as the message of an error."""
    rows = [[cell.replace("|", "/").replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    rule = [f"{'-' * (width - 1)}{':' if i else '-'}" for i, width in enumerate(widths)]
    return "\n".join(_line(row, widths) for row in (columns, rule, *rows))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table without a heading, each row when it is there: what was measured stays if the time runs out."""
    first, rule = format_rows(columns, []).splitlines()
    print(f"{first}\n{rule}", flush=True)
    for row in rows:
        print(format_rows(columns, [row]).splitlines()[-1], flush=True)


def verdict(value: float, *, at_least: float | None = None, at_most: float | None = None, unit: str = "") -> str:
    """Return a target and whether `value` meets it: "at most 1 s: met". Without a target, return nothing."""
    if at_least is not None:
        return f"at least {at_least:.3g}{unit}: {'met' if value >= at_least else 'not met'}"
    if at_most is not None:
        return f"at most {at_most:.3g}{unit}: {'met' if value <= at_most else 'not met'}"
    return ""


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = (f"{cell:{'>' if i else '<'}{width}}" for i, (cell, width) in enumerate(zip(cells, widths, strict=True)))
    return f"| {' | '.join(padded)} |"
