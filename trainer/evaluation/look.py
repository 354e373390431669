"""Compares upscalers on an episode without HQ: measures that say what changed, not how good it is, and crops.

Nothing here says which one is better: an upscaler that invents detail is sharp, and one that erases it is calm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from vsanimesr.network.shapes import SCALE

from ..data.clips import Clip
from ..data.uint8 import UINT8_MAX, to_float
from ..errors import ClipError
from ..previews import INK, LABEL, MARGIN, PAPER, enlarge_pixels, find_most_detailed, to_image
from .upscaler import Upscaler, upscale_frames

LQ = "LQ"
"""The name of the episode among those of the upscalers."""
PLACES, LENGTH = 6, 6
"""Parts of an episode that are upscaled, and frames of each. The last frame of each is shown."""
CROP = 64
"""Side of a crop in pixels of LQ."""
FLAT, EDGE = 0.04, 0.2
"""A pixel of LQ is in a flat area if luma around it ranges less than the first, and near an edge above the second."""
AROUND = 7
"""Side of the square around a pixel, in pixels of LQ."""
SMOOTHING = 9
"""Side of the square, in pixels of SR, whose mean smooths flat areas."""
HELD = 2 / 255
"""A pixel of LQ is held if luma around it changes less than this, as a mean, from a frame to the next."""


@dataclass(frozen=True)
class Look:
    """Measures of an upscaler: means over all frames. None of them says how good frames look."""

    upscaler: str
    edge_steepness: float
    """Largest step between neighbouring pixels near edges of LQ, in grey levels."""
    flat_texture: float
    """Standard deviation from the smoothed frame where LQ is flat, in grey levels: noise, blocks, invented texture."""
    held_flicker: float
    """Mean change from a frame to the next where LQ hardly changes, in grey levels."""


def look(upscalers: Sequence[Upscaler], clip: Clip, device: torch.device) -> tuple[list[Look], Image.Image]:
    """Upscale parts of a clip. Return measures, and a page of crops.

    Raises:
        ClipError: the clip is too short, or cannot be read.
    """
    if len(clip) < 2:
        raise ClipError(f"clip {clip.name!r} has {len(clip)} frames, and 2 are the least; name a longer one")
    values: dict[str, list[tuple[float, float, float]]] = {each.name: [] for each in upscalers}
    rows: list[dict[str, Image.Image]] = []
    for part in _parts(clip):
        lq = part.to(device)
        top, left = find_most_detailed(part[-1:], min(CROP, *part.shape[-2:]))
        row = {LQ: to_image(enlarge_pixels(_crop(part[-1], top, left, 1), SCALE))}
        for each in upscalers:
            measures, last = _measure(lq, upscale_frames(each, lq))
            values[each.name].append(measures)
            row[each.name] = to_image(_crop(last, top, left, SCALE))
        rows.append(row)
    looks = [Look(name, *(_mean_known(each) for each in zip(*found, strict=True))) for name, found in values.items()]
    return looks, _draw(rows)


def _parts(clip: Clip) -> Iterator[Tensor]:
    """Yield parts of a clip, evenly over it: float32 (frames, 3, height, width) in [0, 1]."""
    length = min(LENGTH, len(clip))
    for start in np.unique(np.linspace(0, len(clip) - length, PLACES).astype(int)).tolist():
        yield to_float(np.stack(clip.read(range(start, start + length))))


@torch.inference_mode()
def _measure(lq: Tensor, frames: Iterator[Tensor]) -> tuple[tuple[float, float, float], Tensor]:
    """Return the measures of a part, and its last frame."""
    luma = lq.mean(1, keepdim=True)
    steepness, texture, flicker = [], [], []
    before: Tensor | None = None
    last = lq[-1]
    for n, frame in enumerate(frames):
        last = frame[0].clamp(0, 1)
        now = last.mean(0)[None, None]
        ranges = _local_max(luma[n : n + 1]) + _local_max(-luma[n : n + 1])
        steps = torch.maximum(now.diff(dim=-1)[..., 1:, :].abs(), now.diff(dim=-2)[..., 1:].abs())
        strongest = functional.max_pool2d(steps, 2 * SCALE + 1, 1, SCALE)
        steepness.append(_mean(strongest, enlarge_pixels(ranges > EDGE, SCALE)[..., 1:, 1:]))
        smooth = functional.avg_pool2d(now, SMOOTHING, 1, SMOOTHING // 2, count_include_pad=False)
        texture.append(_mean((now - smooth).square(), enlarge_pixels(ranges < FLAT, SCALE)) ** 0.5)
        if before is not None:
            still = held_pixels(luma[n - 1 : n], luma[n : n + 1])
            flicker.append(_mean((now - before).abs(), enlarge_pixels(still, SCALE)))
        before = now
    steep, flat, held = (UINT8_MAX * _mean_known(each) for each in (steepness, texture, flicker))
    return (steep, flat, held), last.cpu()


def held_pixels(before: Tensor, now: Tensor) -> Tensor:
    """Return where LQ hardly changes, bool (1, 1, height, width).

    Args:
        before, now: grey levels of neighbouring frames, float32 (1, 1, height, width) in [0, 1].
    """
    return functional.avg_pool2d((now - before).abs(), AROUND, 1, AROUND // 2) < HELD


def _mean_known(values: Sequence[float]) -> float:
    """Return the mean of the values that are known; NaN without any."""
    known = [value for value in values if not isnan(value)]
    return sum(known) / len(known) if known else nan


def _mean(values: Tensor, where: Tensor) -> float:
    return values[where].mean().item() if where.any() else float("nan")


def _local_max(values: Tensor) -> Tensor:
    return functional.max_pool2d(values, AROUND, 1, AROUND // 2)


def _crop(picture: Tensor, top: int, left: int, scale: int) -> Tensor:
    top, left, side = scale * top, scale * left, scale * CROP
    return picture[:, top : top + side, left : left + side]


def _draw(rows: Sequence[Mapping[str, Image.Image]]) -> Image.Image:
    """Draw crops: a row for each part, a column for each upscaler, with the name above."""
    width, height = (max(getattr(each, side) for row in rows for each in row.values()) for side in ("width", "height"))
    size = len(rows[0]) * (width + MARGIN) + MARGIN, LABEL + len(rows) * (height + MARGIN)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    for x, name in enumerate(rows[0]):
        draw.text((MARGIN + x * (width + MARGIN), 4), Path(name).name, INK, font_size=14)
        for y, row in enumerate(rows):
            page.paste(row[name], (MARGIN + x * (width + MARGIN), LABEL + y * (height + MARGIN)))
    return page
