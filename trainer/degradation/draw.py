"""What a clip goes through: drawn once, from nothing but the settings and a generator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from ..settings import Shares
from . import codec
from .levels import LEVELS
from .settings import Analogue, Codec, Degradation, Down

MOST = 2**63  # seeds of PyTorch's generators are below it


@dataclass(frozen=True)
class Stage:
    """One stage of scaling down."""

    factor: int
    mode: str
    lbo: int | None
    """Which of the learnable basic operators it has, if any."""


@dataclass(frozen=True)
class Fault:
    """An analogue fault: the name of its function, and how strong it is."""

    name: str
    arguments: Mapping[str, float]


@dataclass(frozen=True)
class Encoding:
    """A codec and the options of its encoder."""

    name: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Draw:
    """Everything that happens to one clip."""

    sigma_x: float
    sigma_y: float
    angle: float
    """Of the blur: pixels, pixels, radians."""
    sigmas: tuple[float, ...]
    """Of the noise for each frame, in units of [0, 1]."""
    grey: tuple[bool, ...]
    seeds: tuple[int, ...]
    """Of the noise for each frame."""
    stages: tuple[Stage, ...]
    faults: tuple[Fault, ...]
    encodings: tuple[Encoding, ...]
    """The first is used; where it fails, the next."""


ATTEMPTS = 4
"""How many encodings are drawn."""


def drawn(settings: Degradation, generator: Generator, frames: int, operators: int = 0) -> Draw:
    """Draw what happens to a clip.

    Args:
        generator: where the numbers come from. As many are taken whatever comes out.
        frames: of the clip.
        operators: how many learnable basic operators there are, of which a clip has one.
    """
    blur, noise = settings.blur, settings.noise
    isotropic = generator.random() < blur.isotropic
    round_sigma, sigma_x, sigma_y = (generator.uniform(*ends) for ends in (blur.sigma, blur.sigma_x, blur.sigma_y))
    angle = generator.uniform(-math.pi, math.pi)
    sigmas = generator.uniform(*noise.sigma, frames) / LEVELS
    grey = tuple(bool(point < noise.grey) for point in generator.random(frames))
    frozen, *seeds = (int(seed) for seed in generator.integers(MOST, size=frames + 1))
    point = generator.random()
    operator = int(point * operators) if operators else None
    return Draw(
        sigma_x=round_sigma if isotropic else sigma_x,
        sigma_y=round_sigma if isotropic else sigma_y,
        angle=0.0 if isotropic else angle,
        sigmas=tuple(map(float, sigmas)),
        grey=grey,
        seeds=tuple(frozen if noise.frozen_grey and same else seed for seed, same in zip(seeds, grey, strict=True)),
        stages=tuple(_stage(settings.down, factor, generator, operator) for factor in settings.down.factors),
        faults=_faults(settings.analogue, generator),
        encodings=tuple(_encoding(settings.codec, generator) for _ in range(ATTEMPTS)),
    )


def _stage(settings: Down, factor: int, generator: Generator, operator: int | None) -> Stage:
    mode = _one_of(settings.modes, generator)
    learned = generator.random() < settings.lbo
    return Stage(factor, mode, operator if learned else None)


def _faults(settings: Analogue, generator: Generator) -> tuple[Fault, ...]:
    """Those that come, in the order of tape, composite video, player, deinterlacer."""

    def drawn(ends: tuple[float, float]) -> float:
        return float(generator.uniform(*ends))

    bleed = {"width": drawn(settings.bleed_width), "shift": drawn(settings.bleed_shift)}
    dots = {"strength": drawn(settings.dot_strength), "phase": drawn((0, 2 * math.pi))}
    dots |= {"rainbow": drawn(settings.dot_rainbow), "comb": drawn(settings.dot_comb)}
    halo = {"strength": drawn(settings.halo_strength), "radius": drawn(settings.halo_radius)}
    interlace = {"strength": drawn(settings.interlace_strength), "parity": int(generator.random() < 0.5)}
    all_of_them = (
        (settings.chroma_bleed, Fault("chroma_bleed", bleed)),
        (settings.dot_crawl, Fault("dot_crawl", dots)),
        (settings.halo, Fault("halo", halo)),
        (settings.interlace, Fault("interlace_residue", interlace)),
    )
    points = generator.random(len(all_of_them))
    return tuple(fault for (share, fault), point in zip(all_of_them, points, strict=True) if point < share)


def _encoding(settings: Codec, generator: Generator) -> Encoding:
    name, profile = _one_of(settings.names, generator), _one_of(settings.profiles, generator)
    crf, scale = generator.uniform(*settings.crf), generator.uniform(*settings.scale)
    return Encoding(name, codec.h264(crf, profile) if name == "h264" else codec.quantised(scale))


def _one_of(settings: Shares, generator: Generator) -> str:
    """A name, as often as its share says."""
    shares = settings.shares
    ends = np.cumsum(list(shares.values()))
    return list(shares)[int(np.searchsorted(ends, generator.random() * ends[-1], side="right"))]
