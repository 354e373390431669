"""What a network is given, what it makes of it and what it should, side by side: what a run has learned, to look at."""

from __future__ import annotations

import torch
from PIL import Image
from torch import nn

from .degradation.levels import LEVELS
from .pictures import image_of, squares
from .sample import Sample


@torch.no_grad()
def strip_of(network: nn.Module, sample: Sample) -> Image.Image:
    """The last frame of a sample, three times; of the smaller ones each pixel is a square.

    Args:
        network: runs on clips, (batch, frames, 3, height, width).
    """
    device = next(network.parameters()).device
    made = network(sample.given[None].to(device))[0, -1].cpu()
    pictures = (sample.given[-1], made, sample.target[-1].float() / LEVELS)
    tallest = max(picture.shape[-2] for picture in pictures)
    return image_of(torch.cat([squares(picture, tallest // picture.shape[-2]) for picture in pictures], -1))
