"""LR, SR and HQ of one frame side by side: what a run has learned, to look at."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from vsanimesr.network import SCALE
from vsanimesr.torch_network import AnimeSR

from .dataset import Sample
from .degradation.draw import LEVELS
from .recurrence import Recurrence


@torch.no_grad()
def strip_of(network: AnimeSR, sample: Sample) -> Image.Image:
    """The last frame of a sample: LR with its pixels as squares, SR, HQ."""
    device = next(network.parameters()).device
    sr = Recurrence(network)(sample.lr[None].to(device))[0, -1].cpu()
    lr = sample.lr[-1].repeat_interleave(SCALE, -2).repeat_interleave(SCALE, -1)
    return _image(torch.cat([lr, sr, sample.hq[-1].float() / LEVELS], -1))


def _image(picture: Tensor) -> Image.Image:
    return Image.fromarray((LEVELS * picture.clamp(0, 1)).round().byte().permute(1, 2, 0).contiguous().numpy())
