"""Means of networks and differences between them, with intervals: which of two is better, beyond chance.

The rule: networks have scores for several seeds and clips. A mean, or a mean difference, is that of these seeds and
clips; with others it would be another. So both are taken as samples. The 95 % interval of the mean has a variance that
is the sum of two: that of the means of each seed, over the number of seeds, and that of the means of each clip, over
the number of clips; and the quantile of Student's t with Welch's and Satterthwaite's degrees of freedom. If the seeds
differ most, these are those of the seeds: with three, an effect has to be more than two of its deviations. An order
holds beyond chance if the whole interval is on its side. Of 20 comparisons without any effect, one may do so by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

LEVEL = 0.975
"""Quantile of the upper end of an interval of 95 %."""

type Scores = NDArray[np.float64]
"""(seeds, clips); one row for what has no seed."""


@dataclass(frozen=True)
class Interval:
    """A mean, with the ends of its interval of 95 %."""

    mean: float
    low: float
    high: float


class Difference(Interval):
    """By how much one network is better than another."""

    @property
    def verdict(self) -> str:
        if self.low > 0:
            return "holds"
        return "the opposite holds" if self.high < 0 else "within chance"


def compare(worse: Scores, better: Scores, *, rising: bool) -> Difference:
    """Compare networks of which the second should be better.

    Args:
        rising: whether a higher score is better.
    """
    found = estimate((better - worse) if rising else (worse - better))  # one row is paired with each seed
    return Difference(found.mean, found.low, found.high)


def estimate(scores: Scores) -> Interval:
    """Return the mean over seeds and clips. A single score has an interval without ends."""
    mean = float(scores.mean())
    variances, freedoms = [], []
    for axis, count in ((1, scores.shape[0]), (0, scores.shape[1])):
        if count > 1:
            variances.append(float(scores.mean(axis).var(ddof=1)) / count)
            freedoms.append(count - 1)
    if not variances:
        return Interval(mean, -math.inf, math.inf)
    total = sum(variances)
    if total == 0:
        return Interval(mean, mean, mean)
    freedom = total**2 / sum(part**2 / each for part, each in zip(variances, freedoms, strict=True))
    reach = float(student.ppf(LEVEL, freedom)) * math.sqrt(total)
    return Interval(mean, mean - reach, mean + reach)
