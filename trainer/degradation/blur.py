"""Gaussian blur, isotropic or anisotropic (docs/paper-and-release.md, 2.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

KERNEL_RADIUS = 10
"""Radius of the kernel in pixels: 21x21, as in the release."""
KERNEL_REACH = 4
"""Radius in sigmas beyond which weights are left out. They sum to less than 1/10,000: 1/60 of a grey level."""


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """Return a normalised Gaussian on the integer grid, float32 (21, 21).

    Args:
        sigma_x, sigma_y: standard deviations along the axes of the Gaussian, in pixels, above 0.
        angle: angle between its first axis and the rows, in radians.
    """
    place = torch.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1, dtype=torch.float64)
    y, x = torch.meshgrid(place, place, indexing="ij")
    cosine, sine = torch.tensor(angle, dtype=torch.float64).cos(), torch.tensor(angle, dtype=torch.float64).sin()
    along, across = cosine * x + sine * y, cosine * y - sine * x
    weights = torch.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    return (weights / weights.sum()).float()


def blur(clip: Tensor, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """Convolve a clip with `gaussian_kernel`. Borders are mirrored, without repeating the edge pixel.

    Args:
        clip: float32 (frames, 3, height, width), each side above 10.
    """
    frames, colours, height, width = clip.shape
    cosine, sine = math.cos(angle), math.sin(angle)
    right, down = (
        min(KERNEL_RADIUS, math.ceil(KERNEL_REACH * sigma))
        for sigma in (math.hypot(sigma_x * cosine, sigma_y * sine), math.hypot(sigma_x * sine, sigma_y * cosine))
    )
    core = (
        slice(KERNEL_RADIUS - down, KERNEL_RADIUS + down + 1),
        slice(KERNEL_RADIUS - right, KERNEL_RADIUS + right + 1),
    )
    weights = gaussian_kernel(sigma_x, sigma_y, angle)[core]
    planes = functional.pad(clip.reshape(1, -1, height, width), (right, right, down, down), mode="reflect")
    # An isotropic kernel is an outer product: 42 multiplications per pixel instead of 441.
    parts = [weights.sum(1)[:, None], weights.sum(0)[None]] if sigma_x == sigma_y else [weights]
    for part in parts:
        each = part.expand(planes.shape[1], 1, *part.shape).contiguous()
        planes = functional.conv2d(planes, each, groups=planes.shape[1])
    return planes.reshape(frames, colours, height, width)
