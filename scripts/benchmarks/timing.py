"""Interleaved measurements. In each round every candidate is measured once: a machine that slows down in between slows
down all candidates alike. Ratios and differences are computed within rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

type Candidate = Callable[[int], None]
"""Processes this many frames, or does this many pieces of work."""
type Measure = Callable[[], float]
"""Measures a candidate once. Returns seconds or bytes."""


@dataclass(frozen=True)
class Results:
    """Values of each candidate, one per round."""

    values: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        return median(self.values[name])

    def range(self, name: str) -> tuple[float, float]:
        """Return the lowest and the highest value."""
        return min(self.values[name]), max(self.values[name])

    def ratio(self, name: str, to: str) -> float:
        """Return the median ratio of one candidate to another."""
        return median(a / b for a, b in zip(self.values[name], self.values[to], strict=True))

    def difference(self, name: str, less: str) -> float:
        """Return the median difference between one candidate and another."""
        return median(a - b for a, b in zip(self.values[name], self.values[less], strict=True))

    def share(self, name: str, less: str, of: str) -> float:
        """Return the median of that difference as a share of a third candidate."""
        rounds = zip(self.values[name], self.values[less], self.values[of], strict=True)
        return median((a - b) / c for a, b, c in rounds)


def measure_interleaved(candidates: Mapping[str, Measure], rounds: int, *, warm_up: bool = True) -> Results:
    """Measure candidates in the order A B C A B C ... With `warm_up`, a round that does not count comes first."""
    for measure in candidates.values() if warm_up else ():
        measure()
    results = [{name: measure() for name, measure in candidates.items()} for _ in range(rounds)]
    return Results({name: [values[name] for values in results] for name in candidates})


def time_interleaved(candidates: Mapping[str, Candidate], count: int, rounds: int) -> Results:
    """Measure seconds per frame, or per piece of work, of candidates that get `count` of them at a time."""
    measures = {name: seconds_per_frame(candidate, count) for name, candidate in candidates.items()}
    return measure_interleaved(measures, rounds)


def seconds_per_frame(candidate: Candidate, count: int) -> Measure:
    """Return a measurement of a candidate on `count` frames at a time."""

    def measure() -> float:
        begin = time.perf_counter()
        candidate(count)
        return (time.perf_counter() - begin) / count

    return measure
