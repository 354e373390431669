"""HQ clips: folders of numbered pictures, or video files.

A dataset is a folder of clips. A clip is a folder of pictures in the order of their names (AVC's layout: 00000000.png
and so on), or a video file, of which a table of its key frames is made once, so that any window can be decoded alone.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from .errors import ClipError

type Picture = NDArray[np.uint8]
"""uint8 (height, width, 3), R, G, B."""

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
VIDEOS = {".mkv", ".mp4", ".avi", ".mov", ".webm", ".m2ts", ".ts", ".mpg", ".vob"}


class Clip(Protocol):
    """Pictures by number, all of one size."""

    name: str

    def __len__(self) -> int: ...

    def read(self, numbers: Sequence[int]) -> list[Picture]:
        """The pictures with these numbers, in this order.

        Raises:
            ClipError: one of them cannot be read.
        """
        ...

    def check(self) -> tuple[int, int]:
        """Look at every picture, without decoding it, so that what is wrong shows before hours of training.

        Returns:
            Width and height of all of them.

        Raises:
            ClipError: one of them is damaged, or of another size than the first.
        """
        ...


class Episode(Clip, Protocol):
    """A clip that may be long."""

    def stream(self, width: int, height: int) -> Iterator[tuple[int, Picture]]:
        """All pictures in order, each with its number, shrunk to this size; decoded in one go.

        Numbers are missing where a video's frames cannot be decoded: those that refer to one before its beginning.

        Raises:
            ClipError: one of them cannot be read.
        """
        ...


def find_clips(folder: Path) -> list[Clip]:
    """The clips of a dataset, by name.

    Raises:
        ClipError: it is no folder, or holds none.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ClipError(
            f"data={str(folder)!r} cannot be read ({error.strerror or error}); name a folder of clips"
        ) from error
    clips: list[Clip] = [clip for entry in entries if (clip := open_clip(entry))]
    if not clips:
        raise ClipError(
            f"data={str(folder)!r} holds no clips; each is a folder of pictures ({', '.join(sorted(PICTURES))}) "
            f"or a video ({', '.join(sorted(VIDEOS))})"
        )
    return clips


def open_clip(path: Path) -> Episode | None:
    """The clip at a path; None if there is none: another kind of file, or a folder without pictures."""
    if path.is_file():
        return VideoClip(path) if path.suffix.lower() in VIDEOS else None
    if not path.is_dir():
        return None
    pictures = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in PICTURES)
    return PictureClip(path, pictures) if pictures else None


def opened_clip(path: Path, kind: str) -> Episode:
    """The clip at a path that somebody has named.

    Args:
        kind: what it should be, for the error.

    Raises:
        ClipError: there is none.
    """
    clip = open_clip(path) if path.exists() else None
    if clip is None:
        raise ClipError(f"{path} is no {kind}; name a video, or a folder of pictures")
    return clip


class PictureClip:
    """A folder of pictures."""

    def __init__(self, folder: Path, pictures: Sequence[Path]) -> None:
        self.name = folder.name
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def read(self, numbers: Sequence[int]) -> list[Picture]:
        return [self._read(self._pictures[n]) for n in numbers]

    def stream(self, width: int, height: int) -> Iterator[tuple[int, Picture]]:
        for number, path in enumerate(self._pictures):
            shrunk = Image.fromarray(self._read(path)).resize((width, height), Image.Resampling.BOX)
            yield number, np.asarray(shrunk)

    def check(self) -> tuple[int, int]:
        first = _size(self._pictures[0])
        for path in self._pictures[1:]:
            if (size := _size(path)) != first:
                raise ClipError(
                    f"{path} has {size[0]}x{size[1]} pixels, and the first of clip {self.name!r} has "
                    f"{first[0]}x{first[1]}; make them one size, or make two clips of them"
                )
        return first

    @staticmethod
    def _read(path: Path) -> Picture:
        try:
            with Image.open(path) as picture:
                return np.asarray(picture.convert("RGB"))
        except DAMAGED as error:
            raise _unreadable(path, error) from error


DAMAGED = (OSError, ValueError, SyntaxError)
"""What Pillow raises."""
PNG_END = b"IEND\xaeB`\x82"


def _size(path: Path) -> tuple[int, int]:
    """Width and height, by the file's head; of a PNG also whether its end is there."""
    try:
        with Image.open(path) as picture:
            size = picture.size
        if picture.format == "PNG":
            with path.open("rb") as file:
                file.seek(-len(PNG_END), os.SEEK_END)
                if file.read() != PNG_END:
                    raise OSError("its end is missing")
    except DAMAGED as error:
        raise _unreadable(path, error) from error
    return size


def _unreadable(path: Path, error: Exception) -> ClipError:
    return ClipError(f"{path} cannot be read ({error}); remove it, or make it again")


EARLIER = (0, 1, 2, 4, 8)
"""How many key frames to go back, one after the other, until a seek gives frames whose times are right."""


GUESSED = 0.1
"""The share of frames whose times may be out of order, where a video is streamed."""


class VideoClip:
    """A video file. Frames are numbered in the order in which they are shown."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._path = path

    def __len__(self) -> int:
        return len(self._times)

    def read(self, numbers: Sequence[int]) -> list[Picture]:
        wanted = {self._times[n] for n in numbers}
        try:
            for begin in self._begins(min(wanted)):
                found = self._decoded(wanted, begin)
                if len(found) == len(wanted):
                    break
        except av.FFmpegError as error:
            raise ClipError(f"{self._path} cannot be decoded ({error}); remux it, or leave it out") from error
        if missing := [n for n in numbers if self._times[n] not in found]:
            raise ClipError(f"{self._path} gives no frame {missing[0]}; remux it, or leave it out")
        return [found[self._times[n]] for n in numbers]

    def stream(self, width: int, height: int) -> Iterator[tuple[int, Picture]]:
        numbers = {time: number for number, time in enumerate(self._times)}
        shrink, last, late = VideoReformatter(), -1, 0
        try:
            with av.open(self._path) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                for frame in container.decode(stream):
                    number = -1 if frame.pts is None else numbers.get(frame.pts, -1)
                    if number <= last:  # its time is guessed, and wrongly: it could not be read either
                        late += 1
                        continue
                    # Each picture becomes the mean of what it covers, whose noise is a fraction of a pixel's.
                    rgb = shrink.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA)
                    yield number, np.asarray(rgb.to_ndarray(), np.uint8)
                    last = number
        except av.FFmpegError as error:
            raise ClipError(f"{self._path} cannot be decoded ({error}); remux it, or leave it out") from error
        if late > GUESSED * len(numbers):
            raise ClipError(
                f"{self._path} has {late} of {len(numbers)} frames whose times are out of order; encode it anew"
            )

    def check(self) -> tuple[int, int]:
        len(self)  # makes the table of frames, for which all packets are read
        with av.open(self._path) as container:
            stream = container.streams.video[0]
            return stream.width, stream.height

    def _decoded(self, wanted: Collection[int], begin: int | None) -> dict[int, Picture]:
        """Pictures by time, decoded from a key frame on, or from the start; fewer where a seek does not lead there."""
        found: dict[int, Picture] = {}
        to_rgb = VideoReformatter()
        with av.open(self._path) as container:
            stream = container.streams.video[0]
            if begin is not None:
                container.seek(begin, stream=stream)
            landed = None
            for packet in container.demux(stream):
                if begin is not None and landed is None and packet.is_keyframe:
                    landed = packet.pts
                    # Program streams time few frames: the others are guessed, and after some seeks wrongly.
                    if landed is None or landed > min(wanted) or self._keys.get(landed, -1) != packet.pos:
                        break
                for frame in packet.decode():
                    if frame.pts is not None and frame.pts in wanted:
                        rgb = to_rgb.reformat(frame, format="rgb24", interpolation=Interpolation.BICUBIC)
                        found[frame.pts] = np.asarray(rgb.to_ndarray(), np.uint8)
                        if len(found) == len(wanted):
                            return found
        return found

    def _begins(self, time: int) -> list[int | None]:
        """Where to decode from: a key frame before it, earlier ones, as containers without an index may seek too far,
        or else the start."""
        keys = list(self._keys)
        key = max(bisect_right(keys, time) - 1, 0)
        return [*(keys[key - back] for back in EARLIER if back <= key), None]

    @property
    def _times(self) -> list[int]:
        return self._table[0]

    @property
    def _keys(self) -> dict[int, int | None]:
        """Where each key frame is in the file, by its time, in order."""
        return self._table[1]

    @cached_property
    def _table(self) -> tuple[list[int], dict[int, int | None]]:
        """The times of all frames, in order, and where those are that are key frames; without decoding any."""
        times: list[int] = []
        keys: dict[int, int | None] = {}
        try:
            with av.open(self._path) as container:
                if not container.streams.video:
                    raise ClipError(f"{self._path} has no video; leave it out")
                for packet in container.demux(container.streams.video[0]):
                    if packet.pts is not None and packet.size:
                        times.append(packet.pts)
                        if packet.is_keyframe:
                            keys[packet.pts] = packet.pos
        except (av.FFmpegError, OSError) as error:
            raise ClipError(f"{self._path} cannot be opened ({error}); remux it, or leave it out") from error
        if not keys:
            raise ClipError(f"{self._path} has no frame with a time; remux it, or leave it out")
        return sorted(times), dict(sorted(keys.items()))
