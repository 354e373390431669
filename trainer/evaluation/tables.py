"""What was found, as tables: for reading (Markdown, and cells for the page) and for other programs (CSV)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from .measures import MEASURES, Measure
from .run import Records
from .statistics import LEAST, Estimate, estimate_difference, estimate_mean

INTERVALS = "95 % confidence intervals (Student's t)"


@dataclass(frozen=True)
class Costs:
    """What an upscaler costs; None where it is not known."""

    parameters: int | None = None
    macs_per_pixel: float | None = None
    milliseconds: float | None = None
    """For a frame of 480x640."""


@dataclass(frozen=True)
class Evaluation:
    """All that was found.

    Args:
        models: names of the rows, in order.
        compared: those of them that are compared with each other.
        measures: names of the columns, in order.
        notes: sentences about how it was measured.
    """

    models: Sequence[str]
    compared: Sequence[str]
    measures: Sequence[str]
    clips: Sequence[str]
    records: Records
    costs: Mapping[str, Costs] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def values(self, model: str, measure: str) -> dict[str, float]:
        """Return the values of a model by the clips that have one."""
        found = {clip: self.records[clip, model].values.get(measure) for clip in self.clips}
        return {clip: value for clip, value in found.items() if value is not None}

    def common(self, measure: str) -> list[str]:
        """Return the clips that each model with values of a measure has one of. Means of others cannot be compared."""
        known = [found for model in self.models if (found := self.values(model, measure))]
        return [clip for clip in self.clips if all(clip in found for found in known)]

    def mean(self, model: str, measure: str) -> Estimate | None:
        """Return the mean over the clips that all models have a value of; None without any."""
        found = self.values(model, measure)
        values = [found[clip] for clip in self.common(measure)] if found else []
        return estimate_mean(values) if values else None

    def difference(self, model: str, other: str, measure: str) -> Difference | None:
        """Return the difference of two models over the clips that both have a value of; None without any."""
        a, b = self.values(model, measure), self.values(other, measure)
        clips = [clip for clip in a if clip in b]
        if not clips:
            return None
        ours, theirs = [a[clip] for clip in clips], [b[clip] for clip in clips]
        sign = 1 if MEASURES[measure].higher else -1
        better = sum(sign * (one - other) > 0 for one, other in zip(ours, theirs, strict=True))
        return Difference(estimate_difference(ours, theirs), better)


@dataclass(frozen=True)
class Difference:
    """A model against another one."""

    estimate: Estimate
    better: int
    """Number of clips on which the model is better."""


@dataclass(frozen=True)
class Table:
    """A table for reading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: frozenset[tuple[int, int]] = frozenset()
    """Row and column of cells that stand out."""
    note: str = ""


def list_tables(evaluation: Evaluation) -> list[Table]:
    """Return all tables: means, differences to the first model, and each clip."""
    tables = [_means(evaluation), *_differences(evaluation), _clips(evaluation)]
    return [table for table in tables if table.rows]


def to_markdown(evaluation: Evaluation) -> str:
    """Return all tables as Markdown."""
    notes = [f"* {_one_line(note)}" for note in evaluation.notes]
    return "\n".join([*map(format_markdown, list_tables(evaluation)), *notes, ""])


def to_csv(evaluation: Evaluation) -> dict[str, str]:
    """Return files of CSV by their names: a row for each clip of a model; each mean; each difference of two models."""
    return {
        "clips.csv": format_csv(["clip", "model", *evaluation.measures], _clip_rows(evaluation)),
        "means.csv": format_csv(
            ["model", "parameters", "macs_per_pixel", "milliseconds", "measure", "mean", "low", "high", "clips"],
            _mean_rows(evaluation),
        ),
        "differences.csv": format_csv(
            ["model", "other", "measure", "difference", "low", "high", "better", "clips"], _difference_rows(evaluation)
        ),
    }


def _means(evaluation: Evaluation) -> Table:
    rows, marked = [], set()
    means = {name: [evaluation.mean(model, name) for model in evaluation.models] for name in evaluation.measures}
    for row, model in enumerate(evaluation.models):
        costs = evaluation.costs.get(model, Costs())
        rows.append([model, *_cost_cells(costs)])
        for column, name in enumerate(evaluation.measures, len(rows[-1])):
            found = means[name][row]
            rows[-1].append(_text(found, MEASURES[name]))
            compared = [
                each.mean
                for model, each in zip(evaluation.models, means[name], strict=True)
                if each and model in evaluation.compared
            ]
            best = (max if MEASURES[name].higher else min)(compared, default=None)
            if found and model in evaluation.compared and found.mean == best:
                marked.add((row, column))
    prices = ["parameters, M", "MAC per LR pixel, k", "ms per frame of 480x640"]
    columns = ["", *prices, *map(format_title, evaluation.measures)]
    estimates = [each for found in means.values() for each in found if each]
    note = f"Means over clips{_interval_note(estimates)}. Bold: the best upscaler.{_common_note(evaluation)}"
    return Table(f"Means of {len(evaluation.clips)} clips", columns, rows, frozenset(marked), note)


def _interval_note(estimates: Iterable[Estimate]) -> str:
    """Return which of the estimates have an interval."""
    with_ends = {each.low is not None for each in estimates}
    if with_ends == {True}:
        return f", with {INTERVALS}"
    return f"; from {LEAST} clips on with {INTERVALS}" if True in with_ends else ""


def _common_note(evaluation: Evaluation) -> str:
    """Return which means are of fewer clips than there are."""
    total = len(evaluation.clips)
    counts = {name: len(evaluation.common(name)) for name in evaluation.measures}
    fewer = [f"{MEASURES[name].title}: {count} of {total}" for name, count in counts.items() if count < total]
    return f" Over the clips that each row has a value of: {', '.join(fewer)}." if fewer else ""


def _differences(evaluation: Evaluation) -> Iterator[Table]:
    if len(evaluation.compared) < 2:
        return
    first, *others = evaluation.compared
    rows, marked, cells = [], set(), []
    for row, model in enumerate(others):
        rows.append([model])
        for column, name in enumerate(evaluation.measures, 1):
            found = evaluation.difference(model, first, name)
            cells.append(found)
            rows[-1].append(_difference_text(found, MEASURES[name]))
            if found and found.estimate.excludes_zero:
                marked.add((row, column))
    estimates = [found.estimate for found in cells if found]
    certain = " Bold: the interval excludes 0." if any(each.low is not None for each in estimates) else ""
    note = (
        f"Means of the differences on each clip{_interval_note(estimates)}, and on how many clips the row is better."
        f"{certain} differences.csv has all pairs."
    )
    yield Table(f"Differences to {first}", ["", *map(format_title, evaluation.measures)], rows, frozenset(marked), note)


def _clips(evaluation: Evaluation) -> Table:
    rows = []
    for clip, model, *values in _clip_rows(evaluation):
        cells = map(_number, values, (MEASURES[name] for name in evaluation.measures))
        rows.append([str(clip), str(model), *cells])
    return Table("Clips", ["clip", "", *map(format_title, evaluation.measures)], rows)


def _clip_rows(evaluation: Evaluation) -> Iterator[list[object]]:
    for clip in evaluation.clips:
        for model in evaluation.models:
            values = evaluation.records[clip, model].values
            yield [clip, model, *(values.get(name) for name in evaluation.measures)]


def _mean_rows(evaluation: Evaluation) -> Iterator[list[object]]:
    for model in evaluation.models:
        costs = evaluation.costs.get(model, Costs())
        for name in evaluation.measures:
            if mean := evaluation.mean(model, name):
                yield [
                    *(model, costs.parameters, costs.macs_per_pixel, costs.milliseconds),
                    *(name, mean.mean, mean.low, mean.high, mean.clips),
                ]


def _difference_rows(evaluation: Evaluation) -> Iterator[list[object]]:
    for other, model in combinations(evaluation.compared, 2):
        for name in evaluation.measures:
            if found := evaluation.difference(model, other, name):
                mean = found.estimate
                yield [model, other, name, mean.mean, mean.low, mean.high, found.better, mean.clips]


def _cost_cells(costs: Costs) -> list[str]:
    parameters, macs, milliseconds = costs.parameters, costs.macs_per_pixel, costs.milliseconds
    return [
        "" if parameters is None else f"{parameters / 1e6:.2f}",
        "" if macs is None else f"{macs / 1e3:.0f}",
        "" if milliseconds is None else f"{milliseconds:.{0 if milliseconds >= 100 else 1}f}",
    ]


def format_title(name: str) -> str:
    """Return the heading of a measure, with an arrow to the better side."""
    measure = MEASURES[name]
    arrow = "\u2191" if measure.higher else "\u2193"
    return f"{measure.title}{', ' + measure.unit if measure.unit else ''} {arrow}"


def _text(estimate: Estimate | None, measure: Measure) -> str:
    return "" if estimate is None else _with_interval(estimate, measure, "")


def _difference_text(found: Difference | None, measure: Measure) -> str:
    if found is None:
        return ""
    return f"{_with_interval(found.estimate, measure, '+')}, {found.better} of {found.estimate.clips}"


def _with_interval(estimate: Estimate, measure: Measure, sign: str) -> str:
    def text(value: float) -> str:
        return f"{value:{sign}.{measure.digits}f}"

    if estimate.low is None or estimate.high is None:
        return text(estimate.mean)
    return f"{text(estimate.mean)} [{text(estimate.low)}, {text(estimate.high)}]"


def _number(value: object, measure: Measure) -> str:
    return f"{value:.{measure.digits}f}" if isinstance(value, float) else ""


def format_markdown(table: Table) -> str:
    """Return a table as Markdown."""
    rows = [
        [f"**{_escape(cell)}**" if (y, x) in table.marked else _escape(cell) for x, cell in enumerate(row)]
        for y, row in enumerate(table.rows)
    ]
    head = [[_escape(column) for column in table.columns], ["---"] * len(table.columns)]
    lines = ["| " + " | ".join(row) + " |" for row in [*head, *rows]]
    return "\n".join([f"## {_one_line(table.title)}", "", *([table.note, ""] if table.note else []), *lines, ""])


def _escape(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\").replace("|", "\\|")


def _one_line(text: str) -> str:
    """Return a text without breaks, which would end a row: the name of a folder may have some."""
    return " ".join(text.splitlines())


def format_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV. None is an empty cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return file.getvalue()
