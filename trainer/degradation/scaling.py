"""Scaling down by whole factors, without a filter against aliasing (facts 2.2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

MODES = ("area", "bilinear", "bicubic")


def scaled_down(clip: Tensor, factor: int, mode: str) -> Tensor:
    """A clip with sides divided by `factor`, which divides them; not clamped.

    Args:
        clip: float32 (frames, 3, height, width).
        mode: one of `MODES`: the mean of each square; between the nearest two pixels; or of four, with a = -0.75. Pixel
            centres are aligned as images are, not corners.
    """
    if mode == "area":
        return functional.avg_pool2d(clip, factor)
    return functional.interpolate(clip, scale_factor=1 / factor, mode=mode, align_corners=False, antialias=False)
