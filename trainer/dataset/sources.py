"""Videos that clips are taken from, and what each says of itself."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from vsanimesr.files import is_hidden
from vsanimesr.identity import fingerprint

from ..data.clips import VIDEO_SUFFIXES
from ..errors import ClipError, DatasetError

_log = logging.getLogger(__name__)

EVEN = 2
"""Widths of clips with square pixels are multiples of this, as those of `prepare`."""
MOST_NAME_BYTES = 80
"""Longest part of a clip's name that comes from its video. File systems take 255 bytes."""
UNKNOWN_RATE = Fraction(24)
"""Frames a second of a video that does not say."""


@dataclass(frozen=True)
class Source:
    """A video file."""

    path: Path
    digest: str
    """Tells its content from that of other files."""
    width: int
    """Of its frames with square pixels."""
    height: int
    aspect: Fraction
    """Width of a pixel as stored, relative to its height."""
    rate: Fraction
    """Frames a second."""
    frames: int
    """By what the file says: right within a few percent."""


def find_videos(paths: Iterable[Path]) -> list[Path]:
    """Return the videos that paths name: files as they are, and of folders all videos in them, sorted. Each once.

    A path that names nothing, or a folder without videos, is returned as it is, for `read_source` to say so.

    Raises:
        DatasetError: no path names a file.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found |= dict.fromkeys((path.is_dir() and _videos_in(path)) or [path])
    if not any(path.is_file() for path in found):
        raise DatasetError("; ".join(_fault_of(path) for path in found))
    return list(found)


def _videos_in(folder: Path) -> list[Path]:
    """Return the videos of a folder, and log what else is in it."""
    files = sorted(each for each in folder.rglob("*") if not is_hidden(each) and each.is_file())
    others = Counter(each.suffix.lower() or each.name for each in files if each.suffix.lower() not in VIDEO_SUFFIXES)
    if others:
        kinds = ", ".join(f"{number} {show(kind)}" for kind, number in sorted(others.items()))
        _log.info("%s: by their names no videos, and left out: %s", show(folder), kinds)
    return [each for each in files if each.suffix.lower() in VIDEO_SUFFIXES]


def _fault_of(path: Path) -> str:
    """Return why a path names no video file; nothing if it names a file."""
    if path.is_file():
        return ""
    if path.is_dir():
        return f"{show(path)} holds no videos ({', '.join(sorted(VIDEO_SUFFIXES))}); leave it out"
    if path.exists():
        return f"{show(path)} is no file; leave it out"
    return f"{show(path)} does not exist; name videos, or folders of videos"


def read_source(path: Path) -> Source:
    """Return what a video says of itself.

    Raises:
        ClipError: it does not exist, cannot be read, or has no video.
    """
    if fault := _fault_of(path):
        raise ClipError(fault)
    try:
        with av.open(path.absolute()) as container:
            streams = [each for each in container.streams.video if not _is_cover(each)]
            if not streams or container.streams.video[0] is not streams[0]:
                raise ClipError(f"{show(path)} has no video, only sound or pictures; leave it out")
            stream = streams[0]
            if not stream.width or not stream.height:
                raise ClipError(f"{show(path)} does not say how large its frames are; remux it, or leave it out")
            aspect = _fraction(stream.sample_aspect_ratio) or Fraction(1)
            rate = _fraction(stream.average_rate) or _fraction(stream.guessed_rate) or UNKNOWN_RATE
            seconds = Fraction(container.duration or 0, av.time_base)
            width = stream.width if aspect == 1 else max(round(stream.width * aspect / EVEN) * EVEN, EVEN)
            frames = stream.frames or round(seconds * rate)
            return Source(path, fingerprint(path), width, stream.height, aspect, rate, frames)
    except (av.FFmpegError, OSError) as error:
        raise ClipError(f"{show(path)} cannot be read ({_reason(error)}); remux it, or leave it out") from error


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _fraction(ratio: Any) -> Fraction:
    """Return a ratio of PyAV, whose type differs between versions; 0 if there is none."""
    return Fraction(ratio.numerator, ratio.denominator) if ratio and ratio.denominator else Fraction(0)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def show(path: Path | str) -> str:
    """Return a path as text that fits into a line, whatever bytes its name has."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def clip_name(stem: str, first: int, taken: Sequence[str] | set[str] = ()) -> str:
    """Return the name of a clip's folder: letters and digits of its video's name, and its first frame.

    Args:
        taken: names that other clips have.
    """
    slug = "-".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", stem))) or "video"
    slug = slug.encode()[:MOST_NAME_BYTES].decode("utf-8", "ignore")
    names = (f"{slug}{f'-{number}' if number > 1 else ''}-{first:06}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
