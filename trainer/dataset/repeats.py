"""Finds frames that another video has shown before: openings, endings, recaps.

Each frame has a hash of 128 bits: whether each place of a coarse grid is brighter than the one beside it, and than the
one below it. Other encoding, other size and small texts change few of the bits. A repeat is a run of frames that match
those of an earlier video at one distance. Frames are counted one by one, as in a copy with another rate by name only
(film at 25 instead of 24 frames/s), and by time, as in one with frames twice (50, 60, or 30 frames/s of film).
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

type Hashes = NDArray[np.uint64]
"""(frames, 2)."""

SIDE = 8
MOST_DIFFERENT = 16
"""Bits, of 128, by which hashes of the same picture differ at most."""
LEAST_RUN = 24
"""Frames of the shortest repeat. A second, so that recaps of single shots are found."""
LEAST_SHARE = 0.9
"""Share of the frames of a repeat that match. In fades they do not all do so."""
INDEX_EVERY, LOOK_UP_EVERY = 2, 3
"""Frames from one that is remembered to the next, and from one that is looked up. At any distance in time, one of six
frames is both."""
MOST_ALIKE = 64
"""Frames with the same part of a hash that are looked at. More of them are of one shade."""
LEAST_VOTES = 2
"""Frames that have to be found at one distance in time, before all of them are compared."""
SAME_RATE = 0.02
"""Difference of two rates, relative to one, up to which frames are only counted one by one."""
MOST_SHARED = 0.5
"""Share of the frames of a clip that another clip of the set may show."""
_FRAME_BITS = 32
_FRAME_MASK = (1 << _FRAME_BITS) - 1


def hash_picture(grey: NDArray[np.uint8]) -> Hashes:
    """Return the hash of a picture, (2,): uint8 (height, width)."""
    small = cv2.resize(grey, (SIDE + 1, SIDE + 1), interpolation=cv2.INTER_AREA).astype(np.int16)
    across, down = small[:-1, 1:] > small[:-1, :-1], small[1:, :-1] > small[:-1, :-1]
    return np.packbits(np.concatenate([across.ravel(), down.ravel()])).view(np.uint64)


def distance(one: Hashes, other: Hashes) -> NDArray[np.int64]:
    """Return in how many bits hashes differ, over the last axis."""
    return np.bitwise_count(one ^ other).sum(-1, dtype=np.int64)


class Repeats:
    """The frames of all videos so far. A megabyte for half an hour."""

    def __init__(self) -> None:
        self._videos: list[Hashes] = []
        self._rates: list[float] = []
        self._usable: list[NDArray[np.bool_]] = []
        self._index: dict[tuple[int, int], array[int]] = {}

    def find(self, hashes: Hashes, usable: NDArray[np.bool_], rate: float) -> NDArray[np.int64]:
        """Return for each frame of a video which earlier video has shown it, and -1 for new ones.

        Args:
            usable: (frames,): frames that are compared; those of one shade are all alike.
            rate: frames per second.
        """
        shown = np.full(len(hashes), -1, np.int64)
        for (video, speed, offset), count in sorted(
            self._votes(hashes, usable, rate).items(), key=lambda each: -each[1]
        ):
            if count >= LEAST_VOTES:
                self._mark(shown, hashes, usable, video, speed, offset)
        return shown

    def add(self, hashes: Hashes, usable: NDArray[np.bool_], rate: float) -> None:
        """Remember a video, so that it is the earlier one for those that follow.

        Args:
            usable, rate: as for `find`.
        """
        video = len(self._videos)
        self._rates.append(rate)
        self._videos.append(hashes)
        self._usable.append(usable)
        for frame in np.flatnonzero(usable)[::INDEX_EVERY].tolist():
            for key in _parts(hashes[frame]):
                found = self._index.setdefault(key, array("Q"))
                if len(found) <= MOST_ALIKE:
                    found.append(video << _FRAME_BITS | frame)

    def _votes(self, hashes: Hashes, usable: NDArray[np.bool_], rate: float) -> Counter[tuple[int, float, int]]:
        """Return at which distances frames of earlier videos match, and how many of those looked up do.

        A distance is that of a video, with frames of it for each frame here, and one of its frames for frame 0 here.
        """
        votes: Counter[tuple[int, float, int]] = Counter()
        speeds = [(1.0,) if abs(each / rate - 1) <= SAME_RATE else (1.0, each / rate) for each in self._rates]
        for frame in np.flatnonzero(usable)[::LOOK_UP_EVERY].tolist():
            for place in {place for key in _parts(hashes[frame]) for place in self._alike(key)}:
                video, other = place >> _FRAME_BITS, place & _FRAME_MASK
                if distance(hashes[frame], self._videos[video][other]) <= MOST_DIFFERENT:
                    for speed in speeds[video]:
                        votes[video, speed, other - int(frame * speed)] += 1
        return votes

    def _alike(self, key: tuple[int, int]) -> Iterable[int]:
        found = self._index.get(key, ())
        return found if len(found) <= MOST_ALIKE else ()

    def _mark(
        self,
        shown: NDArray[np.int64],
        hashes: Hashes,
        usable: NDArray[np.bool_],
        video: int,
        speed: float,
        offset: int,
    ) -> None:
        """Mark the frames of all repeats at one distance. By time, a frame may be found one place before or after."""
        earlier, numbers = self._videos[video], np.arange(len(hashes))
        matches = np.zeros(len(hashes), np.bool_)
        for near in (0,) if speed == 1 else (-1, 0, 1):
            there = (numbers * speed).astype(np.int64) + offset + near
            inside = np.flatnonzero((there >= 0) & (there < len(earlier)))
            found = distance(hashes[inside], earlier[there[inside]]) <= MOST_DIFFERENT
            matches[inside] |= found & usable[inside] & self._usable[video][there[inside]]
        for start, end in find_runs(matches):
            part = shown[start:end]
            part[part < 0] = video


def find_runs(matches: NDArray[np.bool_], least: int = LEAST_RUN, share: float = LEAST_SHARE) -> list[tuple[int, int]]:
    """Return the runs, as first and end, of which the share of matches is large enough everywhere.

    Each `least` frames of a run have at least this share of matches; the run begins and ends with one.
    """
    if len(matches) < least:
        return []
    sums = np.concatenate([[0], np.cumsum(matches)])
    dense = np.zeros(len(matches), np.bool_)
    for start in np.flatnonzero(sums[least:] - sums[:-least] >= share * least):
        dense[start : start + least] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[0], dense, [0]])))
    runs = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        inside = np.flatnonzero(matches[start:end])
        runs.append((int(start + inside[0]), int(start + inside[-1] + 1)))
    return runs


def shared(one: Hashes, other: Hashes) -> float:
    """Return the share of the frames of a clip that another clip shows too, at any time."""
    return float((distance(one[:, None], other[None]).min(1) <= MOST_DIFFERENT).mean()) if len(other) else 0.0


def _parts(picture: Hashes) -> list[tuple[int, int]]:
    """Return the parts of a hash by which it is looked up: each with its place. One of them is seldom changed."""
    return list(enumerate(picture.view(np.uint16).tolist()))
