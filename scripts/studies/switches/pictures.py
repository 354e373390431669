"""A page of pictures to check the networks by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from PIL import Image

from trainer.data.clips import Clip
from trainer.data.lines import sharpen_lines
from trainer.data.uint8 import UINT8_MAX
from trainer.previews import Cell, draw_page, find_most_detailed
from trainer.vsr.evaluation import upscale_bicubic
from vsanimesr.network.torch_network import AnimeSR

from ..fast.judge import upscale
from .scores import VIDEO, Limits, degrade_clip, read_hq

ROWS, CROP = 4, 128
"""Largest number of clips on the page, and side of what is shown of each, in pixels of HQ."""


@torch.no_grad()
def draw_clips(networks: Mapping[str, AnimeSR], clips: Sequence[Clip], limits: Limits) -> Image.Image:
    """Draw rows of clips, degraded as video: the last frame by bicubic and by the networks, HQ, sharpened HQ.

    What is shown is the square with the most lines.
    """
    rows = []
    known = list(enumerate(clips[: limits.clips]))
    for number, clip in known[:: -(-len(known) // ROWS)]:
        hq = read_hq(clip, limits)
        lr = degrade_clip(hq, VIDEO, number)
        pictures = {f"{clip.name}: bicubic": upscale_bicubic(lr[-1:])}
        pictures |= {name: upscale(network, lr)[-1:] for name, network in networks.items()}
        pictures |= {"HQ": hq[-1:].float() / UINT8_MAX, "HQ, sharpened": sharpen_lines(hq[-1:]).float() / UINT8_MAX}
        top, left = find_most_detailed(pictures["HQ, sharpened"] - pictures["HQ"], CROP)
        crop = (0, slice(None), slice(top, top + CROP), slice(left, left + CROP))
        rows.append([Cell(label, picture[crop].clamp(0, 1)) for label, picture in pictures.items()])
    return draw_page(rows)
