"""Tables and pictures of the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import encodings
from .comparison import Comparison, Difference
from .encodings import Encoding, Frames
from .groups import CARRIED, Limits, Lost, Score, find_carried, find_kept
from .scenes import LENGTH, Scene


@dataclass
class Encoded:
    """The scenes of a half and one of its encodings. Differences are measured once."""

    encoding: Encoding
    scenes: Sequence[Scene]
    source: NDArray[np.uint8]
    frames: NDArray[np.uint8]
    comparison: Comparison

    def __post_init__(self) -> None:
        self._differences: dict[tuple[int, int, int], Difference] = {}

    def part(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the source and the frames of a scene."""
        span = slice(number * LENGTH, (number + 1) * LENGTH)
        return self.source[span], self.frames[span]

    def difference(self, number: int, kept: int, frame: int) -> Difference:
        key = number, kept, frame
        if key not in self._differences:
            _, frames = self.part(number)
            self._differences[key] = self.comparison.measure(
                encodings.split(frames[kept]), encodings.split(frames[frame])
            )
        return self._differences[key]

    def score(self, limits: Limits, bound: int, kinds: Iterable[str] = ("holds", "small motions")) -> Score:
        """Return how the groups under these limits fit the exposure sheets of the scenes of these kinds."""
        score = Score()
        for number, scene in enumerate(self.scenes):
            if scene.kind in kinds:
                score.add(scene, self.find_kept(number, limits, bound), *self.part(number))
        return score

    def find_kept(self, number: int, limits: Limits, bound: int) -> list[int]:
        """Return the kept frame of each frame of a scene."""
        return find_kept(LENGTH, bound, lambda kept, n: limits.allow(self.difference(number, kept, n)))

    def nearest(self, limits: Limits) -> list[tuple[float, int, int, Difference]]:
        """Return the distinct frames that the encode shows, the most similar to their predecessor first.

        Each with its difference as a multiple of the limits; above 1 it is kept.
        """
        found = []
        for number, scene in enumerate(self.scenes):
            source, frames = self.part(number)
            for n in range(1, LENGTH):
                if scene.key(n) != scene.key(n - 1) and find_carried(source, frames, n - 1, n) >= CARRIED:
                    difference = self.difference(number, n - 1, n)
                    found.append((limits.excess(difference), number, n, difference))
        return sorted(found, key=lambda each: each[0])


def score_row(name: str, score: Score) -> tuple[str, ...]:
    """Return a row under SCORE_COLUMNS."""
    shown = [lost.carried for lost in score.lost]
    return (
        name,
        f"{score.found} of {score.held}",
        f"{100 * score.found / score.held:.1f} %" if score.held else "",
        f"{100 * score.steps / score.frames:.1f} %",
        str(score.distinct),
        str(sum(each >= 0.5 for each in shown)),
        str(sum(CARRIED <= each < 0.5 for each in shown)),
        str(sum(each < CARRIED for each in shown)),
    )


SCORE_COLUMNS = (
    "",
    "held, found",
    "share",
    "steps",
    "distinct",
    "lost",
    "lost, a quarter shown",
    "lost by the encoder",
)


def name_lost(lost: Sequence[Lost]) -> str:
    """Return the scenes in which frames were lost, with their numbers."""
    counts = Counter(each.scene.name for each in lost)
    return "; ".join(f"{name}: {count}" for name, count in counts.most_common()) or "none"


def draw_pair(source: Frames, encoded: Frames, side: int = 48, enlarge: int = 3) -> NDArray[np.uint8]:
    """Return where two frames of the source differ most: one encoded, the other, and the change of luma times 6."""
    planes = zip(*map(encodings.split, source), strict=True)
    luma, *chroma = (np.abs(b.astype(np.float32) - a) for a, b in planes)
    change = luma + sum(plane.repeat(2, 0).repeat(2, 1) for plane in chroma)
    y, x = np.unravel_index(np.argmax(change), change.shape)
    top, left = (int(np.clip(at - side // 2, 0, most - side)) for at, most in zip((y, x), change.shape, strict=True))
    area = slice(top, top + side), slice(left, left + side)
    one, other = (encodings.split(yuv)[0].astype(np.float32)[area] for yuv in encoded)
    shown = np.repeat(128 + 6 * (other - one)[..., None], 3, 2)
    row = np.hstack([*(encodings.to_rgb(yuv)[area] for yuv in encoded), shown])
    pixels: NDArray[np.uint8] = np.clip(row, 0, 255).astype(np.uint8)
    return pixels.repeat(enlarge, 0).repeat(enlarge, 1)
