"""Reads clips: folders of numbered images, or video files.

A dataset is a folder of clips. A clip is a folder of images in the order of their names (the layout of AVC:
00000000.png and so on), or a video file. A video file is scanned once for a table of its key frames, so that any window
of frames can be decoded alone.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from ..errors import ClipError
from ..origin import digest_files

type Frame = NDArray[np.uint8]
"""uint8 (height, width, 3), R, G, B."""

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
VIDEO_SUFFIXES = {
    *(".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".ogm", ".rmvb", ".ts", ".vob", ".webm", ".wmv"),
}

PILLOW_ERRORS = (OSError, ValueError, SyntaxError)
"""Exceptions of Pillow for a damaged file."""
PNG_END = b"IEND\xaeB`\x82"

SEEK_BACK = (0, 1, 2, 4, 8)
"""How many key frames to go back, one attempt after the other, until a seek gives frames with right timestamps."""
MOST_OUT_OF_ORDER = 0.1
"""Largest share of frames with timestamps out of order when a video is streamed."""


class Clip(Protocol):
    """Numbered frames of one size."""

    name: str

    def __len__(self) -> int: ...

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        """Return the frames with these numbers, in this order.

        Raises:
            ClipError: a frame cannot be read.
        """
        ...

    def check(self) -> tuple[int, int]:
        """Look at every frame without decoding it, so that faults show before hours of training.

        Returns:
            Width and height of all frames.

        Raises:
            ClipError: a frame is damaged, or its size differs from the first one's.
        """
        ...

    def digest(self) -> str:
        """Return a hash of the files, which tells these frames from others.

        Raises:
            ClipError: a file cannot be read.
        """
        ...


class Episode(Clip, Protocol):
    """A clip that may be long."""

    def stream(self, width: int, height: int) -> Iterator[tuple[int, Frame]]:
        """Yield all frames in order, each with its number, scaled down to this size. The clip is decoded once.

        Frames that a video cannot decode are missing: those that refer to a frame before its beginning.

        Raises:
            ClipError: a frame cannot be read.
        """
        ...


def find_clips(folder: Path, argument: str = "data=") -> list[Clip]:
    """Return the clips of a dataset, sorted by name.

    Args:
        argument: what names the folder, for errors.

    Raises:
        ClipError: the folder cannot be read, or holds no clips.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ClipError(
            f"{argument}{str(folder)!r} cannot be read ({error.strerror or error}); name a folder of clips"
        ) from error
    clips: list[Clip] = [clip for entry in entries if (clip := open_clip(entry))]
    for one, other in pairwise(sorted(clip.name for clip in clips)):
        if one == other:
            raise ClipError(f"{argument}{str(folder)!r} holds two clips of the name {one!r}; rename one of them")
    if not clips:
        raise ClipError(
            f"{argument}{str(folder)!r} holds no clips; each is a folder of images "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}) or a video ({', '.join(sorted(VIDEO_SUFFIXES))})"
        )
    return clips


def open_clip(path: Path) -> Episode | None:
    """Return the clip at a path, or None if the path is neither a video file nor a folder of images."""
    if path.is_file():
        return VideoClip(path) if path.suffix.lower() in VIDEO_SUFFIXES else None
    if not path.is_dir():
        return None
    images = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES)
    return ImageClip(path, images) if images else None


def require_clip(path: Path, kind: str) -> Episode:
    """Return the clip at a path that the user has named.

    Args:
        kind: what the clip is for, such as "episode", for the error.

    Raises:
        ClipError: there is no clip.
    """
    clip = open_clip(path) if path.exists() else None
    if clip is None:
        raise ClipError(f"{path} is no {kind}; name a video, or a folder of images")
    return clip


class _FileFact[T]:
    """What a function finds out about files. It is called again if their sizes or times have changed since."""

    def __init__(self, find: Callable[[Sequence[Path]], T]) -> None:
        self._find = find
        self._found: tuple[list[tuple[int, int, int]], T] | None = None

    def of(self, paths: Sequence[Path]) -> T:
        """Return the fact."""
        stamps = [_read_stamp(path) for path in paths]
        if self._found is None or self._found[0] != stamps:
            self._found = stamps, self._find(paths)
        return self._found[1]


def _read_stamp(path: Path) -> tuple[int, int, int]:
    try:
        state = path.stat()
    except OSError as error:
        raise ClipError(f"{path} cannot be read ({error.strerror or error}); check its disk") from error
    return state.st_ino, state.st_size, state.st_mtime_ns


class ImageClip:
    """A folder of images."""

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self.name = folder.name
        self._images = images
        self._size = _FileFact(_read_common_size)
        self._digest = _FileFact(_digest)

    def __len__(self) -> int:
        return len(self._images)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        return [_read_image(self._images[n]) for n in numbers]

    def stream(self, width: int, height: int) -> Iterator[tuple[int, Frame]]:
        for number, path in enumerate(self._images):
            small = Image.fromarray(_read_image(path)).resize((width, height), Image.Resampling.BOX)
            yield number, np.asarray(small)

    def check(self) -> tuple[int, int]:
        return self._size.of(self._images)

    def digest(self) -> str:
        return self._digest.of(self._images)


def _read_common_size(images: Sequence[Path]) -> tuple[int, int]:
    first = _read_size(images[0])
    for path in images[1:]:
        if (size := _read_size(path)) != first:
            raise ClipError(
                f"{path} has {size[0]}x{size[1]} pixels, and the first of clip {path.parent.name!r} has "
                f"{first[0]}x{first[1]}; make them one size, or make two clips of them"
            )
    return first


def _digest(paths: Sequence[Path]) -> str:
    try:
        return digest_files(paths)
    except OSError as error:
        raise ClipError(f"{error.filename} cannot be read ({error.strerror or error}); check its disk") from error


def _read_image(path: Path) -> Frame:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except PILLOW_ERRORS as error:
        raise _unreadable(path, error) from error


def _read_size(path: Path) -> tuple[int, int]:
    """Return width and height by the file's header. For a PNG, check that its end is there."""
    try:
        with Image.open(path) as image:
            size = image.size
        if image.format == "PNG":
            with path.open("rb") as file:
                file.seek(-len(PNG_END), os.SEEK_END)
                if file.read() != PNG_END:
                    raise OSError("its end is missing")
    except PILLOW_ERRORS as error:
        raise _unreadable(path, error) from error
    return size


def _unreadable(path: Path, error: Exception) -> ClipError:
    return ClipError(f"{path} cannot be read ({error}); remove it, or make it again")


def _read_video_size(paths: Sequence[Path]) -> tuple[int, int]:
    (path,) = paths
    with av.open(path.absolute()) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height


class VideoClip:
    """A video file. Frames are numbered in the order in which they are displayed."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._path = path
        self._size = _FileFact(_read_video_size)
        self._digest = _FileFact(_digest)

    def __len__(self) -> int:
        return len(self._times)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        times = {self._times[n] for n in numbers}
        try:
            for start in self._seek_points(min(times)):
                frames: dict[int, Frame] = {}
                with closing(self._decode_from(times, start)) as decoded:
                    for time, frame in decoded:
                        frames[time] = frame
                        if len(frames) == len(times):
                            break
                if len(frames) == len(times):
                    break
        except av.FFmpegError as error:
            raise self._undecodable(error) from error
        if missing := [n for n in numbers if self._times[n] not in frames]:
            raise ClipError(f"{self._path} gives no frame {missing[0]}; remux it, or leave it out")
        return [frames[self._times[n]] for n in numbers]

    def scan(self, numbers: range) -> Iterator[Frame]:
        """Yield the frames that `read` would return, one after the other. Each is decoded once.

        Raises:
            ClipError: a frame cannot be read.
        """
        times = [self._times[n] for n in numbers]
        done = 0
        with (
            suppress(av.FFmpegError),  # `read` finds another way, or says what is wrong
            closing(self._decode_from(set(times), self._seek_points(times[0])[0])) as decoded,
        ):
            for time, frame in decoded:
                if time != times[done]:
                    break
                yield frame
                done += 1
                if done == len(times):
                    return
        for n in numbers[done:]:
            yield from self.read([n])

    def key_frames(self) -> list[int]:
        """Return the numbers of the frames at which decoding can begin, in order."""
        return [bisect_left(self._times, time) for time in self._keys]

    def stream(self, width: int, height: int) -> Iterator[tuple[int, Frame]]:
        scaler = VideoReformatter()
        for number, frame in self.decode():
            # Area scaling averages over the pixels that a small pixel covers, which removes most noise.
            rgb = scaler.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA)
            yield number, np.asarray(rgb.to_ndarray(), np.uint8)

    def decode(self, threads: int = 0) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield all frames in order as the decoder gives them, each with its number. Otherwise like `stream`.

        Args:
            threads: of the decoder; 0 for as many as there are cores.

        Raises:
            ClipError: a frame cannot be read.
        """
        numbers, last, out_of_order = {time: number for number, time in enumerate(self._times)}, -1, 0
        try:
            with av.open(self._path.absolute()) as container:
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                stream.codec_context.thread_count = threads
                for frame in container.decode(stream):
                    number = -1 if frame.pts is None else numbers.get(frame.pts, -1)
                    if number <= last:  # its timestamp was guessed, and is wrong: `read` would not find the frame
                        out_of_order += 1
                        continue
                    yield number, frame
                    last = number
        except av.FFmpegError as error:
            raise self._undecodable(error) from error
        if out_of_order > MOST_OUT_OF_ORDER * len(numbers):
            raise ClipError(
                f"{self._path} has {out_of_order} of {len(numbers)} frames whose times are out of order; encode it anew"
            )

    def check(self) -> tuple[int, int]:
        len(self)  # builds the table of frames, for which all packets are read
        return self._size.of([self._path])

    def digest(self) -> str:
        return self._digest.of([self._path])

    def _decode_from(self, times: Collection[int], start: int | None) -> Generator[tuple[int, Frame]]:
        """Yield frames from a key frame on, each with its timestamp; none if the seek does not lead to the key frame.

        Args:
            times: timestamps of the frames.
            start: timestamp of the key frame; None for the start of the file.
        """
        to_rgb = VideoReformatter()
        with av.open(self._path.absolute()) as container:
            stream = container.streams.video[0]
            if start is not None:
                container.seek(start, stream=stream)
            reached = None
            for packet in container.demux(stream):
                if start is not None and reached is None and packet.is_keyframe:
                    reached = packet.pts
                    # Program streams have few timestamps. FFmpeg guesses the others, after some seeks wrongly.
                    if reached is None or reached > min(times) or self._keys.get(reached, -1) != packet.pos:
                        break
                for frame in packet.decode():
                    if frame.pts is not None and frame.pts in times:
                        rgb = to_rgb.reformat(frame, format="rgb24", interpolation=Interpolation.BICUBIC)
                        yield frame.pts, np.asarray(rgb.to_ndarray(), np.uint8)

    def _seek_points(self, time: int) -> list[int | None]:
        """Return where to start decoding for a timestamp: timestamps of key frames, then None for the file's start.

        The first is the key frame before it. Earlier ones follow, as containers without an index may seek too far.
        """
        keys = list(self._keys)
        key = max(bisect_right(keys, time) - 1, 0)
        return [*(keys[key - back] for back in SEEK_BACK if back <= key), None]

    def _undecodable(self, error: Exception) -> ClipError:
        return ClipError(f"{self._path} cannot be decoded ({error}); remux it, or leave it out")

    @property
    def _times(self) -> list[int]:
        """Timestamps of all frames, in order."""
        return self._table[0]

    @property
    def _keys(self) -> dict[int, int | None]:
        """Position of each key frame in the file, by its timestamp, in order."""
        return self._table[1]

    @cached_property
    def _table(self) -> tuple[list[int], dict[int, int | None]]:
        """Values of `_times` and `_keys`. All packets are read, none is decoded."""
        times: list[int] = []
        keys: dict[int, int | None] = {}
        try:
            with av.open(self._path.absolute()) as container:
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
            raise ClipError(f"{self._path} has no frame with a timestamp; remux it, or leave it out")
        return sorted(times), dict(sorted(keys.items()))
