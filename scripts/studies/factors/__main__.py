"""Compare the suggested factor with the factors that are best by the true HQ, in about an hour on two cores.

Every episode is a few clips of `python -m scripts.studies.drawing` with known faults. Pseudo-HQ by v2 at each factor is
compared with the HQ, which the rule never sees. What was rendered and scored is kept. The parts:

    made-with    the episodes that the rule was made with
    held-out     others: look at them once, when the rule is finished
    other-shows  clips of python -m scripts.studies.drawing --hidden, whose shows no rule was made with

Each part writes a table, PART.md, and a plot, PART.png, into the folder, and prints the table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.benchmarks.table import Table
from trainer.lbo.factor import Suggestion
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.suggestion import suggest_factor
from trainer.losses.metrics import Lpips
from trainer.losses.vgg.lpips_vgg16 import read_lpips_vgg16

from ..commands import parse_arguments, report
from .episodes import EPISODES, Group, HiddenEpisode, write_episode
from .scores import Scores, render_scenes, score_scenes

PARTS: dict[str, Group] = {"made-with": "made with", "held-out": "held out", "other-shows": "of other shows"}
MAX_PSNR_COST, MAX_LPIPS_COST = 0.2, 0.005
"""What a suggestion may cost compared with the best factor, in dB and in LPIPS."""
FIXED = (1.0, 0.9, 0.8, 0.6)
"""Factors to compare the suggestion with, each used for all episodes."""
DPI = 110


@dataclass(frozen=True)
class Outcome:
    """What each factor costs in an episode, and which one is suggested."""

    episode: HiddenEpisode
    psnr_costs: NDArray[np.float64]
    lpips_costs: NDArray[np.float64]
    """(factors,): distance to the best factor, in dB and in LPIPS."""
    suggestion: Suggestion

    def cost(self, factor: float) -> tuple[float, float]:
        """Return what a factor costs, in dB and in LPIPS."""
        place = FACTORS.index(factor)
        return float(self.psnr_costs[place]), float(self.lpips_costs[place])

    @property
    def compromise(self) -> float:
        """The factor whose costs, each relative to what is allowed, have the lowest maximum."""
        relative = np.maximum(self.psnr_costs / MAX_PSNR_COST, self.lpips_costs / MAX_LPIPS_COST)
        return FACTORS[int(relative.argmin())]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments("factors", __doc__ or "", PARTS, "two episodes of each part", arguments)
    lpips = Lpips(read_lpips_vgg16())
    for part in options.part:
        episodes = [episode for episode in EPISODES if episode.group == PARTS[part]]
        outcomes = [
            measure(episode, options.clips, options.out, lpips) for episode in episodes[: 2 if options.quick else None]
        ]
        plot(outcomes).savefig(options.out / f"{part}.png", dpi=DPI)
        report([tabulate(outcomes, PARTS[part]), compare(outcomes)], options.out / f"{part}.md")
    return 0


def measure(episode: HiddenEpisode, clips: Path, out: Path, lpips: Lpips) -> Outcome:
    """Make an episode, score pseudo-HQ at all factors, and suggest one by the scenes alone."""
    write_episode(episode, clips, out)
    scenes = render_scenes(episode, out)
    return Outcome(episode, *_costs(score_scenes(episode, scenes, lpips, out)), suggest_factor(scenes))


def tabulate(outcomes: Sequence[Outcome], group: Group) -> Table:
    """Return a row for each episode."""
    rows = []
    for each in outcomes:
        suggestion = each.suggestion
        psnr_cost, lpips_cost = each.cost(suggestion.factor)
        both = psnr_cost <= MAX_PSNR_COST, lpips_cost <= MAX_LPIPS_COST
        least = each.cost(each.compromise)
        rows.append(
            (
                each.episode.name,
                *(f"{FACTORS[int(costs.argmin())]:.1f}" for costs in (each.psnr_costs, each.lpips_costs)),
                *(f"{suggestion.factor:.1f}", suggestion.confidence, f"{psnr_cost:.2f}", f"{lpips_cost:.4f}"),
                "yes" if all(both) else "PSNR" if both[0] else "LPIPS" if both[1] else "no",
                f"x{each.compromise:.1f}: {least[0]:.2f}, {least[1]:.4f}",
            )
        )
    columns = (
        *("episode", "best by PSNR", "best by LPIPS", "suggested", "confidence", "cost, dB", "cost, LPIPS"),
        *("within", "best compromise"),
    )
    note = (
        f"{len(outcomes)} episodes. Costs: distances to the best factor by each measure. Within: whether they are at "
        f"most {MAX_PSNR_COST} dB and {MAX_LPIPS_COST}. Best compromise: the factor with the lowest maximum of the two "
        "costs, each relative to these limits."
    )
    return Table(f"Episodes {group}", columns, rows, note)


def compare(outcomes: Sequence[Outcome]) -> Table:
    """Return mean and largest cost of the suggestions, of fixed factors, and of the best compromises."""
    choices: dict[str, list[float]] = {"suggested": [each.suggestion.factor for each in outcomes]}
    choices |= {f"always x{factor:g}": [factor] * len(outcomes) for factor in FIXED}
    choices["best compromise"] = [each.compromise for each in outcomes]
    rows = []
    for name, factors in choices.items():
        costs = np.array([each.cost(factor) for each, factor in zip(outcomes, factors, strict=True)])
        within = int((costs <= (MAX_PSNR_COST, MAX_LPIPS_COST)).all(1).sum())
        mean, most = costs.mean(0), costs.max(0)
        rows.append((name, f"{within}", f"{mean[0]:.2f}", f"{most[0]:.2f}", f"{mean[1]:.4f}", f"{most[1]:.4f}"))
    columns = ("factor", "episodes within both", "mean, dB", "most, dB", "mean, LPIPS", "most, LPIPS")
    return Table("What factors cost", columns, rows)


def plot(outcomes: Sequence[Outcome]) -> Figure:
    """Plot the costs over the factors, a column for each episode; the suggestion is marked."""
    figure = Figure((1.7 * len(outcomes), 4.4), layout="constrained")
    rows = figure.subplots(2, len(outcomes), sharex=True, sharey="row", squeeze=False)
    for column, each in enumerate(outcomes):
        lines = (each.psnr_costs, "cost, dB", MAX_PSNR_COST), (each.lpips_costs, "cost, LPIPS", MAX_LPIPS_COST)
        for axes, (costs, label, limit) in zip(rows[:, column], lines, strict=True):
            axes.plot(FACTORS, costs, marker=".", color="tab:blue")
            axes.axhspan(0, limit, color="tab:green", alpha=0.3)
            axes.axvline(each.suggestion.factor, color="tab:orange")
            axes.set_ylim(-3 * limit / 10, 12 * limit)
            axes.grid(alpha=0.3)
            if column == 0:
                axes.set_ylabel(label)
        rows[0, column].set_title(f"{each.episode.name}\n{each.suggestion.confidence}", fontsize=9)
        rows[1, column].set_xlabel("factor")
    rows[0, 0].invert_xaxis()
    return figure


def _costs(scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    psnr, lpips = np.array(scores.psnr).mean(1), np.full(len(FACTORS), np.inf)
    lpips[: len(scores.lpips)] = np.array(scores.lpips).mean(1)
    return psnr.max() - psnr, lpips - lpips.min()


if __name__ == "__main__":
    sys.exit(main())
