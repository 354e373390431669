"""Faults of analogue tape, composite video and bad deinterlacing.

A clip is a float32 tensor (frames, 3, height, width), R, G, B in [0, 1]. Every fault returns a clip of the same shape,
or the clip itself if its strength is 0. No fault clamps values, uses random numbers or writes to its input.

Lengths are in pixels of a line of SD video, which has 720. Colours are those of BT.601, split into luma and the two
signals U and V that modulate the subcarrier. The last pixel of a line or column is repeated beyond the border.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .device import upload

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""Weight of each colour in luma."""
SCALE_U, SCALE_V = 0.492, 0.877
"""U = SCALE_U * (B - Y), V = SCALE_V * (R - Y)."""

SUBCARRIER = 35 / 132
"""Cycles of the NTSC subcarrier per pixel: 227.5 per line of 858 pixels, blanking included."""
ENCODER_SIGMA = 1.4
"""Sigma of the encoder's chroma filter, in pixels: a Gaussian with -3 dB at 1.3 MHz."""
DECODER_SIGMA = 3.0
"""Sigma of a notch decoder's filter around the subcarrier, in pixels: a Gaussian with -3 dB at 0.6 MHz."""

HALO_ABOVE_BELOW = 0.4
"""Strength of halos above and below an edge, relative to those at its sides. Analogue devices filter luma along the
line only; digital players also filter across lines."""
HALO_SOFTNESS = 0.4
"""Sigma of the blur of a halo's border, relative to the halo's width."""


def chroma_bleed(clip: Tensor, width: float, shift: float) -> Tensor:
    """Blur chroma along the line and shift it against luma, as tape does with its narrow chroma band.

    Luma does not change: outlines stay sharp, and the colours beside them are smeared and misplaced.

    Args:
        clip: (frames, 3, height, width).
        width: sigma of the horizontal blur of the chroma, in pixels: 1 for a good master to 6 for VHS.
        shift: shift of the chroma to the right, in pixels, negative for left: -1 to 4.
    """
    if width == 0 and shift == 0:
        return clip
    chroma = _rgb_to_chroma(clip)
    return _add_chroma(clip, chroma @ _blur_matrix(clip, -1, width, shift).T - chroma)


def dot_crawl(clip: Tensor, strength: float, phase: float, rainbow: float = 0.0, comb: float = 0.0) -> Tensor:
    """Add the errors of a composite decoder: dots (chroma decoded as luma) and rainbows (luma decoded as chroma).

    The phase of the subcarrier changes by half a cycle from line to line and from frame to frame. So the dots beside
    the edges of coloured shapes form a moving chequerboard, and rainbows flicker between complementary colours. There
    are no dots without chroma or inside a flat colour, and no rainbows where luma is constant along the line.

    A notch filter works along the line: it leaves dots at the sides of shapes, and rainbows on fine detail. A comb
    filter compares three lines: it leaves dots at the top and bottom of shapes, and rainbows on diagonal detail.

    Args:
        clip: (frames, 3, height, width).
        strength: share of the wrongly decoded chroma that stays in luma: 0.2 to 1. 1 is the filter alone.
        phase: phase of the subcarrier at the first pixel of the first frame, in radians: 0 to 2 pi.
        rainbow: share of the wrongly decoded luma that becomes chroma: 0.1 to 0.6.
        comb: 0 for a notch filter, 1 for a comb filter, or a mix.
    """
    if strength == 0 and rainbow == 0:
        return clip
    carrier = _subcarrier(clip, phase)
    notch = _blur_matrix(clip, -1, DECODER_SIGMA).T
    lines = _blur_matrix(clip, -2, 0, 0.5) @ _blur_matrix(clip, -2, 0, -0.5)  # weights 1/4, 1/2, 1/4
    result = clip
    if strength != 0:
        chroma = _rgb_to_chroma(clip) @ _blur_matrix(clip, -1, ENCODER_SIGMA).T
        leaked = chroma - torch.lerp(chroma @ notch, lines @ chroma, comb)
        result = result + strength * (leaked * carrier).sum(1, keepdim=True)
    if rainbow != 0:
        luma = rgb_to_luma(clip)
        # Without the low frequencies: beyond the border, the repeated pixel is not multiplied by the carrier.
        decoded = 2 * ((luma - luma @ notch) * carrier) @ notch
        result = _add_chroma(result, rainbow * torch.lerp(decoded, lines @ decoded, comb))
    return result


def halo(clip: Tensor, strength: float, radius: float) -> Tensor:
    """Add bright and dark lines beside edges: the edge enhancement of masters and players.

    Like the delay lines of those devices, it subtracts from the luma of a pixel the luma of two others, `radius` before
    and after. So the lines have a clear width and are not a glow. Lines above and below edges are weaker.

    Args:
        clip: (frames, 3, height, width).
        strength: overshoot of a vertical edge on either side, relative to its height: 0.05 to 0.4.
        radius: width of the lines, in pixels: 1 to 4.
    """
    if strength == 0 or radius == 0:
        return clip
    luma = rgb_to_luma(clip)
    across, down = (
        _blur_matrix(clip, axis, HALO_SOFTNESS * radius, radius)
        + _blur_matrix(clip, axis, HALO_SOFTNESS * radius, -radius)
        for axis in (-1, -2)
    )
    return clip + strength * (2 * luma - luma @ across.T + HALO_ABOVE_BELOW * (2 * luma - down @ luma))


def interlace_residue(clip: Tensor, strength: float, parity: int) -> Tensor:
    """Mix the next frame into every other line: the combing that a bad deinterlacer leaves.

    Parts without motion do not change at all, nor does the last frame.

    Args:
        clip: (frames, 3, height, width).
        strength: share of the next frame in these lines: 0.1 for a faint ghost to 1 for whole fields.
        parity: 0 to change even lines, starting with the first; 1 to change odd lines.
    """
    if strength == 0:
        return clip
    result = clip.clone()
    current, following = clip[:-1, :, parity::2], clip[1:, :, parity::2]
    result[:-1, :, parity::2] += strength * (following - current)
    return result


def rgb_to_luma(clip: Tensor) -> Tensor:
    """Return the luma of a clip, (frames, 1, height, width)."""
    red, green, blue = clip.chunk(3, 1)
    return RED * red + GREEN * green + BLUE * blue


def _rgb_to_chroma(clip: Tensor) -> Tensor:
    """Return U and V of a clip, (frames, 2, height, width)."""
    luma = rgb_to_luma(clip)
    return torch.cat((SCALE_U * (clip[:, 2:] - luma), SCALE_V * (clip[:, :1] - luma)), 1)


def _add_chroma(clip: Tensor, change: Tensor) -> Tensor:
    """Add `change` to U and V of a clip and keep its luma."""
    u, v = change.chunk(2, 1)
    red, blue = v / SCALE_V, u / SCALE_U
    green = -(RED * red + BLUE * blue) / GREEN
    return clip + torch.cat((red, green, blue), 1)


def _subcarrier(clip: Tensor, phase: float) -> Tensor:
    """Return the carriers of U and V, (frames, 2, height, width)."""
    frames, _, height, width = clip.shape
    angle = 2 * math.pi * SUBCARRIER * torch.arange(width, dtype=clip.dtype, device=clip.device) + phase
    waves = torch.stack((angle.sin(), angle.cos()))[:, None]
    lines = torch.arange(frames, device=clip.device)[:, None] + torch.arange(height, device=clip.device)
    return (1 - 2 * (lines % 2))[:, None, :, None] * waves


def _blur_matrix(clip: Tensor, axis: int, sigma: float, shift: float = 0.0) -> Tensor:
    """Return a matrix that blurs an axis by a Gaussian and shifts the result by `shift` with linear interpolation.

    A matrix needs no special case for borders or sizes, and is fast since crops are small.
    """
    size = clip.shape[axis]
    whole = math.floor(shift)
    reach = math.ceil(3 * sigma)
    taps = torch.arange(-reach, reach + 2)
    gaussian = torch.exp(-0.5 * (torch.stack((taps, taps - 1)) / max(sigma, 1e-6)) ** 2)
    gaussian[1, 0] = gaussian[0, -1] = 0  # both kernels get the same number of taps
    near, far = gaussian / gaussian.sum(1, keepdim=True)
    weights = near.lerp(far, shift - whole).expand(size, -1)
    sources = (torch.arange(size)[:, None] - whole - taps).clamp(0, size - 1)
    # On the CPU, since its order of additions is always the same.
    return upload(torch.zeros(size, size).scatter_add_(1, sources, weights).to(clip.dtype), clip.device)
