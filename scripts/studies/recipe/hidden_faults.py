"""Faults of the hidden episodes. No other study has these kinds or strengths, and nothing was tuned by them.

composite  dots and rainbows of a cheap decoder, a little bleed, MPEG-2
grain      grain of film that changes in each frame, H.264 at a low rate
tape       soft luma, wide chroma bleed, noise along the lines, MPEG-4
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.uint8 import UINT8_MAX, Frames, to_uint8
from trainer.degradation.analogue import chroma_bleed, dot_crawl, rgb_to_luma
from trainer.degradation.blur import blur
from trainer.degradation.codec import h264_options, quantiser_options, transcode
from trainer.degradation.scaling import downscale

SCALE = 4

type Analogue = Callable[[Tensor, torch.Generator], Tensor]
"""Changes an LQ clip, float32 (frames, 3, height, width) in [0, 1]."""


@dataclass(frozen=True)
class HiddenFault:
    """A degradation from HQ to LQ: blur, scaling down, analogue faults, a codec."""

    name: str
    show: str
    """The hidden show of `scripts.studies.drawing` whose clips have the fault."""
    softness: float
    """Sigma of a blur in HQ pixels."""
    analogue: Analogue
    codec: str
    options: tuple[tuple[str, str], ...]

    def degrade(self, hq: Tensor, clip: str) -> Frames:
        """Degrade an HQ clip, uint8 (frames, 3, height, width), to LQ pictures of a quarter of its width and height.

        Args:
            clip: its name, which decides the noise.
        """
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.name} {clip}".encode()))
        small = downscale(blur(hq.float() / UINT8_MAX, self.softness, self.softness, 0), SCALE, "area")
        return transcode(to_uint8(self.analogue(small, generator)), self.codec, dict(self.options))


def composite(clip: Tensor, generator: torch.Generator) -> Tensor:
    """Chroma decoded as luma and luma decoded as chroma, as by a notch filter."""
    return dot_crawl(chroma_bleed(clip, 0.7, 0.3), strength=0.8, phase=2.1, rainbow=0.45, comb=0.15)


def grain(clip: Tensor, generator: torch.Generator) -> Tensor:
    """Clumps of grain, a pixel or two wide, most of it in the mid-tones."""
    noise = torch.randn(len(clip), 1, *clip.shape[2:], generator=generator)
    clumps = blur(noise, 0.6, 0.6, 0)
    mid_tones = 1 - (2 * rgb_to_luma(clip) - 1).square()
    return clip + 11 / UINT8_MAX * (0.35 + 0.65 * mid_tones) * clumps / clumps.std()


def tape(clip: Tensor, generator: torch.Generator) -> Tensor:
    """Luma and chroma of a narrow band, and noise in streaks along the lines."""
    soft = functional.pad(clip, (1, 1, 0, 0), mode="replicate")
    soft = 0.22 * soft[..., :-2] + 0.56 * soft[..., 1:-1] + 0.22 * soft[..., 2:]
    noise = torch.randn(len(clip), 3, *clip.shape[2:], generator=generator)
    streaks = functional.avg_pool2d(functional.pad(noise, (2, 2, 0, 0), mode="replicate"), (1, 5), 1)
    return chroma_bleed(soft, 2.2, 1.2) + 4 / UINT8_MAX * streaks / streaks.std()


FAULTS = (
    HiddenFault("composite", "island", 0.8, composite, "mpeg2", tuple(quantiser_options(5).items())),
    HiddenFault("grain", "line", 1.2, grain, "h264", tuple(h264_options(29, "main").items())),
    HiddenFault("tape", "garden", 1.6, tape, "mpeg4", tuple(quantiser_options(6).items())),
)
