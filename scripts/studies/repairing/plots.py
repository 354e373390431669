"""Plots of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from matplotlib.figure import Figure

from trainer.vsr.evaluation import Score

from .factors import FactorScore

FACTOR_MEASURES = {
    "PSNR to HQ, dB": attrgetter("psnr"),
    "LPIPS to HQ": attrgetter("lpips"),
    "sharpness": attrgetter("sharpness"),
    "artefacts, grey levels": attrgetter("artefacts"),
}
SCORE_MEASURES = {"PSNR-Y, dB": attrgetter("psnr_y"), "LPIPS": attrgetter("lpips")}
DPI = 110


def save(figure: Figure, file: Path) -> None:
    """Write a figure as PNG."""
    figure.savefig(file, dpi=DPI)


def plot_factors(scores: Mapping[str, Sequence[FactorScore]]) -> Figure:
    """Plot each measure over the factors, a line for each episode: the paper's figure 5 in numbers."""
    figure = Figure((13, 3.4), layout="constrained")
    all_axes = figure.subplots(1, len(FACTOR_MEASURES))
    for axes, (name, measure) in zip(all_axes, FACTOR_MEASURES.items(), strict=True):
        for episode, own in scores.items():
            axes.plot([each.factor for each in own], list(map(measure, own)), marker="o", label=episode)
        axes.set(title=name, xlabel="factor of input rescaling")
        axes.invert_xaxis()
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure


def plot_table2(means: Mapping[str, Mapping[str, Score]]) -> Figure:
    """Plot PSNR-Y and LPIPS of each network, a line for each fault.

    Args:
        means: by fault, then by network.
    """
    figure = Figure((11, 4), layout="constrained")
    for axes, (title, measure) in zip(figure.subplots(1, 2), SCORE_MEASURES.items(), strict=True):
        for fault, scores in means.items():
            axes.plot(list(scores), list(map(measure, scores.values())), marker="o", label=fault)
        axes.set_title(title)
        axes.tick_params(axis="x", rotation=25)
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure
