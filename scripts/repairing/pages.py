"""Pages of pictures, to judge by eye what the tables say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.cells import SIDE, Cell, Row, laid_out
from trainer.clips import Clip
from trainer.degradation.levels import LEVELS, clip_of
from trainer.evaluation import enlarged
from trainer.lbo.operator import HALVING
from trainer.lbo.scenes import Scene, opened
from trainer.pictures import most_detailed, squares
from trainer.recurrence import Recurrence
from vsanimesr.torch_network import AnimeSR

from .episodes import hq_of
from .factors import hq_behind
from .hidden import HIDDEN, Hidden

PATCH = SIDE // 2
"""Of a scene, shown twice as large."""
FRAMES = 8
"""That a network sees; the last one is shown."""


def rescaled(episodes: Mapping[str, tuple[Scene, Sequence[Clip]]]) -> Image.Image:
    """A row for each episode: LQ, pseudo-HQ at each factor, HQ; as the paper's figure 5.

    Args:
        episodes: a scene of each, and the HQ clips behind it.
    """
    return laid_out([_rescaled(name, *shown) for name, shown in episodes.items()])


def _rescaled(name: str, scene: Scene, clips: Sequence[Clip]) -> Row:
    hq = hq_behind(scene, clips)
    top, left = most_detailed(hq, PATCH)
    files = {"LQ": scene.lq} | {f"x{factor:.1f}": file for factor, file in scene.pseudo_hq.items()}
    pictures = {label: clip_of(np.array(opened(file))[None]) for label, file in files.items()}
    pictures["LQ"] = squares(pictures["LQ"], HALVING)
    pictures["HQ"] = hq
    return [Cell(f"{name}, {label}", _patch(each, top, left, PATCH)) for label, each in pictures.items()]


@torch.no_grad()
def repaired(networks: Mapping[str, AnimeSR], clips: Sequence[Clip]) -> Image.Image:
    """A row for each hidden degradation of a clip of its own: LQ, what networks make of it, HQ."""
    return laid_out([_repaired(networks, hidden, clip) for hidden, clip in zip(HIDDEN, clips, strict=False)])


def _repaired(networks: Mapping[str, AnimeSR], hidden: Hidden, clip: Clip) -> Row:
    clean = hq_of(clip, range(FRAMES))
    lq, hq = clip_of(hidden.lq(clean)), clean[-1:].float() / LEVELS
    top, left = most_detailed(hq, SIDE)
    pictures = {f"{hidden.name}, bicubic": enlarged(lq[-1:])}
    pictures |= {network: Recurrence(own)(lq[None])[0, -1:] for network, own in networks.items()}
    pictures["HQ"] = hq
    return [Cell(label, _patch(each, top, left, SIDE)) for label, each in pictures.items()]


def _patch(picture: Tensor, top: int, left: int, side: int) -> Tensor:
    return picture[0, :, top : top + side, left : left + side].clamp(0, 1)
