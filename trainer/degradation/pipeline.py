"""A clip goes through what was drawn for it: blur, noise, scaling down, faults, codec (the paper's equation 2)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import CodecError
from .analogue import chroma_bleed, dot_crawl, halo, interlace_residue
from .blur import blurred
from .codec import transcoded
from .draw import Draw, Encoding, Stage
from .levels import LEVELS, Pictures, clip_of, pictures_of
from .noise import noisy
from .scaling import scaled_down
from .settings import Codec, Degradation

_log = logging.getLogger(__name__)

TOGETHER = 5
"""Frames that are worked on at once while they are HQ: their 15 planes fill a vector, and stay in the cache."""
FAULTS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function for function in (chroma_bleed, dot_crawl, halo, interlace_residue)
}

type Operator = Callable[[Tensor], Tensor]
"""A learnable basic operator: with `after_down` it keeps the size, with `replace` it halves it."""


def degraded(clip: Tensor, settings: Degradation, draw: Draw, operators: Sequence[Operator] = ()) -> tuple[Tensor, int]:
    """The LR clip of an HQ clip.

    Args:
        clip: uint8 (frames, 3, height, width), R, G, B; sides are multiples of 8, above 10.
        settings: those that `draw` was drawn from.
        operators: those that `draw` chose from.

    Returns:
        float32 (frames, 3, height / 4, width / 4) in [0, 1], values of 8 bits; and how many encodings failed before one
        did not.

    Raises:
        CodecError: all of them failed. A clip that no codec has touched is never passed on.
    """
    parts = [slice(first, first + TOGETHER) for first in range(0, len(clip), TOGETHER)]
    picture = torch.cat([_lr(clip[part], settings.down.lbo_mode, draw, part, operators) for part in parts])
    for fault in draw.faults:
        picture = FAULTS[fault.name](picture, **fault.arguments)
    pictures, failures = _transcoded(
        pictures_of(picture, truncated=settings.codec.truncated), settings.codec, draw.encodings
    )
    return clip_of(pictures), failures


def _lr(
    clip: Tensor, mode: Literal["after_down", "replace"], draw: Draw, part: slice, operators: Sequence[Operator]
) -> Tensor:
    """Some frames of a clip, as far as each is for itself."""
    picture = blurred(clip.float().div_(LEVELS), draw.sigma_x, draw.sigma_y, draw.angle)
    picture = noisy(picture, draw.sigmas[part], draw.grey[part], draw.seeds[part])
    for stage in draw.stages:
        picture = _down(picture, stage, mode, operators)
    return picture


def _down(clip: Tensor, stage: Stage, mode: Literal["after_down", "replace"], operators: Sequence[Operator]) -> Tensor:
    learned = None if stage.lbo is None else operators[stage.lbo]
    if learned is not None and mode == "replace":
        return learned(clip)
    scaled = scaled_down(clip, stage.factor, stage.mode)
    return scaled if learned is None else learned(scaled)


def _transcoded(pictures: Pictures, settings: Codec, encodings: Sequence[Encoding]) -> tuple[Pictures, int]:
    order = slice(None, None, -1 if settings.swapped else 1)
    for failures, encoding in enumerate(encodings):
        try:
            given = np.ascontiguousarray(pictures[..., order])
            return np.ascontiguousarray(transcoded(given, encoding.name, encoding.options)[..., order]), failures
        except CodecError as error:
            _log.warning("%s; another encoding is tried", error)
    raise CodecError(f"a clip could not be encoded in any of {len(encodings)} ways, which the log tells; check PyAV")
