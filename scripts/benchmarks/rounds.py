"""Takes turns, and compares within a round: a machine that slows down meanwhile slows all contestants down alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

type Turn = Callable[[], float]
"""Runs a contestant once and returns its figure: seconds, or bytes."""


@dataclass(frozen=True)
class Samples:
    """The figures of each contestant, by round."""

    figures: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        return median(self.figures[name])

    def range(self, name: str) -> tuple[float, float]:
        """The lowest and the highest."""
        return min(self.figures[name]), max(self.figures[name])

    def ratio(self, name: str, to: str) -> float:
        """The median over the rounds of one contestant's figure over the other's."""
        return median(a / b for a, b in zip(self.figures[name], self.figures[to], strict=True))

    def difference(self, name: str, less: str) -> float:
        """The median over the rounds of one contestant's figure less the other's."""
        return median(a - b for a, b in zip(self.figures[name], self.figures[less], strict=True))

    def share(self, name: str, less: str, of: str) -> float:
        """The median over the rounds of that difference, as a part of a third one's figure."""
        rounds = zip(self.figures[name], self.figures[less], self.figures[of], strict=True)
        return median((a - b) / c for a, b, c in rounds)


def taken(contestants: Mapping[str, Turn], rounds: int, *, warm_up: bool = True) -> Samples:
    """Have the contestants take turns: A B C A B C ... With `warm_up` a round comes before that is not counted."""
    for turn in contestants.values() if warm_up else ():
        turn()
    taken = [{name: turn() for name, turn in contestants.items()} for _ in range(rounds)]
    return Samples({name: [figures[name] for figures in taken] for name in contestants})


def per_frame(run: Callable[[int], None], frames: int) -> Turn:
    """Turns of this many frames; the figure is seconds per frame."""

    def turn() -> float:
        begin = time.perf_counter()
        run(frames)
        return (time.perf_counter() - begin) / frames

    return turn
