"""Converts between 8-bit frames and clips of float values in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UINT8_MAX = 255

type Frames = NDArray[np.uint8]
"""uint8 (frames, height, width, 3), R, G, B."""


def frame_luma(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return BT.601 luma in full range of frames, uint8 (..., height, width, 3), rounded down."""
    luma = frames @ np.array([77, 150, 29], np.uint16) >> 8
    return np.asarray(luma, np.uint8)


def to_float(frames: Frames) -> Tensor:
    """Return frames as a clip: float32 (frames, 3, height, width) in [0, 1]."""
    return torch.tensor(frames).permute(0, 3, 1, 2).float().div_(UINT8_MAX)  # a copy: frames may be read-only


def to_uint8(clip: Tensor, *, truncate: bool = False) -> Frames:
    """Return a clip as 8-bit frames. Values outside [0, 1] are clipped.

    Args:
        clip: float32 (frames, 3, height, width).
        truncate: round down to a grey level instead of to the nearest one.
    """
    frames: Frames = round_to_8_bits(clip, truncate=truncate).numpy()
    return frames


def round_to_8_bits(clips: Tensor, *, truncate: bool) -> Tensor:
    """Return clips as frames on the same device, uint8 (..., frames, height, width, 3). Otherwise like `to_uint8`.

    Args:
        clips: float32 (..., frames, 3, height, width).
        truncate: as for `to_uint8`.
    """
    levels = clips.movedim(-3, -1) * UINT8_MAX
    if not truncate:
        levels = levels.round_()
    return levels.clamp_(0, UINT8_MAX).to(torch.uint8).contiguous()


def quantize(clip: Tensor) -> Tensor:
    """Return a clip with its values rounded to 8-bit levels, in the same dtype."""
    return (UINT8_MAX * clip.clamp(0, 1)).round() / UINT8_MAX
