"""Downscaling by whole factors, without a filter against aliasing (docs/paper-and-release.md, 2.2)."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

MODES = ("area", "bilinear", "bicubic")

_BLOCK_WEIGHTS = {
    ("area", 2): (1 / 2, 1 / 2),
    ("bilinear", 2): (1 / 2, 1 / 2),
    ("area", 4): (1 / 4, 1 / 4, 1 / 4, 1 / 4),
    ("bilinear", 4): (0, 1 / 2, 1 / 2, 0),
    ("bicubic", 4): (-3 / 32, 19 / 32, 19 / 32, -3 / 32),
}
"""Weights of the pixels in a block along one side, for modes that use no pixel outside the block."""


def downscale(clip: Tensor, factor: int, mode: str) -> Tensor:
    """Divide the sides of a clip by `factor`. Values are not clamped.

    Args:
        clip: float32 (frames, 3, height, width); the sides are multiples of `factor`.
        factor: 2 or 4.
        mode: one of `MODES`: the mean of each block, or an interpolation of two or four pixels per side (bicubic with
            a = -0.75). Pixel centres are aligned, not corners.
    """
    if (mode, factor) not in _BLOCK_WEIGHTS:  # bicubic by 2 uses pixels outside the block
        return functional.interpolate(clip, scale_factor=1 / factor, mode=mode, align_corners=False)
    frames, colours, height, width = clip.shape
    weights = _block_weights(mode, factor, clip.device)
    # Products with a vector, rows first: several times as fast as PyTorch's interpolation, which indexes every pixel.
    rows = weights @ clip.reshape(-1, factor, width)
    return (rows.view(-1, factor) @ weights).view(frames, colours, height // factor, width // factor)


@cache
def _block_weights(mode: str, factor: int, device: torch.device) -> Tensor:
    return torch.tensor(_BLOCK_WEIGHTS[mode, factor]).to(device)
