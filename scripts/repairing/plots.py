"""Plots of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from matplotlib.figure import Figure

from trainer.evaluation import Score

from .factors import Factor

SHOWN: dict[str, Callable[[Factor], float]] = {
    "PSNR to HQ, dB": lambda each: each.psnr,
    "LPIPS to HQ": lambda each: each.lpips,
    "sharpness": lambda each: each.sharpness,
    "artefacts, grey levels": lambda each: each.artefacts,
}
DPI = 110


def save(figure: Figure, file: Path) -> None:
    """As PNG."""
    figure.savefig(file, dpi=DPI)


def factors_plot(found: Mapping[str, Sequence[Factor]]) -> Figure:
    """A plot for each measure over the factors, a line for each episode: as the paper's figure 5, in figures."""
    figure = Figure((13, 3.4), layout="constrained")
    for axes, (name, measure) in zip(figure.subplots(1, len(SHOWN)), SHOWN.items(), strict=True):
        for episode, factors in found.items():
            axes.plot([each.factor for each in factors], list(map(measure, factors)), marker="o", label=episode)
        axes.set(title=name, xlabel="factor of input rescaling")
        axes.invert_xaxis()
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure


def order_plot(means: Mapping[str, Mapping[str, Score]]) -> Figure:
    """PSNR-Y and LPIPS of each network, a line for each episode.

    Args:
        means: by episode, then by network.
    """
    figure = Figure((11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, title, measure in ((left, "PSNR-Y, dB", attrgetter("psnr_y")), (right, "LPIPS", attrgetter("lpips"))):
        for episode, scores in means.items():
            axes.plot(list(scores), list(map(measure, scores.values())), marker="o", label=episode)
        axes.set_title(title)
        axes.tick_params(axis="x", rotation=25)
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure
