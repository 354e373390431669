"""A page of pictures that shows the ranges of the degradation: one clip under each operator, side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vsanimesr.network.shapes import SCALE

from ..data.clips import Clip
from ..data.uint8 import UINT8_MAX, to_float, to_uint8
from ..errors import ClipError
from ..previews import SIDE, Cell, Row, draw_page
from .analogue import chroma_bleed, dot_crawl, halo, interlace_residue
from .blur import blur
from .codec import encode_decode, h264_options, quantiser_options
from .intra import transcode_alone
from .noise import add_noise
from .pipeline import degrade
from .sampling import intra_encoding, sample_degradation
from .scaling import MODES, downscale
from .settings import Analogue, Degradation, Intra

FRAMES = 7
"""Number of frames that pass the codecs. The middle one is shown."""


def degradation_grid(clip: Clip, settings: Degradation, *, first: int, seed: int) -> Image.Image:
    """Show a clip under each operator, and under the whole pipeline.

    Args:
        first: number of the first of `FRAMES` frames.
        seed: seed of noise and of the samples in the last rows.

    Raises:
        ClipError: the clip is too short or too small.
        CodecError: a codec failed.
    """
    if not 0 <= first <= len(clip) - FRAMES:
        raise ClipError(
            f"clip {clip.name!r} has {len(clip)} frames, and {FRAMES} from frame {first} on are needed; choose an "
            "earlier frame or a longer clip"
        )
    hq = _centre_crop(clip, first)
    return draw_page([*_single_operator_rows(hq, settings, seed), *_pipeline_rows(hq, settings, seed)])


def _single_operator_rows(hq: Tensor, settings: Degradation, seed: int) -> Iterator[Row]:
    """Yield a row for each operator: the low end, the middle and the high end of its range."""
    clip = hq.float() / UINT8_MAX
    small = downscale(clip, SCALE, "area")
    yield [Cell("HQ", _middle_frame(clip))]
    yield [
        Cell(f"blur, sigma {sigma:.1f}", _middle_frame(blur(clip, sigma, sigma, 0)))
        for sigma in _low_mid_high(settings.blur.sigma)
    ]
    yield [
        Cell(f"blur, {along:.1f} by {across:.1f}", _middle_frame(blur(clip, along, across, 0.6)))
        for along, across in zip(
            _low_mid_high(settings.blur.sigma_x), _low_mid_high(settings.blur.sigma_y), strict=True
        )
    ]
    for grey in (False, True):
        yield [
            Cell(
                f"{'grey' if grey else 'colour'} noise, {sigma:.0f}", _middle_frame(_add_noise(clip, sigma, grey, seed))
            )
            for sigma in _low_mid_high(settings.noise.sigma)
        ]
    yield [Cell(f"down, {mode}", _middle_frame(downscale(clip, SCALE, mode))) for mode in MODES]
    yield from _analogue_rows(small, settings.analogue)
    yield [
        Cell(f"H.264, crf {crf:.0f}", _middle_frame(encode_decode(small, "h264", h264_options(crf, "high"))))
        for crf in _low_mid_high(settings.codec.crf)
    ]
    for name, label in (("mpeg2", "MPEG-2"), ("mpeg4", "MPEG-4 ASP")):
        yield [
            Cell(
                f"{label}, quantiser {round(scale)}",
                _middle_frame(encode_decode(small, name, quantiser_options(scale))),
            )
            for scale in _low_mid_high(settings.codec.scale)
        ]
    if settings.codec.intra.probability:
        yield from _intra_rows(small, settings.codec.intra)


def _intra_rows(small: Tensor, settings: Intra) -> Iterator[Row]:
    """Yield a row for each codec that codes frames alone, from its lowest to its highest value."""
    frame = to_uint8(small[len(small) // 2][None])
    for name, share in settings.names.shares.items():
        if share:
            encodings = [intra_encoding(settings, name, place) for place in (0, 0.5, 1)]
            yield [
                Cell(
                    f"{name} alone, {float(next(iter(each.options.values()))):g}",
                    to_float(transcode_alone(frame, name, each.options))[0],
                )
                for each in encodings
            ]


def _analogue_rows(small: Tensor, settings: Analogue) -> Iterator[Row]:
    """Yield a row for each analogue fault."""
    widths, shifts = _low_mid_high(settings.bleed_width), _low_mid_high(settings.bleed_shift)
    yield [
        Cell(f"chroma bleed, {width:.1f}, {shift:.1f} right", _middle_frame(chroma_bleed(small, width, shift)))
        for width, shift in zip(widths, shifts, strict=True)
    ]
    yield [
        Cell(
            f"dot crawl {dots:.2f}, rainbow {rainbow:.2f}, comb {comb:.1f}",
            _middle_frame(dot_crawl(small, dots, 1.0, rainbow, comb)),
        )
        for dots, rainbow, comb in zip(
            *map(_low_mid_high, (settings.dot_strength, settings.dot_rainbow, settings.dot_comb)), strict=True
        )
    ]
    strengths, radii = _low_mid_high(settings.halo_strength), _low_mid_high(settings.halo_radius)
    yield [
        Cell(f"halo {strength:.2f}, {radius:.1f} wide", _middle_frame(halo(small, strength, radius)))
        for strength, radius in zip(strengths, radii, strict=True)
    ]
    yield [
        Cell(f"interlace residue {strength:.2f}", _middle_frame(interlace_residue(small, strength, 0)))
        for strength in _low_mid_high(settings.interlace_strength)
    ]


def _pipeline_rows(hq: Tensor, settings: Degradation, seed: int) -> Iterator[Row]:
    """Yield two rows of training input."""
    for row in range(2):
        cells = []
        for column in range(3):
            sample = sample_degradation(settings, np.random.default_rng((seed, row, column)), len(hq))
            lr, _ = degrade(hq, settings, sample)
            cells.append(Cell(f"all, sample {3 * row + column + 1}", _middle_frame(lr)))
        yield cells


def _centre_crop(clip: Clip, first: int) -> Tensor:
    """Return the centres of `FRAMES` frames, uint8 (frames, 3, SIDE, SIDE)."""
    frames = clip.read(range(first, first + FRAMES))
    height, width, _ = frames[0].shape
    if min(height, width) < SIDE:
        raise ClipError(
            f"clip {clip.name!r} has {width}x{height} pixels, and {SIDE}x{SIDE} are shown; name a larger one"
        )
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    crop = np.stack([frame[top : top + SIDE, left : left + SIDE] for frame in frames])
    return torch.from_numpy(crop).permute(0, 3, 1, 2)


def _low_mid_high(ends: tuple[float, float]) -> tuple[float, float, float]:
    return ends[0], sum(ends) / 2, ends[1]


def _middle_frame(clip: Tensor) -> Tensor:
    return clip[len(clip) // 2]


def _add_noise(clip: Tensor, sigma: float, grey: bool, seed: int) -> Tensor:
    frames = len(clip)
    return add_noise(clip, frames * [sigma / UINT8_MAX], frames * [grey], range(seed, seed + frames))
