"""Two hints for who chooses a factor: how sharp a picture's edges are, and how much there is where nothing should be.

Neither is a judge. Both are of luma; both look at pictures of one size, so that those of all factors compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ..degradation.levels import LEVELS

WINDOW = 9
"""Pixels on each side around one, whose range tells what lies there."""
EDGE, FLAT = 0.15, 0.08
"""A range above the one is an edge; below the other there is none."""
COARSE = 5
"""What is finer than a mean of so many pixels on each side, is texture."""


@dataclass(frozen=True)
class Measure:
    """Of pictures: the means over them."""

    sharpness: float
    """How much of an edge's height its steepest pixel takes, 0 to 1: the mean over all edges. Blur makes it less."""
    artefacts: float
    """In areas without edges, the deviation from their own smoothed selves, in grey levels of 8 bits."""


def measured(pictures: Sequence[Image.Image]) -> Measure:
    """Measure pictures."""
    found = [_measured(_luma(picture)) for picture in pictures]
    return Measure(*(float(np.mean(values)) for values in zip(*found, strict=True)))


def suggested(measures: dict[float, Measure]) -> float:
    """The factor where what sharpness is left outweighs what artefacts are left by most, each against its own highest.

    Args:
        measures: by factor.
    """
    sharpest = max(measure.sharpness for measure in measures.values()) or 1.0
    worst = max(measure.artefacts for measure in measures.values()) or 1.0
    return max(measures, key=lambda f: measures[f].sharpness / sharpest - measures[f].artefacts / worst)


def _measured(luma: Tensor) -> tuple[float, float]:
    ranges = _extreme(luma) + _extreme(-luma)
    right = functional.pad((luma[..., 1:] - luma[..., :-1]).abs(), (0, 1))
    down = functional.pad((luma[..., 1:, :] - luma[..., :-1, :]).abs(), (0, 0, 0, 1))
    steepest = _extreme(torch.maximum(right, down))
    edges, flat = ranges > EDGE, ranges < FLAT
    sharpness = (steepest / ranges.clamp(min=EDGE))[edges]
    smooth = functional.avg_pool2d(luma, COARSE, 1, COARSE // 2, count_include_pad=False)
    texture = (luma - smooth)[flat]
    return (
        sharpness.mean().item() if sharpness.numel() else 0.0,
        LEVELS * texture.square().mean().sqrt().item() if texture.numel() else 0.0,
    )


def _extreme(values: Tensor) -> Tensor:
    """The highest around each pixel."""
    return functional.max_pool2d(values, WINDOW, 1, WINDOW // 2)


def _luma(picture: Image.Image) -> Tensor:
    """float32 (1, 1, height, width) in [0, 1]."""
    return torch.from_numpy(np.array(picture.convert("L")))[None, None].float() / LEVELS
