"""Suggests a factor: a small one for waves beside edges, and x1 for everything else.

v2 repairs noise, blocks and blur without rescaling: what was drawn is preserved best at x1. It does not repair
waves beside edges, the ringing of analogue circuits, and draws them as lines. Those lines disappear when LQ is scaled
down, and they fade more than the edges beside them; drawn detail fades about as much as edges. docs/reports/factors.md
has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ..data.uint8 import UINT8_MAX
from ..degradation.blur import blur
from .factor import Suggestion, to_luma
from .rescaling import FACTORS
from .scenes import Scene, open_picture

PLAIN, UNSURE, FOR_WAVES = 1.0, 0.8, 0.6
"""Factors for pictures without waves, for those that may have some, and for those that have."""
WAVES = math.log(1.9)
"""Fading beside edges, relative to that of edges, from which there are waves: mean of the upper half of the scenes."""
SURE, UNCERTAIN = 0.9, 0.7
"""Shares of the resamples of the scenes that agree, for high and for medium confidence."""
RESAMPLES = 1000

BARE_FACTOR = 0.5
"""Factor whose pseudo-HQ has no waves, and tells where edges are."""
MEASURED = BARE_FACTOR, PLAIN, FOR_WAVES
EDGE, STRONG_EDGE = 12 / UINT8_MAX, 20 / UINT8_MAX
"""Slopes of luma per pixel of pseudo-HQ, after a blur of one pixel."""
LINE, REACH = 7, 19
"""Sides in pixels of pseudo-HQ of the squares around an edge: what is its own, and what lies beside it."""
FLOOR = 0.5 / UINT8_MAX
"""Contrast that cannot be seen. It keeps the fading of empty areas finite."""
MIN_AREA = 100
"""Smallest number of pixels whose contrast is measured."""


def suggest_factor(scenes: Sequence[Scene]) -> Suggestion:
    """Suggest a factor for an episode by some of its scenes."""
    waves = [each for scene in scenes if (each := measure_waves(_open(scene.pseudo_hq))) is not None]
    return decide(_share_of_waves(np.array(waves)))


def _share_of_waves(waves: NDArray[np.float64]) -> float:
    """Return the share of resamples of the scenes that have waves. A single scene tells nothing.

    The upper half of the scenes decides: an episode has waves everywhere, but drawn detail hides them in some scenes.
    """
    if len(waves) < 2:
        return 0.5
    draws = np.random.default_rng(0).integers(len(waves), size=(RESAMPLES, len(waves)))
    upper = np.sort(waves[draws], 1)[:, len(waves) // 2 :]
    return float(np.mean(upper.mean(1) >= WAVES))


def decide(waves: float) -> Suggestion:
    """Return the suggestion for a share of resamples that have waves."""
    agreed = max(waves, 1 - waves)
    likely, other = (FOR_WAVES, PLAIN) if waves >= 0.5 else (PLAIN, FOR_WAVES)
    if agreed < UNCERTAIN:
        return Suggestion(factor=UNSURE, confidence="low", runner_up=likely, about_as_good=(FOR_WAVES, PLAIN))
    if agreed < SURE:
        return Suggestion(factor=likely, confidence="medium", runner_up=other, about_as_good=(FOR_WAVES, PLAIN))
    beside = FACTORS[FACTORS.index(likely) + (1 if likely == PLAIN else -1)]
    return Suggestion(factor=likely, confidence="high", runner_up=beside, about_as_good=(likely, likely))


def measure_waves(pseudo_hq: Mapping[float, Image.Image]) -> float | None:
    """Return how much more the surroundings of edges fade than edges do between x1 and x0.6: a difference of logs.

    It is None if there are no edges, or nothing beside them.
    """
    bare, large, small = (to_luma(pseudo_hq[factor]) for factor in MEASURED)
    slopes = _slopes(blur(bare, 1, 1, 0))
    lines = _around(slopes > EDGE, LINE)
    beside = _around(slopes > STRONG_EDGE, REACH) & ~lines
    if min(lines.sum(), beside.sum()) < MIN_AREA:
        return None
    detail = [picture - blur(picture, 2, 2, 0) for picture in (large, small)]
    fading = [math.log(_contrast(detail[0][area]) / _contrast(detail[1][area])) for area in (beside, lines)]
    return fading[0] - fading[1]


def _open(pseudo_hq: Mapping[float, Path]) -> dict[float, Image.Image]:
    return {factor: open_picture(pseudo_hq[factor]) for factor in MEASURED}


def _contrast(values: Tensor) -> float:
    return values.square().mean().sqrt().item() + FLOOR


def _slopes(luma: Tensor) -> Tensor:
    right, down = torch.gradient(luma, dim=(3, 2))
    return torch.hypot(right, down)


def _around(places: Tensor, side: int) -> Tensor:
    return functional.max_pool2d(places.float(), side, 1, side // 2) > 0
