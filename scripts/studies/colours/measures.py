"""How far colours are from those of the source and of HQ, and what a correction brings back with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vsanimesr.backends.base import SCALE

from ..psnr import compute_psnr
from .correction import Array, block_means
from .encoding import Clip

CODES = 255
REGION = 64
"""Side of a region in SR pixels."""
GOAL = 0.3
"""Shift that nobody sees, in code values."""
FLAT_REACH, FLAT_RANGE = 6, 3 / CODES
"""A pixel is flat if the pixels up to this distance differ by less than this in HQ."""


@dataclass(frozen=True)
class Shift:
    """Differences of means, in code values of 255."""

    channels: Array
    """Of each channel, over the whole clip."""
    regions: Array
    """Absolute, of each region of each channel and frame."""

    @classmethod
    def between(cls, clip: Clip, reference: Clip, scale: int = 1) -> Shift:
        """Compare an SR clip with a clip that is `scale` times as small."""
        found, expected = _regions(clip, REGION), _regions(reference, REGION // scale)
        means = clip.mean((0, 2, 3), np.float64) - reference.mean((0, 2, 3), np.float64)
        return cls(CODES * means, CODES * np.abs(found - expected))


@dataclass(frozen=True)
class Score:
    """Measures of one SR clip."""

    psnr: float
    """To HQ, in dB."""
    to_source: Shift
    to_hq: Shift
    noise: float
    """RMS of the error in flat places, without the shift of regions."""
    flicker: float
    """RMS of the change between frames, where HQ does not change."""


class Judge:
    """Measures SR clips of the same LQ and HQ.

    Args:
        clamped: whether SR clips are clamped first, as they are shown.
    """

    def __init__(self, lq: Clip, hq: Clip, *, clamped: bool = True) -> None:
        self._lq, self._hq, self._clamped = lq.clip(0, 1), hq, clamped
        self._flat = _flat(hq)
        self._still = np.abs(np.diff(hq, axis=0)).max(1) == 0

    def score(self, sr: Clip) -> Score:
        """Measure an SR clip."""
        if self._clamped:
            sr = sr.clip(0, 1)
        error = sr.astype(np.float64) - self._hq
        return Score(
            psnr=compute_psnr(sr, self._hq),
            to_source=Shift.between(sr, self._lq, SCALE),
            to_hq=Shift.between(sr, self._hq),
            noise=_rms(_without_means(error).transpose(0, 2, 3, 1)[self._flat]),
            flicker=_rms(np.diff(sr.astype(np.float64), axis=0).transpose(0, 2, 3, 1)[self._still]),
        )


def combine(scores: Sequence[Score]) -> list[str]:
    """Return the cells of a row: PSNR, shifts to the source, shifts to HQ, noise, flicker.

    Largest shifts are the largest of all clips. Everything else is a mean over clips.
    """
    psnr = np.mean([each.psnr for each in scores])
    noise, flicker = (np.nanmean([getattr(each, name) for each in scores]) for name in ("noise", "flicker"))
    shifts = [_combine([each.to_source for each in scores]), _combine([each.to_hq for each in scores])]
    return [f"{psnr:.2f}", *shifts[0], *shifts[1], f"{noise:.2f}", f"{flicker:.2f}"]


COLUMNS = (
    "PSNR",
    *("LQ: channel", "region", "below 0.3", "largest"),
    *("HQ: channel", "region", "below 0.3", "largest"),
    *("noise", "flicker"),
)


def _combine(shifts: Sequence[Shift]) -> list[str]:
    largest = max(np.abs(shift.channels).max() for shift in shifts)
    means = np.mean([shift.regions.mean() for shift in shifts])
    small = np.mean([np.mean(shift.regions < GOAL) for shift in shifts])
    highest = max(shift.regions.max() for shift in shifts)
    return [f"{largest:.2f}", f"{means:.2f}", f"{small:.0%}", f"{highest:.2f}"]


def _regions(clip: Clip | Array, size: int) -> Array:
    return np.stack([block_means(frame, size) for frame in clip])


def _without_means(error: Array) -> Array:
    """Subtract the mean of each region, so that noise is not a shift of colours."""
    _, _, height, width = error.shape
    means = _regions(error, REGION).repeat(REGION, 2).repeat(REGION, 3)
    pads = [(0, 0), (0, 0), (0, height - means.shape[2]), (0, width - means.shape[3])]
    return error - np.pad(means, pads, mode="edge")


def _flat(hq: Clip) -> NDArray[np.bool_]:
    """Return where HQ is flat, (frames, height, width)."""
    highest, lowest = (sign * _highest_nearby(sign * torch.from_numpy(hq)) for sign in (1, -1))
    return ((highest - lowest).amax(1) < FLAT_RANGE).numpy()


def _highest_nearby(clip: Tensor) -> Tensor:
    side = 2 * FLAT_REACH + 1
    across = functional.max_pool2d(clip, (1, side), 1, (0, FLAT_REACH))
    return functional.max_pool2d(across, (side, 1), 1, (FLAT_REACH, 0))


def _rms(values: Array) -> float:
    """Return the root mean square in code values; NaN of nothing."""
    return CODES * float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
