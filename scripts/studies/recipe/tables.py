"""The report: what was reduced, scores with their deviation over seeds, and the orders that hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from scripts.benchmarks.table import Table
from trainer.table2.orders import Difference, Scores, compare
from trainer.table2.rows import Order

from .best_factor import FactorScore, find_best

ALL = "all"
RISING = {"psnr_y": True, "lpips": False}
UNITS = {"psnr_y": "dB", "lpips": "LPIPS"}
DIGITS = {"psnr_y": 2, "lpips": 4}

type Results = Mapping[str, Mapping[str, Mapping[str, Scores]]]
"""(seeds, clips) by network, measure and fault."""


def together(scores: Mapping[str, Scores]) -> Scores:
    """Return the scores of all faults, side by side."""
    return np.concatenate(list(scores.values()), axis=1)


def score_table(title: str, results: Results) -> Table:
    """Return a row for each network: mean and deviation over seeds, for each fault and for all."""
    faults = list(next(iter(next(iter(results.values())).values())))
    columns = ("network", *(f"{fault}, {UNITS[measure]}" for fault in (*faults, ALL) for measure in RISING))
    rows = []
    for name, own in results.items():
        cells = []
        for fault in (*faults, ALL):
            for measure in RISING:
                scores = together(own[measure]) if fault == ALL else own[measure][fault]
                cells.append(format_mean(scores, DIGITS[measure]))
        rows.append((name, *cells))
    return Table(title, columns, rows, "Mean of all clips; ± is the deviation of this mean over seeds.")


def format_mean(scores: Scores, digits: int) -> str:
    """Return the mean, with the deviation over seeds of the mean over clips."""
    means = scores.mean(1)
    spread = f" ± {means.std(ddof=1):.{digits}f}" if len(means) > 1 else ""
    return f"{means.mean():.{digits}f}{spread}"


def compare_all(results: Results, orders: Sequence[Order]) -> dict[tuple[str, str, str], Difference]:
    """Compare networks by each measure, over all clips. Keys: worse, better, measure."""
    return {
        (worse, better, measure): compare(
            together(results[worse][measure]), together(results[better][measure]), rising=RISING[measure]
        )
        for worse, better in orders
        for measure in RISING
    }


def order_table(title: str, results: Results, orders: Sequence[Order]) -> Table:
    """Return a row for each order and measure: difference, interval, whether it holds beyond chance."""
    rows = []
    for (worse, better, measure), difference in compare_all(results, orders).items():
        digits = DIGITS[measure]
        interval = f"{difference.low:+.{digits}f} to {difference.high:+.{digits}f}"
        row = (UNITS[measure], f"{difference.mean:+.{digits}f}", interval, difference.verdict)
        rows.append((f"{worse} < {better}", *row))
    kinds = [row[-1] for row in rows]
    note = (
        f"{kinds.count('holds')} of {len(kinds)} hold beyond chance; of {kinds.count('the opposite holds')} the "
        "opposite does. Positive: the second network is better. Interval: 95 %, over seeds and clips "
        "(trainer/table2/orders.py)."
    )
    return Table(title, ("order", "measure", "difference", "interval", "beyond chance"), rows, note)


def factor_table(seeds: Sequence[tuple[Mapping[str, Sequence[FactorScore]], Mapping[str, float]]]) -> Table:
    """Return a row for each episode and each outcome: the best factor, the suggested one, and what it costs.

    Args:
        seeds: of each one, the scores of the factors of each episode, and the suggested factors.
    """
    rows = []
    for episode in seeds[0][0]:
        for scores, suggested in seeds:
            best, factor = find_best(scores[episode]), suggested[episode]
            chosen = next(each for each in scores[episode] if each.factor == factor)
            cost = (f"{best.psnr - chosen.psnr:.2f}", f"{chosen.lpips - best.lpips:.4f}")
            rows.append((episode, f"{best.factor:.1f}", f"{factor:.1f}", *cost))
    columns = ("episode", "best factor", "suggested", "cost, dB", "cost, LPIPS")
    note = "Pseudo-HQ of the episode against its hidden HQ, R, G, B. A negative cost: the other measure decided."
    return Table("Factors", columns, list(dict.fromkeys(rows)), note)
