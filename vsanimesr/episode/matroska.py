"""What PyAV cannot tell FFmpeg's Matroska muxer about a video: the shape of its pixels, and HDR metadata.

They are written into the finished file. The track's name holds `ROOM` until then, so that nothing behind the track
moves: the name makes way for the new elements, and a void element fills what is left.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import MediaError

if TYPE_CHECKING:
    from .media import Hdr

ROOM = "." * 300
"""What the name of the video's track must end in."""

SEGMENT, TRACKS, CRC32, VOID = 0x18538067, 0x1654AE6B, 0xBF, 0xEC
TRACK_ENTRY, TRACK_TYPE, NAME, VIDEO = 0xAE, 0x83, 0x536E, 0xE0
PIXEL_WIDTH, PIXEL_HEIGHT = 0xB0, 0xBA
DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
COLOUR, MAX_CLL, MAX_FALL, MASTERING, FIRST_OF_MASTERING = 0x55B0, 0x55BC, 0x55BD, 0x55D0, 0x55D1
TYPE_VIDEO = 1
UNKNOWN_SIZES = {(1 << 7 * width) - 1 for width in range(1, 9)}
"""Of a segment that is written while it is sent."""


class Element(NamedTuple):
    """An element: its id, and its payload data[start:end]."""

    id: int
    start: int
    end: int


def complete_video_track(path: Path, sample_aspect: Fraction | None, hdr: Hdr | None) -> None:
    """Write shape and HDR metadata into the first video track of a file, whose name ends in `ROOM`.

    Raises:
        MediaError: there is no such track.
        OSError: the file cannot be read or written.
    """
    with path.open("rb+") as file:
        at, size = _find_tracks(path)
        file.seek(at)
        tracks = bytearray(file.read(size))
        for entry in _children(tracks, 0, size):
            if entry.id == TRACK_ENTRY and _number(tracks, entry, TRACK_TYPE) == TYPE_VIDEO:
                tracks[entry.start : entry.end] = _complete(bytes(tracks[entry.start : entry.end]), sample_aspect, hdr)
                break
        else:
            raise MediaError(f"{path} has no video track")
        first = next(_children(tracks, 0, size))
        if first.id == CRC32:
            tracks[first.start : first.end] = struct.pack("<I", zlib.crc32(tracks[first.end :]))
        file.seek(at)
        file.write(tracks)


def is_cut_off(path: Path) -> bool:
    """Return whether a file of Matroska ends before it says so itself.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        header = _head(file.read(12), 0)
        file.seek(header.end)
        segment = _head(file.read(12), header.end)
    is_live = segment.end - segment.start in UNKNOWN_SIZES
    return not is_live and segment.end > path.stat().st_size


def _complete(entry: bytes, sample_aspect: Fraction | None, hdr: Hdr | None) -> bytes:
    """Return the payload of a track entry, of the same length, with what is to be said of the video."""
    parts: list[bytes] = []
    for child in _children(entry, 0, len(entry)):
        payload = entry[child.start : child.end]
        if child.id == NAME:
            payload = payload.removesuffix(ROOM.encode())
            if not payload:
                continue
        elif child.id == VIDEO:
            payload = _video(payload, sample_aspect, hdr)
        parts.append(_element(child.id, payload))
    body = b"".join(parts)
    return body + _void(len(entry) - len(body))


def _video(video: bytes, sample_aspect: Fraction | None, hdr: Hdr | None) -> bytes:
    children = {child.id: video[child.start : child.end] for child in _children(video, 0, len(video))}
    if sample_aspect:
        width, height = (int.from_bytes(children[each]) for each in (PIXEL_WIDTH, PIXEL_HEIGHT))
        children.pop(DISPLAY_UNIT, None)
        shown_width, shown_height = _display_size(width, height, sample_aspect)
        children[DISPLAY_WIDTH] = _integer(shown_width)
        children[DISPLAY_HEIGHT] = _integer(shown_height)
    if hdr:
        children[COLOUR] = children.get(COLOUR, b"") + _hdr(hdr)
    return b"".join(_element(each, payload) for each, payload in children.items())


def _display_size(width: int, height: int, sample_aspect: Fraction) -> tuple[int, int]:
    """Return a size with exactly the shape in which a frame is shown, or nearly if such a size is much larger."""
    shape = Fraction(width, height) * sample_aspect
    factor = -(-height // shape.denominator)
    if 10 * factor * shape.denominator <= 11 * height:
        return factor * shape.numerator, factor * shape.denominator
    return round(height * shape), height


def _hdr(hdr: Hdr) -> bytes:
    parts = []
    if hdr.light:
        parts += [_element(MAX_CLL, _integer(hdr.light[0])), _element(MAX_FALL, _integer(hdr.light[1]))]
    if shown := hdr.mastering:
        values = [*shown.red, *shown.green, *shown.blue, *shown.white, shown.brightest, shown.darkest]
        numbers = enumerate(values, FIRST_OF_MASTERING)
        parts.append(_element(MASTERING, b"".join(_element(each, struct.pack(">d", value)) for each, value in numbers)))
    return b"".join(parts)


def _find_tracks(path: Path) -> tuple[int, int]:
    """Return where the payload of the tracks begins, and its length."""
    with path.open("rb") as file:
        at = 0
        while head := file.read(12):
            try:
                element = _head(head, at)
            except IndexError:
                break
            if element.id == TRACKS:
                return element.start, element.end - element.start
            at = element.start if element.id == SEGMENT else element.end
            file.seek(at)
    raise MediaError(f"{path} has no tracks")


def _children(data: bytes | bytearray, start: int, end: int) -> Iterator[Element]:
    while start < end:
        child = _head(data[start : start + 12], start)
        yield child
        start = child.end


def _head(data: bytes | bytearray, at: int) -> Element:
    """Read id and size at the start of `data`, which is at this place."""
    length = 9 - data[0].bit_length()
    width = 9 - data[length].bit_length()
    size = int.from_bytes(data[length : length + width]) - (1 << 7 * width)
    start = at + length + width
    return Element(int.from_bytes(data[:length]), start, start + size)


def _number(data: bytes | bytearray, parent: Element, id: int) -> int:
    found = (child for child in _children(data, parent.start, parent.end) if child.id == id)
    return next((int.from_bytes(data[child.start : child.end]) for child in found), 0)


def _element(id: int, payload: bytes) -> bytes:
    width = next(width for width in range(1, 9) if len(payload) < (1 << 7 * width) - 1)
    size = len(payload) + (1 << 7 * width)
    return id.to_bytes((id.bit_length() + 7) // 8) + size.to_bytes(width) + payload


def _integer(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8))


def _void(length: int) -> bytes:
    """Return a void element of so many bytes, at least 9."""
    if length < 9:
        raise MediaError("the track has no room for what is to be said of the video")
    return bytes([VOID]) + (length - 9 + (1 << 56)).to_bytes(8) + bytes(length - 9)
