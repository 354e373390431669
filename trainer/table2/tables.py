"""The results: means of the rows, and which of the paper's orders hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import numpy as np

from ..evaluation.measures import MEASURES
from ..evaluation.tables import Table, format_csv, format_markdown, format_title
from ..vsr.evaluation import BICUBIC
from .orders import Difference, Interval, compare, estimate
from .orders import Scores as Matrix
from .rows import Row, Rows
from .scores import Scores

START = "start"
BESIDE = "for comparison"
"""In place of an ablation: rows that the paper's table does not have."""


@dataclass(frozen=True)
class Results:
    """What is known so far.

    Args:
        scores: of finished networks, by name and seed.
        measures: names, in order.
        notes: sentences about how it was made.
    """

    rows: Rows
    scores: Mapping[str, Mapping[int, Scores]]
    measures: Sequence[str]
    notes: Sequence[str]

    def to_markdown(self) -> str:
        """Return both tables, what is left out, and the notes."""
        notes = [*self.rows.left_out, *self.notes]
        return "\n".join([*map(format_markdown, (self._means(), self._orders())), *(f"* {note}" for note in notes), ""])

    def to_csv(self) -> dict[str, str]:
        """Return files of CSV by their names: a row for each mean, and for each order."""
        means = [
            (row.ablation, row.title, row.network, name, found.mean, *_ends(found), seeds, clips)
            for row in self._all_rows()
            for name in self.measures
            for found, (seeds, clips) in self._found(row.network, name)
        ]
        orders = [
            (worse, better, name, found.mean, *_ends(found), _verdict(found, seeds), seeds)
            for worse, better in self.rows.orders
            for name in self.measures
            for found, seeds in self._compared(worse, better, name)
        ]
        columns = "ablation", "row", "network", "measure", "mean", "low", "high", "seeds", "clips"
        of_orders = "worse", "better", "measure", "difference", "low", "high", "verdict", "seeds"
        return {"results.csv": format_csv(columns, means), "orders.csv": format_csv(of_orders, orders)}

    def _all_rows(self) -> Iterator[Row]:
        yield from self.rows
        for name in (BICUBIC, START):
            if name in self.scores:
                yield Row(BESIDE, name, name, None)

    def _means(self) -> Table:
        columns = ["ablation", "row", "network", "MANIQA in the paper", "seeds", *map(format_title, self.measures)]
        cells = []
        for row in self._all_rows():
            paper, seeds = "" if row.paper is None else f"{row.paper:.4f}", len(self.scores.get(row.network, ()))
            head = [row.ablation, row.title, row.network, paper, str(seeds)]
            means = [[_text(each, name) for each, _ in self._found(row.network, name)] for name in self.measures]
            cells.append([*head, *("".join(each) for each in means)])
        note = (
            "Means over clips and seeds, with 95 % intervals that take both as samples. As in the paper, some rows are "
            "of one network."
        )
        return Table("Ablations of the paper's table 2", columns, cells, note=note)

    def _orders(self) -> Table:
        rows = []
        for worse, better in self.rows.orders:
            for name in self.measures:
                for found, seeds in self._compared(worse, better, name):
                    cells = MEASURES[name].title, _text(found, name, "+"), _verdict(found, seeds), str(seeds)
                    rows.append([f"{worse} < {better}", *cells])
        verdicts = [row[3] for row in rows]
        holding, opposite = (verdicts.count(each) for each in ("holds", "the opposite holds"))
        note = (
            f"{holding} of {len(rows)} hold beyond chance, {opposite} the other way round. Positive: the second one "
            "is better, as in the paper. Without any effect, one comparison in 20 is not within chance."
        )
        columns = ["order", "measure", "difference", "beyond chance", "seeds"]
        return Table("Orders of the paper", columns, rows, note=note)

    def _found(self, network: str, measure: str) -> Iterator[tuple[Interval, tuple[int, int]]]:
        """Yield the mean of a network with the numbers of seeds and clips; nothing if it is not known."""
        matrix = self._matrix(network, measure, sorted(self.scores.get(network, ())))
        if matrix.size:
            mean, trained = estimate(matrix), network not in (BICUBIC, START)
            one = Interval(mean.mean, -inf, inf)  # of a training that was not repeated, nothing is known of the seeds
            yield one if trained and len(matrix) == 1 else mean, (matrix.shape[0], matrix.shape[1])

    def _compared(self, worse: str, better: str, measure: str) -> Iterator[tuple[Difference, int]]:
        """Yield the difference of two networks, over the seeds that both have, and their number."""
        seeds = sorted(set(self.scores.get(worse, ())) & set(self.scores.get(better, ())))
        one, other = (self._matrix(name, measure, seeds) for name in (worse, better))
        if one.size and other.size:
            found = compare(one, other, rising=MEASURES[measure].higher)
            yield found if len(seeds) > 1 else Difference(found.mean, -inf, inf), len(seeds)

    def _matrix(self, network: str, measure: str, seeds: Sequence[int]) -> Matrix:
        """Return scores, (seeds, clips), of the clips that every network has one of."""
        everything = [each[measure].keys() for own in self.scores.values() for each in own.values()]
        clips = sorted(set.intersection(*map(set, everything))) if everything else []
        return np.array([[self.scores[network][seed][measure][clip] for clip in clips] for seed in seeds])


def _verdict(found: Difference, seeds: int) -> str:
    return found.verdict if seeds > 1 else "one seed"


def _ends(found: Interval) -> tuple[float | None, float | None]:
    return (found.low, found.high) if isfinite(found.low) else (None, None)


def _text(found: Interval, measure: str, sign: str = "") -> str:
    digits = MEASURES[measure].digits
    mean, *ends = (f"{value:{sign}.{digits}f}" for value in (found.mean, found.low, found.high))
    return f"{mean} [{', '.join(ends)}]" if isfinite(found.low) else mean
