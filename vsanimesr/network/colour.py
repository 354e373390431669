"""Whose colours an SR frame has, and the lowpass that gives it those of the source.

The networks shift colours: v2 turns a grey of 128 into 131.6. With `source`, the shift is measured and taken back:

    frame + upsample(lowpass(cur - mean(frame)))

`cur` is the LR frame as the network sees it, clamped to [0, 1]. `mean` is the mean of the 4x4 SR pixels of each LR
pixel, each clamped to [0, 1] too, as it will be shown. `upsample` is bilinear. The lowpass is a Gaussian, which keeps
noise and ringing of the source out. This is done twice: the second pass takes back what the first one has left, and
what was lost because pixels that it made brighter than white, or darker than black, are shown clamped. All of it is
computed in float32. The recurrent state is not touched, so the network goes on as if nothing was added.

Pixels beyond the edge have no weight in the lowpass, so edges get no darker. The edge is that of the frame as it is
padded for the network: a tile at the edge of a frame is padded too, and then has the same edge (see `tiles`).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

type Colour = Literal["source", "network"]

PASSES = 2
"""How often the shift is measured and taken back."""

SIGMA = 2.0
"""Standard deviation of the lowpass, in LR pixels (docs/reports/colours.md)."""

RADIUS = math.ceil(2 * SIGMA)
"""LR pixels after which the lowpass is cut off. Wider changes nothing that can be measured, but tiles would have to
overlap more."""

GAUSSIAN = np.exp(-((np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2) / 2).astype(np.float32)
"""Weights of the lowpass along one axis, of any sum."""

REACH = PASSES * (RADIUS + 1)
"""LR pixels that a correction reaches: in each pass those of the lowpass, and one of `upsample` behind it."""
