"""One clip under each operator, side by side: to see what the ranges mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vsanimesr.network import SCALE

from .cells import SIDE, Cell, Row, laid_out
from .clips import Clip
from .degradation.analogue import chroma_bleed, dot_crawl, halo, interlace_residue
from .degradation.blur import blurred
from .degradation.codec import coded, h264, quantised
from .degradation.draw import drawn
from .degradation.levels import LEVELS
from .degradation.noise import noisy
from .degradation.pipeline import degraded
from .degradation.scaling import MODES, scaled_down
from .degradation.settings import Analogue, Degradation
from .errors import ClipError

FRAMES = 7
"""That go through the codecs; the middle one is shown."""


def drawn_grid(clip: Clip, settings: Degradation, *, first: int, seed: int) -> Image.Image:
    """A picture of the clip under each operator, and under all of them.

    Args:
        first: number of the first of the frames that are used; `FRAMES` of them.
        seed: of noise and of what is drawn for the last rows.

    Raises:
        ClipError: the clip is too short, or too small.
        CodecError: a codec failed.
    """
    if not 0 <= first <= len(clip) - FRAMES:
        raise ClipError(f"clip {clip.name!r} has {len(clip)} frames, and {FRAMES} from {first} on are wanted")
    hq = _centre(clip, first)
    return laid_out([*_alone(hq, settings, seed), *_together(hq, settings, seed)])


def _alone(hq: Tensor, settings: Degradation, seed: int) -> Iterator[Row]:
    """A row for each operator: at the low end, the middle and the high end of its range."""
    picture = hq.float() / LEVELS
    small = scaled_down(picture, SCALE, "area")
    yield [Cell("HQ", _middle(picture))]
    yield [
        Cell(f"blur, sigma {sigma:.1f}", _middle(blurred(picture, sigma, sigma, 0)))
        for sigma in _three(settings.blur.sigma)
    ]
    yield [
        Cell(f"blur, {along:.1f} by {across:.1f}", _middle(blurred(picture, along, across, 0.6)))
        for along, across in zip(_three(settings.blur.sigma_x), _three(settings.blur.sigma_y), strict=True)
    ]
    for grey in (False, True):
        yield [
            Cell(f"{'grey' if grey else 'colour'} noise, {sigma:.0f}", _middle(_with_noise(picture, sigma, grey, seed)))
            for sigma in _three(settings.noise.sigma)
        ]
    yield [Cell(f"down, {mode}", _middle(scaled_down(picture, SCALE, mode))) for mode in MODES]
    yield from _faulty(small, settings.analogue)
    yield [
        Cell(f"H.264, crf {crf:.0f}", _middle(coded(small, "h264", h264(crf, "high"))))
        for crf in _three(settings.codec.crf)
    ]
    for name, label in (("mpeg2", "MPEG-2"), ("mpeg4", "MPEG-4 ASP")):
        yield [
            Cell(f"{label}, quantiser {round(scale)}", _middle(coded(small, name, quantised(scale))))
            for scale in _three(settings.codec.scale)
        ]


def _faulty(small: Tensor, settings: Analogue) -> Iterator[Row]:
    """A row for each analogue fault."""
    yield [
        Cell(f"chroma bleed, {width:.1f}, {shift:.1f} right", _middle(chroma_bleed(small, width, shift)))
        for width, shift in zip(_three(settings.bleed_width), _three(settings.bleed_shift), strict=True)
    ]
    yield [
        Cell(
            f"dot crawl {dots:.2f}, rainbow {rainbow:.2f}, comb {comb:.1f}",
            _middle(dot_crawl(small, dots, 1.0, rainbow, comb)),
        )
        for dots, rainbow, comb in zip(
            _three(settings.dot_strength), _three(settings.dot_rainbow), _three(settings.dot_comb), strict=True
        )
    ]
    yield [
        Cell(f"halo {strength:.2f}, {radius:.1f} wide", _middle(halo(small, strength, radius)))
        for strength, radius in zip(_three(settings.halo_strength), _three(settings.halo_radius), strict=True)
    ]
    yield [
        Cell(f"interlace residue {strength:.2f}", _middle(interlace_residue(small, strength, 0)))
        for strength in _three(settings.interlace_strength)
    ]


def _together(hq: Tensor, settings: Degradation, seed: int) -> Iterator[Row]:
    """Two rows of what training sees."""
    for row in range(2):
        cells = []
        for column in range(3):
            draw = drawn(settings, np.random.default_rng((seed, row, column)), len(hq))
            lr, _ = degraded(hq, settings, draw)
            cells.append(Cell(f"all, draw {3 * row + column + 1}", _middle(lr)))
        yield cells


def _centre(clip: Clip, first: int) -> Tensor:
    """uint8 (frames, 3, SIDE, SIDE) out of the middle."""
    pictures = clip.read(range(first, first + FRAMES))
    height, width, _ = pictures[0].shape
    if min(height, width) < SIDE:
        raise ClipError(
            f"clip {clip.name!r} has {width}x{height} pixels, and {SIDE}x{SIDE} are shown; name a larger one"
        )
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    crop = np.stack([picture[top : top + SIDE, left : left + SIDE] for picture in pictures])
    return torch.from_numpy(crop).permute(0, 3, 1, 2)


def _three(ends: tuple[float, float]) -> tuple[float, float, float]:
    return ends[0], sum(ends) / 2, ends[1]


def _middle(clip: Tensor) -> Tensor:
    return clip[len(clip) // 2]


def _with_noise(picture: Tensor, sigma: float, grey: bool, seed: int) -> Tensor:
    frames = len(picture)
    return noisy(picture, frames * [sigma / LEVELS], frames * [grey], range(seed, seed + frames))
