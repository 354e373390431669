"""Means over clips, their confidence intervals, and paired differences between upscalers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

CONFIDENCE = 0.95
RESAMPLES = 9999
LEAST = 5
"""Number of clips from which on there is an interval. Resampling fewer gives little more than their range, which would
exclude 0 as soon as all have one sign: of four, every eighth time by chance."""


@dataclass(frozen=True)
class Estimate:
    """A mean over clips, each with the same weight."""

    mean: float
    low: float | None
    """Ends of the confidence interval; None with fewer than `LEAST` clips."""
    high: float | None
    clips: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does not hold 0: a difference that more clips would hardly turn around."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def estimate_mean(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """Return the mean and its bootstrap interval (percentiles of the means of resampled clips).

    With few clips such an interval is too short: that of ten holds the true mean in about nine of ten cases.

    Args:
        values: one of each clip, at least one.
    """
    mean = float(np.mean(values))
    if len(values) < LEAST:
        return Estimate(mean, None, None, len(values))
    found = bootstrap(
        (np.asarray(values),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high), len(values))


def estimate_difference(a: Sequence[float], b: Sequence[float], *, seed: int = 0) -> Estimate:
    """Return the mean of `a` - `b` over clips, and its interval.

    Clips are resampled with both values, so that how hard a clip is does not count: intervals of two means may overlap
    where that of their difference excludes 0.

    Args:
        a, b: values of the same clips, in the same order.
    """
    return estimate_mean([one - other for one, other in zip(a, b, strict=True)], seed=seed)
