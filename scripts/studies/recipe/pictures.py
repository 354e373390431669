"""A plot of the scores, and a page of pictures to check them by eye."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image

from trainer.data.uint8 import UINT8_MAX, to_float
from trainer.previews import SIDE, Cell, Row, draw_page, enlarge_pixels, find_most_detailed
from trainer.table2.orders import Scores
from trainer.vsr.evaluation import upscale_bicubic
from trainer.vsr.recurrence import Recurrence
from vsanimesr.network.torch_network import AnimeSR

from .episodes import Data
from .hidden_faults import SCALE, HiddenFault
from .tables import RISING, Results, together

DPI = 110
FRAMES = 8
"""Frames that a network runs on; the page shows the last one."""
TITLES = {"psnr_y": "PSNR-Y, dB: higher is better", "lpips": "LPIPS: lower is better"}


def plot(results: Results, file: Path) -> None:
    """Plot the mean of each network for all clips: a dot for each seed, a line for their mean."""
    figure = Figure((11, 4), layout="constrained")
    for axes, measure in zip(figure.subplots(1, len(RISING)), RISING, strict=True):
        for place, own in enumerate(results.values()):
            means = seed_means(own[measure])
            axes.plot([place] * len(means), means, "o", color="#1b6ca8", alpha=0.6)
            axes.plot([place - 0.3, place + 0.3], [sum(means) / len(means)] * 2, color="#c2410c")
        axes.set_xticks(range(len(results)), list(results), rotation=30, ha="right")
        axes.set_title(TITLES[measure])
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=DPI)


def seed_means(scores: Mapping[str, Scores]) -> list[float]:
    """Return the mean over all clips of each seed."""
    return [float(each) for each in together(scores).mean(1)]


@torch.no_grad()
def draw_scenes(data: Data, faults: Mapping[str, HiddenFault], networks: Mapping[str, AnimeSR]) -> Image.Image:
    """Draw a row for each episode, of a held-out scene: source, bicubic, the networks, HQ."""
    return draw_page([_row(data, fault, networks) for fault in faults.values()])


def _row(data: Data, fault: HiddenFault, networks: Mapping[str, AnimeSR]) -> Row:
    clip, *_ = data.held_out(fault)
    hq = data.read_hq(clip)[:FRAMES]
    lq = to_float(data.degrade(fault, clip)[:FRAMES])
    last = hq[-1:].float() / UINT8_MAX
    top, left = find_most_detailed(last, SIDE)
    pictures = {f"{fault.name}, source": enlarge_pixels(lq[-1:], SCALE), "bicubic": upscale_bicubic(lq[-1:])}
    pictures |= {name: Recurrence(network)(lq[None])[0, -1:] for name, network in networks.items()}
    pictures["HQ"] = last
    return [
        Cell(label, each[0, :, top : top + SIDE, left : left + SIDE].clamp(0, 1)) for label, each in pictures.items()
    ]
