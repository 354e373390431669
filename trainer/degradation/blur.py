"""Gaussian blur: round, or elongated at any angle (facts 2.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

RADIUS = 10
"""Of every kernel: 21x21, as in the release."""
REACH = 4
"""Beyond so many sigmas lies less than a ten thousandth of a Gaussian, a 60th of a grey level: it is left out."""


def kernel(sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """A normalised Gaussian on the integer grid, float32 (21, 21).

    Args:
        sigma_x, sigma_y: standard deviations along its axes, in pixels, above 0.
        angle: of its first axis against the rows, in radians.
    """
    place = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    y, x = torch.meshgrid(place, place, indexing="ij")
    cosine, sine = torch.tensor(angle, dtype=torch.float64).cos(), torch.tensor(angle, dtype=torch.float64).sin()
    along, across = cosine * x + sine * y, cosine * y - sine * x
    weights = torch.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    return (weights / weights.sum()).float()


def blurred(clip: Tensor, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """A clip convolved with such a kernel; beyond its edges it is mirrored, the edge itself not repeated.

    Args:
        clip: float32 (frames, 3, height, width), each side above 10.
    """
    frames, colours, height, width = clip.shape
    cosine, sine = math.cos(angle), math.sin(angle)
    right, down = (
        min(RADIUS, math.ceil(REACH * sigma))
        for sigma in (math.hypot(sigma_x * cosine, sigma_y * sine), math.hypot(sigma_x * sine, sigma_y * cosine))
    )
    core = slice(RADIUS - down, RADIUS + down + 1), slice(RADIUS - right, RADIUS + right + 1)
    weights = kernel(sigma_x, sigma_y, angle)[core]
    planes = functional.pad(clip.reshape(1, -1, height, width), (right, right, down, down), mode="reflect")
    # A round one is an outer product: 42 multiplications for each pixel, not 441.
    parts = [weights.sum(1)[:, None], weights.sum(0)[None]] if sigma_x == sigma_y else [weights]
    for part in parts:
        each = part.expand(planes.shape[1], 1, *part.shape).contiguous()
        planes = functional.conv2d(planes, each, groups=planes.shape[1])
    return planes.reshape(frames, colours, height, width)
