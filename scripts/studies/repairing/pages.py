"""Pages of pictures, to check the tables by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainer.data.clips import Clip
from trainer.data.uint8 import UINT8_MAX, to_float
from trainer.degradation.learned.operator import LBO_SCALE
from trainer.lbo.scenes import Scene, open_picture
from trainer.previews import SIDE, Cell, Row, draw_page, enlarge_pixels, find_most_detailed
from trainer.vsr.evaluation import upscale_bicubic
from trainer.vsr.recurrence import Recurrence
from vsanimesr.network.torch_network import AnimeSR

from .episodes import read_hq
from .factors import scene_hq
from .synthetic_faults import FAULTS, SyntheticFault

PATCH = SIDE // 2
"""Side of a scene's patch, which is shown at twice its size."""
FRAMES = 8
"""Frames that a network runs on; the page shows the last one."""


def draw_rescaling_page(episodes: Mapping[str, tuple[Scene, Sequence[Clip]]]) -> Image.Image:
    """Draw a row for each episode: LQ, pseudo-HQ at each factor, HQ; as in the paper's figure 5.

    Args:
        episodes: a scene and the HQ clips of each, by name.
    """
    return draw_page([_rescaling_row(name, *episode) for name, episode in episodes.items()])


def _rescaling_row(name: str, scene: Scene, clips: Sequence[Clip]) -> Row:
    hq = scene_hq(scene, clips)
    top, left = find_most_detailed(hq, PATCH)
    files = {"LQ": scene.lq} | {f"x{factor:.1f}": file for factor, file in scene.pseudo_hq.items()}
    pictures = {label: to_float(np.array(open_picture(file))[None]) for label, file in files.items()}
    pictures["LQ"] = enlarge_pixels(pictures["LQ"], LBO_SCALE)
    pictures["HQ"] = hq
    return [Cell(f"{name}, {label}", _crop(each, top, left, PATCH)) for label, each in pictures.items()]


@torch.no_grad()
def draw_repair_page(networks: Mapping[str, AnimeSR], clips: Sequence[Clip]) -> Image.Image:
    """Draw a row for each fault, each with another clip: bicubic, the output of each network, HQ."""
    return draw_page([_repair_row(networks, fault, clip) for fault, clip in zip(FAULTS, clips, strict=False)])


def _repair_row(networks: Mapping[str, AnimeSR], fault: SyntheticFault, clip: Clip) -> Row:
    clean = read_hq(clip, range(FRAMES))
    lq, hq = to_float(fault.degrade(clean)), clean[-1:].float() / UINT8_MAX
    top, left = find_most_detailed(hq, SIDE)
    pictures = {f"{fault.name}, bicubic": upscale_bicubic(lq[-1:])}
    pictures |= {name: Recurrence(network)(lq[None])[0, -1:] for name, network in networks.items()}
    pictures["HQ"] = hq
    return [Cell(label, _crop(each, top, left, SIDE)) for label, each in pictures.items()]


def _crop(picture: Tensor, top: int, left: int, side: int) -> Tensor:
    return picture[0, :, top : top + side, left : left + side].clamp(0, 1)
