"""LR, SR and HQ of one frame side by side: what a run has learned, to look at."""

from __future__ import annotations

import torch
from PIL import Image

from vsanimesr.network import SCALE
from vsanimesr.torch_network import AnimeSR

from .dataset import Sample
from .degradation.draw import LEVELS
from .pictures import image_of, squares
from .recurrence import Recurrence


@torch.no_grad()
def strip_of(network: AnimeSR, sample: Sample) -> Image.Image:
    """The last frame of a sample: LR with its pixels as squares, SR, HQ."""
    device = next(network.parameters()).device
    sr = Recurrence(network)(sample.lr[None].to(device))[0, -1].cpu()
    return image_of(torch.cat([squares(sample.lr[-1], SCALE), sr, sample.hq[-1].float() / LEVELS], -1))
