"""Finds frames that another video has shown before: openings, endings, recaps.

Each frame has a hash of 128 bits: whether each place of a coarse grid is brighter than the one beside it, and than the
one below it. Other encoding, other size and small texts change few of the bits. A repeat is a run of frames that match
those of an earlier video at one distance. Frames are counted one by one, as in a copy with another rate by name only
(film at 25 instead of 24 frames/s), and by time, as in one with frames twice (50, 60, or 30 frames/s of film).
"""

from __future__ import annotations

from collections import defaultdict

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
INDEX_EVERY = 6
"""Frames from one that is indexed to the next. All are looked up."""
MOST_ALIKE = 256
"""Frames with the same part of a hash that are looked at, the last ones first. More of them are of one shade."""
LEAST_VOTES = 2
"""Frames that have to be found at one distance in time, before all of them are compared."""
SAME_RATE = 0.02
"""Difference of two rates, relative to one, up to which frames are only counted one by one."""
MOST_SHARED = 0.5
"""Share of the frames of a clip that another clip of the set may show."""
PARTS, PART_VALUES = 8, 1 << 16
"""Parts of a hash by which frames are found. One of them is seldom changed."""
NONE = -1


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
        self._index = _Index()

    def find(self, hashes: Hashes, usable: NDArray[np.bool_], rate: float) -> NDArray[np.int64]:
        """Return for each frame of a video which earlier video has shown it, and -1 for new ones.

        Args:
            usable: (frames,): frames that are compared; those of one shade are all alike.
            rate: frames per second.
        """
        shown = np.full(len(hashes), NONE, np.int64)
        votes = self._votes(hashes, usable, rate)
        for (video, speed, offset), frames in sorted(votes.items(), key=lambda each: -len(each[1])):
            # Drawings that are held match at many distances. Most of them tell nothing new.
            if len(frames) >= LEAST_VOTES and (shown[frames] == NONE).any():
                self._mark(shown, hashes, usable, video, speed, offset)
        return shown

    def add(self, hashes: Hashes, usable: NDArray[np.bool_], rate: float) -> NDArray[np.int64]:
        """Remember a video, so that it is the earlier one for those that follow, and return what `find` does.

        Frames that were shown before are not indexed: else an opening would be found in every episode so far.

        Args:
            usable, rate: as for `find`.
        """
        shown = self.find(hashes, usable, rate)
        self._index.add(hashes, np.flatnonzero(usable & (shown == NONE))[::INDEX_EVERY], len(self._videos))
        self._rates.append(rate)
        self._videos.append(hashes)
        self._usable.append(usable)
        return shown

    def _votes(self, hashes: Hashes, usable: NDArray[np.bool_], rate: float) -> dict[tuple[int, float, int], list[int]]:
        """Return at which distances frames of earlier videos match, and which frames here do.

        A distance is that of a video, with frames of it for each frame here, and one of its frames for frame 0 here.
        """
        votes: dict[tuple[int, float, int], list[int]] = defaultdict(list)
        frames, videos, others = self._index.find(hashes, np.flatnonzero(usable))
        speeds = np.array(self._rates)[videos] / rate
        differs = np.abs(speeds - 1) > SAME_RATE
        for speed, chosen in ((np.ones(len(speeds)), slice(None)), (speeds, differs)):
            offsets = others - (frames * speed).astype(np.int64)
            columns = (each[chosen].tolist() for each in (videos, speed, offsets, frames))
            for video, each, offset, frame in zip(*columns, strict=True):
                votes[video, each, offset].append(frame)
        return votes

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


class _Index:
    """Finds frames of which a part of the hash is the same. Those that share one are linked, the last one first."""

    def __init__(self) -> None:
        self._last = np.full((PARTS, PART_VALUES), NONE, np.int32)
        """Entry with each value of each part that was added last."""
        self._before = np.empty((0, PARTS), np.int32)
        """(entries, parts): the one that was added before it."""
        self._hashes: Hashes = np.empty((0, 2), np.uint64)
        self._places = np.empty((0, 2), np.int32)
        """(entries, 2): video and frame."""

    def add(self, hashes: Hashes, frames: NDArray[np.int64], video: int) -> None:
        """Add some of the frames of a video."""
        first, every = len(self._hashes), np.arange(PARTS)
        before = np.empty((len(frames), PARTS), np.int32)
        for number, parts in enumerate(_parts(hashes[frames])):
            before[number] = self._last[every, parts]
            self._last[every, parts] = first + number
        places = np.stack([np.full_like(frames, video), frames], axis=1).astype(np.int32)
        self._before = np.concatenate([self._before, before])
        self._hashes = np.concatenate([self._hashes, hashes[frames]])
        self._places = np.concatenate([self._places, places])

    def find(
        self, hashes: Hashes, frames: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return pairs of frames that match: some of a video, and for each its earlier video and frame of it."""
        found = [np.empty(0, np.int64)]
        size = max(len(self._hashes), 1)
        for part, values in enumerate(_parts(hashes[frames]).T):
            here, entries = frames, self._last[part, values]
            for _ in range(MOST_ALIKE):
                here, entries = here[entries != NONE], entries[entries != NONE]
                if not len(here):
                    break
                matches = distance(hashes[here], self._hashes[entries]) <= MOST_DIFFERENT
                found.append(here[matches] * size + entries[matches])
                entries = self._before[entries, part]
        pairs = np.unique(np.concatenate(found))  # some are found by several parts
        videos, others = self._places[pairs % size].T.astype(np.int64)
        return pairs // size, videos, others


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


def _parts(hashes: Hashes) -> NDArray[np.uint16]:
    """Return the parts of hashes, (frames, parts)."""
    return np.ascontiguousarray(hashes).view(np.uint16)
