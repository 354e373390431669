"""Zooms HQ frames, so that they are as soft as the material to repair."""

from __future__ import annotations

from math import ceil

import numpy as np
from PIL import Image

from .clips import Frame


def zoom_crop(frame: Frame, top: float, left: float, size: int, zoom: float) -> Frame:
    """Return the part of a frame from `top` and `left` on that fills size x size pixels when it is enlarged by `zoom`.

    Bicubic. A zoom below 1 makes it smaller, with a filter against aliasing.
    """
    margin = ceil(2 * max(1, 1 / zoom)) + 1  # what the filter reaches; the rest of the frame is not touched
    y, x = max(int(top) - margin, 0), max(int(left) - margin, 0)
    part = frame[y : ceil(top + size / zoom) + margin, x : ceil(left + size / zoom) + margin]
    box = left - x, top - y, left - x + size / zoom, top - y + size / zoom
    picture = Image.fromarray(np.ascontiguousarray(part))
    return np.asarray(picture.resize((size, size), Image.Resampling.BICUBIC, box=box), np.uint8)
