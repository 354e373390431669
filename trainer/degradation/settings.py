"""What a clip may go through, and how strongly; two presets.

Source: the paper's section 3 and equation 2, facts 2.2 and 2.3.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from vsanimesr.network import SCALE

from ..settings import NonNegative, PositiveRange, Probability, Range, Settings, ShareRange, Shares


class Blur(Settings):
    """A Gaussian, the same for all frames of a clip."""

    isotropic: Probability = 0.7
    """How often it is round; else it is elongated, at any angle."""
    sigma: PositiveRange = (0.2, 4)
    """Of a round one, in pixels."""
    sigma_x: PositiveRange = (0.2, 4)
    sigma_y: PositiveRange = (0.8, 3)
    """Of an elongated one, along and across. The release draws them from different ranges (facts 8.13)."""


class Noise(Settings):
    """Gaussian noise, added before scaling down; drawn for each frame."""

    sigma: Range = (0, 10)
    """In grey levels of 8 bits."""
    grey: Probability = 0.5
    """How often the three colours get the same."""
    frozen_grey: bool = False
    """Grey noise has one pattern for all frames of a clip, as the release's pipeline with LBOs has it (facts 8.11)."""


class Modes(Shares):
    """Of scaling down."""

    area: NonNegative = 1
    bilinear: NonNegative = 1
    bicubic: NonNegative = 1


def _by_scale(factors: tuple[int, ...]) -> tuple[int, ...]:
    if prod(factors) != SCALE:
        raise ValueError(f"together they divide by {prod(factors)}, and have to divide by {SCALE}")
    return factors


class Down(Settings):
    """Scaling down by 4, without a filter against aliasing."""

    factors: Annotated[tuple[Literal[2, 4], ...], Field(strict=False), AfterValidator(_by_scale)] = (2, 2)
    """By what each stage divides the sides."""
    modes: Modes = Modes()
    lbo: Probability = 0
    """How often a stage has a learnable basic operator, where there are any."""
    lbo_mode: Literal["after_down", "replace"] = "after_down"
    """`after_down`: after a stage, as in the paper; `replace`: in its place, as in the release (facts 8.1)."""

    @model_validator(mode="after")
    def _halved(self) -> Self:
        if self.lbo and self.lbo_mode == "replace" and set(self.factors) != {2}:
            raise ValueError("an operator in the place of a stage divides by 2: set down.factors=[2,2]")
        return self


class Analogue(Settings):
    """Faults of tape, composite video and bad deinterlacing, on LR frames (see `analogue`); the paper has none."""

    chroma_bleed: Probability = 0
    """How often it comes; so the other three."""
    bleed_width: Range = (1, 5)
    bleed_shift: Range = (0, 3)
    dot_crawl: Probability = 0
    dot_strength: Range = (0.2, 0.9)
    dot_rainbow: Range = (0, 0.5)
    dot_comb: ShareRange = (0, 1)
    halo: Probability = 0
    halo_strength: Range = (0.05, 0.3)
    halo_radius: Range = (1, 2.5)
    interlace: Probability = 0
    interlace_strength: ShareRange = (0.1, 0.6)


class Codecs(Shares):
    """H.264; MPEG-2 as on a DVD; MPEG-4 ASP as in rips of them."""

    h264: NonNegative = 1
    mpeg2: NonNegative = 0
    mpeg4: NonNegative = 0


class Profiles(Shares):
    """Of H.264."""

    baseline: NonNegative = 0.1
    main: NonNegative = 0.2
    high: NonNegative = 0.7


class Codec(Settings):
    """Encoding and decoding."""

    names: Codecs = Codecs()
    crf: Range = (18, 35)
    """Of H.264."""
    profiles: Profiles = Profiles()
    scale: PositiveRange = (2, 12)
    """The quantiser of MPEG-2 and MPEG-4 ASP: DVDs and their rips have 2 to 12."""
    truncated: bool = False
    """Values are cut to 8 bits, not rounded, on their way into the codec (facts 8.19)."""
    swapped: bool = False
    """Red and blue change places before the codec and back after it: the release's mistake (facts 8.17)."""


class Degradation(Settings):
    """In the order in which it happens: blur, noise, scaling down, analogue faults, codec."""

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
}
"""`paper` is its equation 2; `release` is what its first step does, without its mistakes: `codec.swapped=true` and
`noise.frozen_grey=true` bring two of them back."""

LEARNED = {
    "paper": Degradation(down=Down(lbo=1)),
    "release": Degradation(down=Down(lbo=0.5, lbo_mode="replace"), codec=Codec(truncated=True)),
}
"""With learnable basic operators: after each scaling down, or in its place for half of them (facts 8.1)."""
