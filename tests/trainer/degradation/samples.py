"""Samples of degradations for tests."""

from __future__ import annotations

import numpy as np

from trainer.degradation.sampling import DegradationSample, sample_degradation
from trainer.degradation.settings import PRESETS, Degradation

PAPER = PRESETS["paper"]


def sample(settings: Degradation, seed: int = 0, frames: int = 15, operators: int = 0) -> DegradationSample:
    return sample_degradation(settings, np.random.default_rng(seed), frames, operators)


def many_samples(settings: Degradation, count: int = 2000, operators: int = 0) -> list[DegradationSample]:
    return [sample(settings, seed, operators=operators) for seed in range(count)]
