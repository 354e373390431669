"""The groups that a comparison makes of a scene, and how they fit its exposure sheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .comparison import Difference
from .encodings import Frames
from .scenes import Scene

BOUND = 12
"""The largest number of frames in a group."""
CARRIED = 0.25
"""An encode that shows less of a change has lost it already."""


@dataclass(frozen=True)
class Limits:
    """What a held frame may differ by; the defaults are those of native/holds.cpp."""

    peak: float = 7.0
    chroma: float = 2.0
    drift: float = 0.35
    drift_of_noise: float = 0.04
    shift: float = 0.15

    def excess(self, difference: Difference) -> float:
        """Return the difference as a multiple of the limits: the largest of them."""
        drift = self.drift + self.drift_of_noise * difference.typical
        peak = min(difference.peak / self.peak, max(difference.unmasked / self.peak, difference.shift / self.shift))
        return max(peak, difference.chroma / self.chroma, difference.drift / drift)

    def allow(self, difference: Difference) -> bool:
        return self.excess(difference) <= 1


def find_kept(count: int, bound: int, is_held: Callable[[int, int], bool]) -> list[int]:
    """Return the kept frame of each frame of a scene (docs/design.md, 2).

    Args:
        is_held: of a kept frame and a later one.
    """
    kept: list[int] = []
    for n in range(count):
        last = kept[-1] if n else n
        kept.append(last if 0 < n < last + bound and is_held(last, n) else n)
    return kept


@dataclass(frozen=True)
class Lost:
    """A frame that is held although its drawing differs from that of the kept frame."""

    scene: Scene
    kept: int
    frame: int
    carried: float
    """How much of the change from one drawing to the other the encode shows: 1 all of it, 0 nothing."""


@dataclass
class Score:
    frames: int = 0
    steps: int = 0
    """Kept frames."""
    held: int = 0
    """Frames that show what the frame before shows."""
    found: int = 0
    distinct: int = 0
    """Other frames, but the first of a scene."""
    lost: list[Lost] = field(default_factory=list)

    def add(self, scene: Scene, kept: Sequence[int], source: Frames, encoded: Frames) -> None:
        """Add a scene."""
        keys = [scene.key(n) for n in range(len(kept))]
        self.frames += len(kept)
        self.steps += len(set(kept))
        for n in range(1, len(kept)):
            same = keys[n] == keys[n - 1]
            self.held += same
            self.found += same and kept[n] < n
            self.distinct += not same
            if keys[kept[n]] != keys[n]:
                self.lost.append(Lost(scene, kept[n], n, find_carried(source, encoded, kept[n], n)))

    def plus(self, other: Score) -> Score:
        """Return the sum of two scores."""
        return Score(**{key: value + getattr(other, key) for key, value in vars(self).items()})


def find_carried(source: Frames, encoded: Frames, kept: int, n: int) -> float:
    """Return the encode's change from a frame to another, projected onto the change of the source."""
    change, shown = (frames[n].astype(np.float32) - frames[kept].astype(np.float32) for frames in (source, encoded))
    return float(np.vdot(shown, change) / max(np.vdot(change, change), np.float32(1)))
