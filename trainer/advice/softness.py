"""Measures how soft HQ is beside the pseudo-HQ of an episode, and the zoom of HQ at which they are alike.

Operators learn from pseudo-HQ, which has twice the size of LQ, and degrade HQ, which has four times the size of LR. So
pseudo-HQ is compared with HQ at half its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.clips import Frame
from ..data.uint8 import UINT8_MAX
from ..data.zoom import zoom_crop
from ..degradation.learned.operator import LBO_SCALE
from ..degradation.scaling import downscale

LEAST_HEIGHT = 40
"""Grey levels of the smallest edge that counts."""
QUANTILE = 0.25
"""Share of the edges that are sharper than the width that stands for all. What is out of focus, or shaded, is soft in
sharp pictures too."""
LEAST_EDGES = 500
"""Edges without which a width means nothing."""
ZOOMS = tuple(2 ** (n / 3) for n in range(-3, 7))
"""Zooms that are tried, from a half to four."""
CROP = 384
"""Sides of the part of an HQ frame that is zoomed, in pixels."""
FITS = 1.4
"""HQ and pseudo-HQ fit each other up to this zoom, and down to its inverse. The measure is no more exact than that for
other pictures (docs/reports/advice.md)."""

type Luma = NDArray[np.float32]
_NONE = np.empty(0, np.float32)


@dataclass(frozen=True)
class Softness:
    """How soft HQ and pseudo-HQ are at the same scale."""

    hq: float
    """Width of the edges of HQ at half its size, in pixels."""
    pseudo_hq: float
    """Width of the edges of pseudo-HQ, in pixels."""
    zoom: float
    """Zoom at which HQ has edges of the width of pseudo-HQ."""

    def fits(self, zoom: float) -> bool:
        """Return whether HQ that is zoomed so is about as soft as pseudo-HQ."""
        return 1 / FITS <= self.zoom / zoom <= FITS


def compare(hq: Sequence[Frame], pseudo_hq: Sequence[Frame]) -> Softness | None:
    """Compare frames. None if they show too few edges."""
    target = edge_width(map(_luma, pseudo_hq))
    if target is None:
        return None
    widths = {zoom: edge_width(_as_trained(frame, zoom) for frame in hq) for zoom in ZOOMS}
    known = {zoom: width for zoom, width in widths.items() if width is not None}
    if 1.0 not in known:
        return None
    zooms = list(known)
    increasing = np.maximum.accumulate(list(known.values()))
    zoom = np.exp(np.interp(np.log(target), np.log(increasing), np.log(zooms)))
    return Softness(known[1.0], target, float(zoom))


def edge_width(pictures: Iterable[Luma]) -> float | None:
    """Return the width of the sharper edges of pictures, in pixels. None if there are too few edges.

    The width of an edge is its height over its steepest step, along rows and columns. A line has two edges.
    """
    widths = np.concatenate([_edge_widths(each) for luma in pictures for each in (luma, luma.T)] or [_NONE])
    return float(np.quantile(widths, QUANTILE)) if len(widths) >= LEAST_EDGES else None


def _edge_widths(luma: Luma) -> NDArray[np.float32]:
    """Return the widths of all edges along rows: stretches that only rise, or only fall."""
    steps = np.diff(luma, axis=1, append=np.float32(np.nan))  # the last step of a row belongs to no edge
    signs = np.where(np.isnan(steps), np.float32(2), np.sign(steps)).ravel()
    starts = np.flatnonzero(np.diff(signs, prepend=np.float32(3)))
    sizes: Luma = np.nan_to_num(np.abs(steps)).ravel()
    heights, steepest = np.add.reduceat(sizes, starts), np.maximum.reduceat(sizes, starts)
    is_edge = heights >= LEAST_HEIGHT
    return np.asarray(heights[is_edge] / steepest[is_edge], np.float32)


def _as_trained(frame: Frame, zoom: float) -> Luma:
    """Return the middle of an HQ frame, zoomed and halved as in training."""
    height, width, _ = frame.shape
    side = min(CROP, int(min(height, width) * min(zoom, 1))) // LBO_SCALE * LBO_SCALE
    top, left = ((length - side / zoom) / 2 for length in (height, width))
    zoomed = zoom_crop(frame, top, left, side, zoom)
    half = downscale(torch.from_numpy(zoomed.copy()).permute(2, 0, 1)[None].float() / UINT8_MAX, LBO_SCALE, "area")
    return _luma((half * UINT8_MAX)[0].permute(1, 2, 0).numpy())


def _luma(frame: Frame | Luma) -> Luma:
    luma: Luma = (frame @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float32)
    return luma
