"""How well a detector finds the events of an episode."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from .episodes import SLOW, Event

FRAMES_PER_MINUTE = 1440
"""At 24 frames a second."""


@dataclass
class Score:
    """Counts over some episodes."""

    frames: int = 0
    found: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    """Whether each cut and each end of a flash was found, by kind."""
    slow: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Anchors in each fade and dissolve."""
    false: int = 0
    """Anchors elsewhere."""

    def recall(self, kinds: Iterable[str]) -> float:
        found = [each for kind in kinds for each in self.found[kind]]
        return sum(found) / len(found) if found else float("nan")

    @property
    def precision(self) -> float:
        hits = sum(sum(found) for found in self.found.values())
        return hits / max(hits + self.false, 1)

    @property
    def false_per_minute(self) -> float:
        return self.false / self.frames * FRAMES_PER_MINUTE

    def count(self, cuts: Collection[int], events: Sequence[Event], frames: int) -> None:
        """Add the cuts found in an episode."""
        self.frames += frames
        rest = set(cuts)
        for event in sorted(events, key=lambda each: each.kind in SLOW):  # a cut within a fade is a cut
            hits = rest.intersection(range(event.first, event.last + 1))
            if event.kind in SLOW:
                self.slow[event.kind].append(len(hits))
            else:
                self.found[event.kind].append(bool(set(cuts).intersection(range(event.first, event.last + 1))))
            rest -= hits
        self.false += len(rest)

    def add(self, other: Score) -> None:
        """Add the counts of another score."""
        self.frames += other.frames
        self.false += other.false
        for kind, found in other.found.items():
            self.found[kind] += found
        for kind, anchors in other.slow.items():
            self.slow[kind] += anchors
