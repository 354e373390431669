"""Writes clips as folders of PNG: a folder appears when it is complete, and says what it was made of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vsanimesr.identity import file_digest

from ..data.clips import IMAGE_SUFFIXES, Frame, VideoClip
from ..errors import DatasetError
from ..origin import Origin, read_origin, write_origin
from .sources import Source, show

FORMAT = "1"
"""Version of what is written. Raise it if pixels can change."""
COMPRESSION = 3
"""Of PNG, by zlib's scale: 3 is as fast as 1, for a quarter less."""
DIGITS = 16
"""Digits of a file's SHA-256 that are kept."""


@dataclass(frozen=True)
class ClipTask:
    """A clip to write."""

    source: Source
    first: int
    """Number of the first frame in the video."""
    frames: int
    folder: Path
    work: Path
    """Folder that the clip is written in, on the same disk. It is renamed at the end."""
    expected: Sequence[str] = ()
    """Hashes of the files, of a clip that was written before."""

    def __str__(self) -> str:
        return f"{show(self.folder)} of {show(self.source.path)}"

    @property
    def origin(self) -> Origin:
        """What the clip is made of."""
        size = f"{self.source.width}x{self.source.height}"
        return {"format": FORMAT, "video": self.source.digest, "frames": f"{self.first}+{self.frames}", "size": size}


def write_clip(task: ClipTask, advance: Callable[[int], None]) -> list[str]:
    """Write a clip, unless its folder is there and was made of the same, and return the hashes of its files.

    Raises:
        ClipError: a frame cannot be read.
        DatasetError: the folder belongs to something else, or cannot be written.
    """
    if task.folder.exists():
        advance(task.frames)
        return _keep(task)
    work = task.work / task.folder.name
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        frames = VideoClip(task.source.path).scan(range(task.first, task.first + task.frames))
        for number, frame in enumerate(frames):
            _write_png(work / f"{number:08}.png", make_square(frame, task.source))
            advance(1)
        write_origin(work, task.origin)
        hashes = hash_files(work)
        work.rename(task.folder)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise DatasetError(
            f"{show(task.folder)} cannot be written ({error.strerror or error}); free some space, and build again"
        ) from error
    return hashes


def _keep(task: ClipTask) -> list[str]:
    """Return the hashes of a clip whose folder is there."""
    try:
        found = hash_files(task.folder)
    except OSError as error:
        raise DatasetError(f"{show(task.folder)} cannot be read ({error.strerror or error}); check its disk") from error
    if task.expected and found != list(task.expected):
        raise DatasetError(
            f"{show(task.folder)} has changed since it was written, and is left as it is; remove it, and build again"
        )
    if not task.expected and (read_origin(task.folder) != task.origin or len(found) != task.frames):
        raise DatasetError(f"{show(task.folder)} is there and is no clip of this set; rename it, and build again")
    return found


def make_square(frame: Frame, source: Source) -> Frame:
    """Return a frame with square pixels: its width is scaled."""
    size = source.width, source.height
    if (frame.shape[1], frame.shape[0]) == size:
        return frame
    kernel = cv2.INTER_AREA if source.width < frame.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, size, interpolation=kernel), np.uint8)


def _write_png(file: Path, frame: Frame) -> None:
    file.write_bytes(encode_png(frame))


def encode_png(frame: Frame) -> bytes:
    """Return a frame as a PNG file. Not by imwrite, which takes no names that the system's code page lacks."""
    return cv2.imencode(".png", frame[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])[1].tobytes()


def hash_files(folder: Path) -> list[str]:
    """Return a hash of each image of a clip, in the order of their names.

    Raises:
        OSError: a file cannot be read.
    """
    return [hash_file(each) for each in images_of(folder)]


def hash_file(file: Path) -> str:
    """Return the first digits of the SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    return file_digest(file)[:DIGITS]


def images_of(folder: Path) -> Sequence[Path]:
    """Return the images of a folder, sorted; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES)
