"""Gaussian blur, isotropic or anisotropic (docs/paper-and-release.md, 2.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .device import upload

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
    passes = blur_passes(sigma_x, sigma_y, angle)
    down, right = (max(each.shape[axis] // 2 for each in passes) for axis in (0, 1))
    planes = functional.pad(clip.reshape(1, -1, height, width), (right, right, down, down), mode="reflect")
    for kernel in passes:
        each = kernel.expand(planes.shape[1], 1, *kernel.shape).contiguous()
        planes = functional.conv2d(planes, each, groups=planes.shape[1])
    return planes.reshape(frames, colours, height, width)


def blur_clips(clips: Tensor, passes: Sequence[Sequence[Tensor]]) -> Tensor:
    """Blur clips on their device, each by its own kernels.

    Args:
        clips: float32 (clips, frames, 3, height, width), each side above 10.
        passes: `blur_passes` for each clip, the same number for all.
    """
    height, width = clips.shape[-2:]
    planes = functional.pad(clips.reshape(1, -1, height, width), 4 * (KERNEL_RADIUS,), mode="reflect")
    for kernels in zip(*passes, strict=True):
        weights = upload(torch.stack([_widen(each) for each in kernels]), clips.device)
        weights = weights.repeat_interleave(planes.shape[1] // len(clips), 0)[:, None]
        planes = functional.conv2d(planes, weights, groups=planes.shape[1])
    return planes.reshape(clips.shape)


def _widen(kernel: Tensor) -> Tensor:
    """Return a kernel with zeros around it: 21 weights along each side that has more than one."""
    down, right = (KERNEL_RADIUS - side // 2 if side > 1 else 0 for side in kernel.shape)
    return functional.pad(kernel, (right, right, down, down))


def blur_passes(sigma_x: float, sigma_y: float, angle: float) -> list[Tensor]:
    """Return the kernels that together are `gaussian_kernel`, without what lies beyond `KERNEL_REACH`.

    An isotropic kernel is an outer product, a column and a row: 42 multiplications per pixel instead of 441.
    """
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
    return [weights.sum(1)[:, None], weights.sum(0)[None]] if sigma_x == sigma_y else [weights]
