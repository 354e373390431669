"""Clips that remember pictures: where all of them nearly fit into memory, decoding is most of what a sample costs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from .clips import Clip, Picture


class Memory:
    """Pictures of several clips, those used last; of one process.

    Args:
        size: how much it holds, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._used = 0
        self._pictures: OrderedDict[tuple[str, int], Picture] = OrderedDict()

    def get(self, key: tuple[str, int]) -> Picture | None:
        """What was put there, if it still is."""
        if key in self._pictures:
            self._pictures.move_to_end(key)
        return self._pictures.get(key)

    def put(self, key: tuple[str, int], picture: Picture) -> None:
        """Remember a new picture, and forget those that were not used for the longest time."""
        self._pictures[key] = picture
        self._used += picture.nbytes
        while self._used > self._size:
            self._used -= self._pictures.popitem(last=False)[1].nbytes


class RememberedClip:
    """A clip that reads a picture once, as long as the memory holds it.

    Args:
        clip: whose pictures they are; its name is its own among those that share the memory.
    """

    def __init__(self, clip: Clip, memory: Memory) -> None:
        self.name = clip.name
        self._clip = clip
        self._memory = memory

    def __len__(self) -> int:
        return len(self._clip)

    def read(self, numbers: Sequence[int]) -> list[Picture]:
        found = {n: self._memory.get((self.name, n)) for n in numbers}
        missing = [n for n, picture in found.items() if picture is None]
        pictures = {n: picture for n, picture in found.items() if picture is not None}
        for n, picture in zip(missing, self._clip.read(missing) if missing else (), strict=True):
            pictures[n] = picture
            self._memory.put((self.name, n), picture)
        return [pictures[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        return self._clip.check()


def remembered(clips: Sequence[Clip], size: int) -> Sequence[Clip]:
    """Clips that share a memory of so many bytes; as they are where that is 0."""
    if not size:
        return clips
    memory = Memory(size)
    return [RememberedClip(clip, memory) for clip in clips]
