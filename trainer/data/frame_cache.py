"""A cache of decoded frames. If nearly all clips fit into memory, decoding is most of the cost of a sample."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from .clips import Clip, Frame


class FrameCache:
    """The most recently used frames of several clips, within one process.

    Args:
        size: capacity in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._frames: OrderedDict[tuple[str, int], Frame] = OrderedDict()

    def get(self, key: tuple[str, int]) -> Frame | None:
        """Return a frame, or None if it is not in the cache."""
        if key in self._frames:
            self._frames.move_to_end(key)
        return self._frames.get(key)

    def put(self, key: tuple[str, int], frame: Frame) -> None:
        """Add a frame that is not in the cache, and drop those that were not used for the longest time."""
        self._frames[key] = frame
        self._used += frame.nbytes
        while self._used > self._size:
            self._used -= self._frames.popitem(last=False)[1].nbytes


class CachedClip:
    """A clip that reads a frame again only after the cache has dropped it.

    Args:
        clip: clip to read from. No other clip that shares the cache has its name.
    """

    def __init__(self, clip: Clip, cache: FrameCache) -> None:
        self.name = clip.name
        self._clip = clip
        self._cache = cache

    def __len__(self) -> int:
        return len(self._clip)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        cached = {n: self._cache.get((self.name, n)) for n in numbers}
        missing = [n for n, frame in cached.items() if frame is None]
        frames = {n: frame for n, frame in cached.items() if frame is not None}
        for n, frame in zip(missing, self._clip.read(missing) if missing else (), strict=True):
            frames[n] = frame
            self._cache.put((self.name, n), frame)
        return [frames[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        return self._clip.check()


def cache_frames(clips: Sequence[Clip], size: int) -> Sequence[Clip]:
    """Return clips that share a frame cache of `size` bytes; unchanged if it is 0."""
    if not size:
        return clips
    cache = FrameCache(size)
    return [CachedClip(clip, cache) for clip in clips]
