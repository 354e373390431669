"""Settings of the degradation of clips, and presets.

Source: section 3 and equation 2 of the paper; docs/paper-and-release.md, 2.2 and 2.3.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vsanimesr.network.shapes import SCALE

from ..settings import NonNegative, PositiveRange, Probability, Range, Settings, ShareRange, Shares


def _require_quality(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[1] > 100:
        raise ValueError("it ends above 100, the best quality; end there")
    return ends


type QualityRange = Annotated[Range, AfterValidator(_require_quality)]
"""A range of qualities of a picture, within 0 and 100."""
LboMode = Literal["after_down", "replace"]
LboChoice = Literal["clip", "iteration"]


class Blur(Settings):
    """Gaussian blur, the same for all frames of a clip."""

    isotropic: Probability = 0.7
    """Probability of an isotropic (round) kernel. Otherwise the kernel is anisotropic, at a random angle."""
    sigma: PositiveRange = (0.2, 4)
    """Standard deviation of an isotropic kernel, in pixels."""
    sigma_x: PositiveRange = (0.2, 4)
    """Standard deviation of an anisotropic kernel along its first axis, in pixels."""
    sigma_y: PositiveRange = (0.8, 3)
    """Standard deviation along its second axis. The release has this other range (docs/paper-and-release.md, 8.13)."""


class Noise(Settings):
    """Gaussian noise, added before downscaling and sampled for each frame."""

    sigma: Range = (0, 10)
    """Standard deviation in grey levels of 8 bits."""
    grey: Probability = 0.5
    """Probability of grey noise, which is the same in all three colours."""
    frozen_grey: bool = False
    """Use one pattern of grey noise for all frames of a clip, as the release's pipeline with LBOs does
    (docs/paper-and-release.md, 8.11)."""


class Modes(Shares):
    """Relative frequencies of the interpolation modes of downscaling."""

    area: NonNegative = 1
    """Frequency of the mean of each block."""
    bilinear: NonNegative = 1
    """Frequency of bilinear interpolation."""
    bicubic: NonNegative = 1
    """Frequency of bicubic interpolation."""


def _require_scale(factors: tuple[int, ...]) -> tuple[int, ...]:
    if prod(factors) != SCALE:
        raise ValueError(f"together they divide by {prod(factors)}, and must divide by {SCALE}")
    return factors


class Down(Settings):
    """Downscaling by 4, without a filter against aliasing."""

    factors: Annotated[tuple[Literal[2, 4], ...], Field(strict=False), AfterValidator(_require_scale)] = (2, 2)
    """Factors by which the stages divide the sides: [2,2] or [4]."""
    modes: Modes = Modes()
    lbo: Probability = 0
    """Probability that a stage uses a learnable basic operator, if there is a pool (`lbo_pool`)."""
    lbo_mode: LboMode = "after_down"
    """`after_down`: operators work after a stage, as in the paper. `replace`: they replace a stage, as in the release
    (docs/paper-and-release.md, 8.1)."""
    lbo_choice: LboChoice = "clip"
    """`clip`: one of the pool is sampled for each clip. `iteration`: one for all clips of a training step, as in the
    paper (docs/paper-and-release.md, 8.2)."""

    @model_validator(mode="after")
    def _require_halving(self) -> Self:
        if self.lbo and self.lbo_mode == "replace" and set(self.factors) != {2}:
            raise ValueError("an operator that replaces a stage divides by 2: set down.factors=[2,2]")
        return self


class Analogue(Settings):
    """Faults of tape, composite video and bad deinterlacing, applied to LR frames. The paper has none."""

    chroma_bleed: Probability = 0
    """Probability of chroma bleed: chroma that is blurred along the line and shifted to the right."""
    bleed_width: Range = (1, 5)
    """Standard deviation of the chroma's blur, in pixels."""
    bleed_shift: Range = (0, 3)
    """Shift of the chroma to the right, in pixels."""
    dot_crawl: Probability = 0
    """Probability of dot crawl and rainbows, the errors of a composite decoder."""
    dot_strength: Range = (0.2, 0.9)
    """Share of the wrongly decoded chroma that stays in luma as dots."""
    dot_rainbow: Range = (0, 0.5)
    """Share of the wrongly decoded luma that becomes rainbows."""
    dot_comb: ShareRange = (0, 1)
    """Kind of the decoder: 0 is a notch filter, 1 a comb filter."""
    halo: Probability = 0
    """Probability of halos: bright and dark lines beside edges."""
    halo_strength: Range = (0.05, 0.3)
    """Overshoot of a halo, relative to the height of its edge."""
    halo_radius: Range = (1, 2.5)
    """Width of a halo, in pixels."""
    interlace: Probability = 0
    """Probability of combing: every other line shows a share of the next frame."""
    interlace_strength: ShareRange = (0.1, 0.6)
    """Share of the next frame in these lines."""


class Codecs(Shares):
    """Relative frequencies of the codecs."""

    h264: NonNegative = 1
    """Frequency of H.264."""
    mpeg2: NonNegative = 0
    """Frequency of MPEG-2 as on DVDs."""
    mpeg4: NonNegative = 0
    """Frequency of MPEG-4 ASP as in DVD rips."""


class Profiles(Shares):
    """Relative frequencies of the profiles of H.264."""

    baseline: NonNegative = 0.1
    """Frequency of the baseline profile."""
    main: NonNegative = 0.2
    """Frequency of the main profile."""
    high: NonNegative = 0.7
    """Frequency of the high profile."""


class IntraCodecs(Shares):
    """Relative frequencies of the codecs of frames that are coded alone."""

    webp: NonNegative = 1
    """Frequency of WebP."""
    avif: NonNegative = 1
    """Frequency of AVIF."""
    h264: NonNegative = 1
    """Frequency of H.264, of one frame."""
    hevc: NonNegative = 1
    """Frequency of HEVC, of one frame."""


class Intra(Settings):
    """Coding of each frame alone, in place of the video codecs: the prediction-oriented compression of APISR. Its
    ranges are about as strong as that of codec.crf: 2 to 7 grey levels of luma on drawn clips."""

    probability: Probability = 0
    """Probability that the frames of a clip are coded alone: 0 never, 1 in place of the video codecs, else beside
    them."""
    names: IntraCodecs = IntraCodecs()
    webp: QualityRange = (10, 80)
    """Quality of WebP, 0 to 100. A lower one compresses more."""
    avif: QualityRange = (35, 70)
    """Quality of AVIF, 0 to 100."""
    h264: Range = (16, 30)
    """Constant rate factor of H.264. A higher one compresses more."""
    hevc: Range = (18, 34)
    """Constant rate factor of HEVC."""


class Codec(Settings):
    """Encoding and decoding of the LR clip."""

    names: Codecs = Codecs()
    crf: Range = (18, 35)
    """Constant rate factor of H.264. A higher one compresses more."""
    profiles: Profiles = Profiles()
    scale: PositiveRange = (2, 12)
    """Quantiser of MPEG-2 and MPEG-4 ASP. DVDs and their rips have 2 to 12."""
    intra: Intra = Intra()
    truncated: bool = False
    """Truncate values to 8 bits before encoding instead of rounding them (docs/paper-and-release.md, 8.19)."""
    swapped: bool = False
    """Exchange red and blue before encoding and again after decoding, a mistake of the release
    (docs/paper-and-release.md, 8.17)."""


class Degradation(Settings):
    """Degradation of HQ clips, in this order: blur, noise, downscaling, analogue faults, codec."""

    blur: Blur = Blur()
    noise: Noise = Noise()
    down: Down = Down()
    analogue: Analogue = Analogue()
    codec: Codec = Codec()


PRESETS = {
    "paper": Degradation(),
    "release": Degradation(
        down=Down(factors=(4,), modes=Modes(area=0.3, bilinear=0.3, bicubic=0.4), lbo_mode="replace"),
        codec=Codec(truncated=True),
    ),
    "dvd": Degradation(
        blur=Blur(sigma=(0.2, 2), sigma_x=(0.2, 2), sigma_y=(0.4, 1.5)),
        noise=Noise(sigma=(0, 4)),
        analogue=Analogue(chroma_bleed=0.4, bleed_width=(0.5, 2), bleed_shift=(0, 1), dot_crawl=0.1, halo=0.3),
        codec=Codec(names=Codecs(h264=0, mpeg2=1), scale=(2, 8)),
    ),
    "clean": Degradation(
        blur=Blur(isotropic=1, sigma=(0.2, 0.4)),
        noise=Noise(sigma=(0, 0)),
        codec=Codec(crf=(4, 14)),
    ),
}
"""`paper` is equation 2 of the paper. `release` is the first step of the release without its mistakes: two of them are
available as `codec.swapped=true` and `noise.frozen_grey=true`. `dvd` has the faults of a DVD of fair quality, `clean`
hardly any; the paper has neither."""

HALVING_MODES = PRESETS["paper"].down.modes
"""Modes of the downscaling that an operator follows. It learns from pairs that are halved in the same mix: at 1/2,
bilinear is the same as area, so two of three are."""

LBO_PRESETS = {
    "paper": Degradation(down=Down(lbo=1, lbo_choice="iteration")),
    "release": Degradation(down=Down(lbo=0.5, lbo_mode="replace", lbo_choice="iteration"), codec=Codec(truncated=True)),
}
"""Presets with learnable basic operators: after every stage of downscaling (`paper`), or in place of half of them
(`release`). All clips of a step have the same one. See docs/paper-and-release.md, 8.1 and 8.2."""
