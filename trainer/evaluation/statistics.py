"""Means over clips, their confidence intervals, and paired differences between upscalers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.stats import t as student

CONFIDENCE = 0.95
LEAST = 5
"""Number of clips from which on there is an interval. That of fewer rests on a distribution that they cannot show."""


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


def estimate_mean(values: Sequence[float]) -> Estimate:
    """Return the mean and its interval by Student's t.

    Of values with a normal distribution it holds the true mean in 95 of 100 cases, for any number of clips. Of skewed
    ones it does so less often: with an exponential distribution in 88 with 5 clips, in 90 with 10, in 92 with 24.

    Args:
        values: one of each clip, at least one.
    """
    mean, clips = float(np.mean(values)), len(values)
    if clips < LEAST:
        return Estimate(mean, None, None, clips)
    reach = float(student.ppf((1 + CONFIDENCE) / 2, clips - 1) * np.std(values, ddof=1)) / sqrt(clips)
    return Estimate(mean, mean - reach, mean + reach, clips)


def estimate_difference(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Return the mean of `a` - `b` over clips, and its interval.

    It is that of the differences on each clip, so that how hard a clip is does not count: intervals of two means may
    overlap where that of their difference excludes 0.

    Args:
        a, b: values of the same clips, in the same order.
    """
    return estimate_mean([one - other for one, other in zip(a, b, strict=True)])
