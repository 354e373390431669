"""Which of two networks is better, beyond chance.

The rule: both networks have scores for several seeds and clips. The mean difference is that of these seeds and clips;
with others it would be another. So both are taken as samples. The 95 % interval of the mean has a variance that is the
sum of two: that of the means of each seed, over the number of seeds, and that of the means of each clip, over the
number of clips; and the quantile of Student's t with Welch's and Satterthwaite's degrees of freedom. If the seeds
differ most, these are those of the seeds: with three, an effect has to be more than two of its deviations. An order
holds beyond chance if the whole interval is on its side. Of 20 comparisons without any effect, one may do so by chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.975
"""Quantile of the upper end of an interval of 95 %."""
GRID = 4001

type Scores = NDArray[np.float64]
"""(seeds, clips); one row for what has no seed."""


@dataclass(frozen=True)
class Difference:
    """By how much one network is better than another, with the ends of the interval of 95 %."""

    mean: float
    low: float
    high: float

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
    difference = (better - worse) if rising else (worse - better)  # one row is paired with each seed
    mean = float(difference.mean())
    variances, freedoms = [], []
    for axis, count in ((1, difference.shape[0]), (0, difference.shape[1])):
        if count > 1:
            variances.append(float(difference.mean(axis).var(ddof=1)) / count)
            freedoms.append(count - 1)
    if not variances:
        return Difference(mean, -math.inf, math.inf)
    total = sum(variances)
    if total == 0:
        return Difference(mean, mean, mean)
    freedom = total**2 / sum(part**2 / each for part, each in zip(variances, freedoms, strict=True))
    reach = student_quantile(LEVEL, freedom) * math.sqrt(total)
    return Difference(mean, mean - reach, mean + reach)


def student_quantile(level: float, freedom: float) -> float:
    """Return a quantile of Student's t distribution; `freedom` need not be whole.

    With t = sqrt(freedom) tan(angle), the density of the angle is a power of its cosine, between two finite ends.
    """
    angles = np.linspace(-math.pi / 2, math.pi / 2, GRID)
    density = np.clip(np.cos(angles), 0, None) ** (freedom - 1)
    shares = np.concatenate(([0.0], np.cumsum((density[1:] + density[:-1]) / 2)))
    return math.sqrt(freedom) * math.tan(float(np.interp(level, shares / shares[-1], angles)))
