"""Random parameters for the degradation of a clip. They depend on the settings and a generator only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from ..data.uint8 import UINT8_MAX
from ..settings import Shares
from . import codec, intra
from .settings import Analogue, Codec, Degradation, Down, Intra, Modes

SEED_LIMIT = 2**63
"""Seeds of noise are below this."""
ATTEMPTS = 4
"""Number of encodings sampled for a clip."""


@dataclass(frozen=True)
class DownStage:
    """One stage of downscaling."""

    factor: int
    mode: str
    lbo: int | None
    """Index of the stage's learnable basic operator in the pool, or None."""


@dataclass(frozen=True)
class Fault:
    """An analogue fault: the name of its function and its arguments."""

    name: str
    arguments: Mapping[str, float]


@dataclass(frozen=True)
class Encoding:
    """A codec and the options of its encoder."""

    name: str
    options: Mapping[str, str]
    alone: bool = False
    """Whether each frame is coded alone."""


@dataclass(frozen=True)
class DegradationSample:
    """Parameters of the degradation of one clip."""

    sigma_x: float
    """Standard deviation of the blur along its first axis, in pixels."""
    sigma_y: float
    angle: float
    """Angle of the blur in radians."""
    noise_sigmas: tuple[float, ...]
    """Standard deviation of the noise of each frame, in units of [0, 1]."""
    noise_grey: tuple[bool, ...]
    noise_seeds: tuple[int, ...]
    stages: tuple[DownStage, ...]
    faults: tuple[Fault, ...]
    encodings: tuple[Encoding, ...]
    """The encoding to use, and replacements in case it fails."""


def sample_degradation(
    settings: Degradation, generator: Generator, frames: int, operators: int = 0
) -> DegradationSample:
    """Sample the degradation of a clip.

    Args:
        generator: source of random numbers. The number of values taken from it does not depend on their outcome.
        frames: number of frames of the clip.
        operators: size of the pool of learnable basic operators. A clip uses one of them.
    """
    blur, noise = settings.blur, settings.noise
    isotropic = generator.random() < blur.isotropic
    sigma, sigma_x, sigma_y = (generator.uniform(*ends) for ends in (blur.sigma, blur.sigma_x, blur.sigma_y))
    angle = generator.uniform(-math.pi, math.pi)
    noise_sigmas = generator.uniform(*noise.sigma, frames) / UINT8_MAX
    grey = tuple(bool(point < noise.grey) for point in generator.random(frames))
    frozen, *seeds = (int(seed) for seed in generator.integers(SEED_LIMIT, size=frames + 1))
    point = generator.random()
    operator = int(point * operators) if operators else None
    stages = tuple(_sample_stage(settings.down, factor, generator, operator) for factor in settings.down.factors)
    faults = _sample_faults(settings.analogue, generator)
    video = tuple(_sample_encoding(settings.codec, generator) for _ in range(ATTEMPTS))
    # After all others, which stay what they were before this was there.
    alone = generator.random() < settings.codec.intra.probability
    single = tuple(_sample_intra(settings.codec.intra, generator) for _ in range(ATTEMPTS))
    return DegradationSample(
        sigma_x=sigma if isotropic else sigma_x,
        sigma_y=sigma if isotropic else sigma_y,
        angle=0.0 if isotropic else angle,
        noise_sigmas=tuple(map(float, noise_sigmas)),
        noise_grey=grey,
        noise_seeds=tuple(
            frozen if noise.frozen_grey and is_grey else seed for seed, is_grey in zip(seeds, grey, strict=True)
        ),
        stages=stages,
        faults=faults,
        encodings=single if alone else video,
    )


def use_operator(sample: DegradationSample, operator: int) -> DegradationSample:
    """Return a sample whose stages with an operator all use this one."""
    stages = (stage if stage.lbo is None else replace(stage, lbo=operator) for stage in sample.stages)
    return replace(sample, stages=tuple(stages))


def sample_mode(modes: Modes, generator: Generator) -> str:
    """Sample the mode of a downscaling."""
    return _sample_name(modes, generator)


def _sample_stage(settings: Down, factor: int, generator: Generator, operator: int | None) -> DownStage:
    mode = sample_mode(settings.modes, generator)
    learned = generator.random() < settings.lbo
    return DownStage(factor, mode, operator if learned else None)


def _sample_faults(settings: Analogue, generator: Generator) -> tuple[Fault, ...]:
    """Sample faults, in the order in which they arise: tape, composite video, player, deinterlacer."""

    def uniform(ends: tuple[float, float]) -> float:
        return float(generator.uniform(*ends))

    bleed = {"width": uniform(settings.bleed_width), "shift": uniform(settings.bleed_shift)}
    dots = {"strength": uniform(settings.dot_strength), "phase": uniform((0, 2 * math.pi))}
    dots |= {"rainbow": uniform(settings.dot_rainbow), "comb": uniform(settings.dot_comb)}
    halo = {"strength": uniform(settings.halo_strength), "radius": uniform(settings.halo_radius)}
    interlace = {"strength": uniform(settings.interlace_strength), "parity": int(generator.random() < 0.5)}
    candidates = (
        (settings.chroma_bleed, Fault("chroma_bleed", bleed)),
        (settings.dot_crawl, Fault("dot_crawl", dots)),
        (settings.halo, Fault("halo", halo)),
        (settings.interlace, Fault("interlace_residue", interlace)),
    )
    points = generator.random(len(candidates))
    return tuple(fault for (probability, fault), point in zip(candidates, points, strict=True) if point < probability)


def _sample_encoding(settings: Codec, generator: Generator) -> Encoding:
    name, profile = _sample_name(settings.names, generator), _sample_name(settings.profiles, generator)
    crf, scale = generator.uniform(*settings.crf), generator.uniform(*settings.scale)
    return Encoding(name, codec.h264_options(crf, profile) if name == "h264" else codec.quantiser_options(scale))


def _sample_intra(settings: Intra, generator: Generator) -> Encoding:
    name = _sample_name(settings.names, generator)
    return intra_encoding(settings, name, generator.random())


def intra_encoding(settings: Intra, name: str, place: float) -> Encoding:
    """Return the encoding of frames that are coded alone.

    Args:
        name: of the codec.
        place: where in the range of its quality, from 0, the lowest value, to 1.
    """
    low, high = getattr(settings, name)
    value = low + place * (high - low)
    if name in intra.PICTURES:
        return Encoding(name, intra.picture_options(value), alone=True)
    options = codec.h264_options(value, "high") if name == "h264" else codec.hevc_options(value)
    return Encoding(name, options, alone=True)


def _sample_name(settings: Shares, generator: Generator) -> str:
    """Sample a name with a probability proportional to its share."""
    shares = settings.shares
    ends = np.cumsum(list(shares.values()))
    return list(shares)[int(np.searchsorted(ends, generator.random() * ends[-1], side="right"))]
