"""Faults of analogue tape, composite video and bad field handling.

A clip is a float32 tensor (frames, 3, height, width), R, G, B in [0, 1]. Every fault returns one of the same shape,
or the clip itself where its parameters ask for nothing. None clamps, draws a random number or writes to its input.

Lengths are in pixels of a line of SD video, 720 for the whole picture. Colours are those of BT.601, taken apart into
luma and the two signals U and V that modulate the subcarrier. Beyond its borders a picture repeats its last pixel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RED, GREEN, BLUE = 0.299, 0.587, 0.114
"""What each colour adds to luma."""
SCALE_U, SCALE_V = 0.492, 0.877
"""U is this part of B - Y, V that of R - Y."""

SUBCARRIER = 35 / 132
"""Cycles of the NTSC subcarrier in a pixel: 227.5 in a line, which is 858 pixels with its blanking."""
ENCODER = 1.4
"""Sigma in pixels of a Gaussian that is 3 dB down at 1.3 MHz: what an encoder leaves of the chroma."""
DECODER = 3.0
"""The same at 0.6 MHz: what a notch decoder takes for chroma on either side of the subcarrier."""

UPRIGHT = 0.4
"""How strong halos above and below are, next to those at the sides: luma is filtered along the line only, until a
digital player joins in."""
SOFTNESS = 0.4
"""Sigma of a halo's border, as a part of its width."""


def chroma_bleed(clip: Tensor, width: float, shift: float) -> Tensor:
    """Colours that run out of their outlines: the narrow chroma band of tape and its delay against luma.

    Luma stays as it is, so an outline remains sharp while the colour beside it is smeared and off its place.

    Args:
        clip: (frames, 3, height, width).
        width: sigma of the horizontal blur of the chroma, in pixels: 1 for a good master to 6 for VHS.
        shift: how far the chroma lies to the right of the luma, in pixels, negative for left: -1 to 4.
    """
    if width == 0 and shift == 0:
        return clip
    chroma = _chroma(clip)
    return _add_chroma(clip, chroma @ _blur(clip, -1, width, shift).T - chroma)


def dot_crawl(clip: Tensor, strength: float, phase: float, rainbow: float = 0.0, comb: float = 0.0) -> Tensor:
    """What a composite decoder mistakes: chroma for luma, which makes dots, and luma for chroma, which makes rainbows.

    The subcarrier turns by half a cycle from line to line and from frame to frame, so the dots beside the edges of
    coloured shapes stand like a chequerboard and crawl, and rainbows flicker between complementary colours. There are
    no dots where there is no chroma, and none inside an even colour; there is no rainbow where luma is even along the
    line.

    A notch filter looks along the line: it leaves dots at the sides of shapes, and rainbows on whatever is fine. A comb
    filter compares three lines: its dots hang from the top and bottom of shapes, its rainbows are on slanted detail.

    Args:
        clip: (frames, 3, height, width).
        strength: the share of the mistaken chroma that is left in luma: 0.2 to 1, which is the bare filter.
        phase: of the subcarrier at the first pixel of the first frame, in radians: 0 to 2 pi.
        rainbow: the share of the mistaken luma that comes out as chroma: 0.1 to 0.6.
        comb: from 0 for a notch filter to 1 for a comb filter.
    """
    if strength == 0 and rainbow == 0:
        return clip
    carrier = _subcarrier(clip, phase)
    notch = _blur(clip, -1, DECODER).T
    lines = _blur(clip, -2, 0, 0.5) @ _blur(clip, -2, 0, -0.5)  # a quarter, a half, a quarter
    result = clip
    if strength != 0:
        chroma = _chroma(clip) @ _blur(clip, -1, ENCODER).T
        missed = chroma - torch.lerp(chroma @ notch, lines @ chroma, comb)
        result = result + strength * (missed * carrier).sum(1, keepdim=True)
    if rainbow != 0:
        luma = luma_of(clip)
        # Only what varies: a picture's last pixel, repeated, is no longer multiplied by a wave.
        taken = 2 * ((luma - luma @ notch) * carrier) @ notch
        result = _add_chroma(result, rainbow * torch.lerp(taken, lines @ taken, comb))
    return result


def halo(clip: Tensor, strength: float, radius: float) -> Tensor:
    """Bright and dark lines beside edges: the edge enhancement of masters and players.

    It is done as they did it, by a delay line: from the luma of a pixel that of two others is subtracted, `radius`
    before and after. So the lines have an end, and are not a glow. Those above and below edges are weaker.

    Args:
        clip: (frames, 3, height, width).
        strength: how far a vertical edge overshoots to either side, as a part of its height: 0.05 to 0.4.
        radius: how wide the lines are, in pixels: 1 to 4.
    """
    if strength == 0 or radius == 0:
        return clip
    luma = luma_of(clip)
    across, down = (
        _blur(clip, axis, SOFTNESS * radius, radius) + _blur(clip, axis, SOFTNESS * radius, -radius)
        for axis in (-1, -2)
    )
    return clip + strength * (2 * luma - luma @ across.T + UPRIGHT * (2 * luma - down @ luma))


def interlace_residue(clip: Tensor, strength: float, parity: int) -> Tensor:
    """Combing that a bad deinterlacer has left: every other line shows some of the next frame.

    What stands still is left exactly as it is, and so is the last frame.

    Args:
        clip: (frames, 3, height, width).
        strength: the share of the next frame in those lines: 0.1 for a faint ghost to 1 for whole fields.
        parity: 0 if the first line is one of them, 1 if the second is.
    """
    if strength == 0:
        return clip
    result = clip.clone()
    current, following = clip[:-1, :, parity::2], clip[1:, :, parity::2]
    result[:-1, :, parity::2] += strength * (following - current)
    return result


def luma_of(clip: Tensor) -> Tensor:
    """Y: (frames, 1, height, width)."""
    red, green, blue = clip.chunk(3, 1)
    return RED * red + GREEN * green + BLUE * blue


def _chroma(clip: Tensor) -> Tensor:
    """U and V: (frames, 2, height, width)."""
    luma = luma_of(clip)
    return torch.cat((SCALE_U * (clip[:, 2:] - luma), SCALE_V * (clip[:, :1] - luma)), 1)


def _add_chroma(clip: Tensor, change: Tensor) -> Tensor:
    """The clip with U and V changed by so much, and the same luma."""
    u, v = change.chunk(2, 1)
    red, blue = v / SCALE_V, u / SCALE_U
    green = -(RED * red + BLUE * blue) / GREEN
    return clip + torch.cat((red, green, blue), 1)


def _subcarrier(clip: Tensor, phase: float) -> Tensor:
    """What U and V are multiplied by: (frames, 2, height, width)."""
    frames, _, height, width = clip.shape
    angle = 2 * math.pi * SUBCARRIER * torch.arange(width, dtype=clip.dtype, device=clip.device) + phase
    waves = torch.stack((angle.sin(), angle.cos()))[:, None]
    lines = torch.arange(frames, device=clip.device)[:, None] + torch.arange(height, device=clip.device)
    return (1 - 2 * (lines % 2))[:, None, :, None] * waves


def _blur(clip: Tensor, axis: int, sigma: float, shift: float = 0.0) -> Tensor:
    """A matrix that blurs along an axis by a Gaussian and moves the result on by `shift`, as a linear interpolation.

    As a matrix, since the ends and any size are then nothing special, and patches are small enough for it to be fast.
    """
    size = clip.shape[axis]
    whole = math.floor(shift)
    reach = math.ceil(3 * sigma)
    taps = torch.arange(-reach, reach + 2)
    gaussian = torch.exp(-0.5 * (torch.stack((taps, taps - 1)) / max(sigma, 1e-6)) ** 2)
    gaussian[1, 0] = gaussian[0, -1] = 0  # both have the same number of taps
    near, far = gaussian / gaussian.sum(1, keepdim=True)
    weights = near.lerp(far, shift - whole).expand(size, -1)
    sources = (torch.arange(size)[:, None] - whole - taps).clamp(0, size - 1)
    # Added up on the CPU, where the order of additions is always the same.
    return torch.zeros(size, size).scatter_add_(1, sources, weights).to(clip)
