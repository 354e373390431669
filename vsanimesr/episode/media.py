"""What a media file says of itself: streams, times, shape and colours of the video, chapters."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MediaError
from . import libav

if TYPE_CHECKING:
    import av

UNSPECIFIED = 2
"""Code of H.273 for "not known", of matrix, primaries and transfer."""
LOOKED_AT = 100
"""Frames that are decoded at each of three places to see whether the video is interlaced."""
ABSOLUTE = {"matroska", "mov"}
"""Containers whose times count from zero. In others, such as .vob and .ts, they count from where the file starts."""


@dataclass(frozen=True, slots=True)
class ColourTags:
    """What the samples of a video mean: codes of H.273, and None where nothing is known."""

    matrix: int | None = None
    primaries: int | None = None
    transfer: int | None = None
    range: int | None = None
    """0 limited, 1 full, as VapourSynth's `_Range`."""
    chroma_location: int | None = None
    """As VapourSynth's `_ChromaLocation`: 0 left, 1 centre, 2 top left, ..."""


@dataclass(frozen=True, slots=True)
class Mastering:
    """The display that HDR video was graded on: CIE 1931 x, y of its primaries, and its luminances in cd/m²."""

    red: tuple[Fraction, Fraction]
    green: tuple[Fraction, Fraction]
    blue: tuple[Fraction, Fraction]
    white: tuple[Fraction, Fraction]
    darkest: Fraction
    brightest: Fraction


@dataclass(frozen=True, slots=True)
class Hdr:
    """Static metadata of HDR video."""

    mastering: Mastering | None = None
    light: tuple[int, int] | None = None
    """MaxCLL and MaxFALL: the brightest pixel and the brightest frame average, in cd/m²."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Hints of interlacing and of repeated fields."""

    first: str | None = None
    """What the header says: `progressive`, `top`, `bottom` (field first), or None."""
    frames: int = 0
    """Frames that were decoded to see."""
    interlaced: int = 0
    """How many of them are flagged as interlaced."""
    repeated: int = 0
    """How many of them are shown half as long again as the shortest: film on an NTSC DVD, by its flags."""

    @property
    def progressive(self) -> float | None:
        """Share of frames that are flagged as progressive."""
        return 1 - self.interlaced / self.frames if self.frames else None


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of a file, other than its data."""

    index: int
    kind: str
    """`video`, `audio`, `subtitle`, `attachment`, `data`."""
    codec: str
    language: str | None = None
    title: str | None = None
    default: bool = False
    picture: bool = False
    """A cover, which containers keep as a video of one frame."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter; seconds from the container's zero."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True, slots=True)
class Media:
    """What a file says."""

    path: Path
    container: str
    width: int
    height: int
    frame_rate: Fraction
    start: Fraction
    """When the first frame of the video is shown, in seconds from the container's zero."""
    duration: Fraction | None
    """Seconds from the container's zero to its end."""
    sample_aspect: Fraction | None
    colours: ColourTags
    hdr: Hdr | None
    streams: tuple[Stream, ...]
    video: int
    """Index of the video among the streams."""
    chapters: tuple[Chapter, ...]
    fields: Fields
    origin: Fraction = Fraction(0)
    """The time in the file, in seconds, that is the container's zero."""
    metadata: Mapping[str, str] = field(default_factory=dict)


def probe(path: Path) -> Media:
    """Read what a file says, and decode up to 300 frames to see whether it is interlaced.

    Raises:
        MediaError: the file cannot be read, or holds no video.
    """
    av = libav.load()
    with libav.reading(path), av.open(str(path), "r") as container:
        video = main_video(container, path)
        zero = origin(container)
        start = Fraction(video.start_time or 0) * _unit(video) - zero
        duration = None if container.duration is None else Fraction(container.duration, av.time_base)
        end = (
            duration
            if duration is None or zero or not container.start_time
            else (duration + Fraction(container.start_time, av.time_base))
        )
        streams = tuple(_stream(each) for each in container.streams)
        chapters = tuple(_chapter(each, zero) for each in container.chapters())
        tags, aspect = _tags(video), Fraction(video.sample_aspect_ratio or 0)
        rate = Fraction(video.guessed_rate or video.average_rate or 0)
        fields, hdr, first = _look(container, video, duration)
        if first is not None:
            tags = _completed(tags, first)
        if not rate:
            raise MediaError(f"{path} does not say how many frames a second it has; remux it with mkvmerge")
        return Media(
            path=path,
            container=container.format.name.partition(",")[0],
            width=video.width,
            height=video.height,
            frame_rate=rate,
            start=start,
            duration=end,
            sample_aspect=aspect or None,
            colours=tags,
            hdr=hdr,
            streams=streams,
            video=video.index,
            chapters=chapters,
            fields=fields,
            origin=zero,
            metadata=dict(container.metadata),
        )


def frame_times(path: Path) -> list[Fraction]:
    """Return when each frame of the video is shown, in seconds from the container's zero, in the order of showing.

    They are the times of the packets; nothing is decoded. So of MPEG-2 whose fields are stored one by one there are two
    for each frame.

    Raises:
        MediaError: the file cannot be read, or a frame has no time.
    """
    av = libav.load()
    with libav.reading(path), av.open(str(path), "r") as container:
        video, zero = main_video(container, path), origin(container)
        packets = [packet for packet in container.demux(video) if packet.size and not packet.is_discard]
        if any(packet.pts is None for packet in packets):
            raise MediaError(f"{path} has frames without a time; remux it with mkvmerge")
        return sorted(packet.pts * Fraction(packet.time_base) - zero for packet in packets)


def main_video(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the first video that is no cover.

    Raises:
        MediaError: there is none, or nothing decodes it.
    """
    libav_names = libav.load().stream.Disposition
    for stream in container.streams.video:
        if not stream.disposition & libav_names.attached_pic:
            if stream.codec_context is None or not stream.codec_context.width:
                raise MediaError(f"{path}: nothing here decodes its video")
            return stream
    raise MediaError(f"{path} holds no video")


def origin(container: av.container.InputContainer) -> Fraction:
    """Return the time in a file, in seconds, that is the container's zero."""
    if container.format.name.partition(",")[0] in ABSOLUTE or container.start_time is None:
        return Fraction(0)
    return Fraction(container.start_time, libav.load().time_base)


def _unit(stream: Any) -> Fraction:
    return Fraction(stream.time_base)


def _stream(stream: Any) -> Stream:
    flags = libav.load().stream.Disposition
    context = stream.codec_context
    return Stream(
        index=stream.index,
        kind=stream.type,
        codec=context.codec.canonical_name if context is not None else str(stream.name or "unknown"),
        language=stream.metadata.get("language"),
        title=stream.metadata.get("title"),
        default=bool(stream.disposition & flags.default),
        picture=bool(stream.disposition & flags.attached_pic),
    )


def _chapter(chapter: Mapping[str, Any], zero: Fraction) -> Chapter:
    unit = Fraction(chapter["time_base"])
    title = chapter["metadata"].get("title", "")
    return Chapter(chapter["start"] * unit - zero, chapter["end"] * unit - zero, title)


def _tags(video: av.VideoStream) -> ColourTags:
    def known(code: int) -> int | None:
        return None if code == UNSPECIFIED else code

    return ColourTags(
        matrix=known(video.colorspace),
        primaries=known(video.color_primaries),
        transfer=known(video.color_trc),
        range={1: 0, 2: 1}.get(video.color_range),
        chroma_location=video.chroma_sample_location - 1 if video.chroma_sample_location else None,
    )


def _completed(tags: ColourTags, frame: av.VideoFrame) -> ColourTags:
    """Take from a decoded frame what the header does not say."""
    found = ColourTags(
        matrix=None if frame.colorspace == UNSPECIFIED else frame.colorspace,
        primaries=None if frame.color_primaries == UNSPECIFIED else frame.color_primaries,
        transfer=None if frame.color_trc == UNSPECIFIED else frame.color_trc,
        range={1: 0, 2: 1}.get(frame.color_range),
        chroma_location=frame.chroma_location - 1 if frame.chroma_location else None,
    )
    merged = {
        name: getattr(found, name) if getattr(tags, name) is None else getattr(tags, name)
        for name in ColourTags.__dataclass_fields__
    }
    return ColourTags(**merged)


def _look(
    container: av.container.InputContainer, video: av.VideoStream, duration: Fraction | None
) -> tuple[Fields, Hdr | None, av.VideoFrame | None]:
    """Decode frames at three places. Return hints of interlacing, HDR metadata, and the first frame."""
    av = libav.load()
    order = {1: "progressive", 2: "top", 5: "top", 3: "bottom", 4: "bottom"}.get(video.codec_context.field_order)
    video.thread_type = "AUTO"
    first, frames, interlaced, repeated = None, 0, 0, 0
    for place in (0, 1, 2) if duration and duration > 60 else (0,):
        if place:
            container.seek(int((duration or 0) * place / 3 * av.time_base) + (container.start_time or 0))
        times = []
        for frame in _decoded(container, video):
            first = first or frame
            frames += 1
            interlaced += frame.interlaced_frame
            times.append(frame.pts)
        repeated += _count_repeated([time for time in times if time is not None])
    return Fields(order, frames, interlaced, repeated), _hdr(video, first), first


def _decoded(container: av.container.InputContainer, video: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Decode the next `LOOKED_AT` frames; a damaged one ends it."""
    av = libav.load()
    try:
        yield from islice(container.decode(video), LOOKED_AT)
    except av.FFmpegError:
        return


def _count_repeated(times: list[int]) -> int:
    """Count frames that are shown 1.5 times as long as the shortest."""
    lengths = [after - before for before, after in zip(times, times[1:], strict=False) if after > before]
    return sum(1.4 < length / min(lengths) < 1.6 for length in lengths)


def _hdr(video: av.VideoStream, first: av.VideoFrame | None) -> Hdr | None:
    """Read HDR metadata of the container, else of the first frame."""
    data: dict[str, bytes] = dict(video.codec_context.coded_side_data)
    if first is not None:
        data = {each.type.name.lower(): bytes(each) for each in first.side_data.values()} | data
    mastering = _mastering(data.get("mastering_display_metadata", b""))
    light = data.get("content_light_level", b"")
    levels = struct.unpack("=II", light[:8]) if len(light) >= 8 else None
    return Hdr(mastering, levels) if mastering or levels else None


def _mastering(data: bytes) -> Mastering | None:
    """Read AVMasteringDisplayMetadata: ten fractions, and whether primaries and luminances are known."""
    if len(data) < 88:
        return None
    numbers = struct.unpack("=22i", data[:88])
    if not all(numbers[20:]) or not all(numbers[1:20:2]):
        return None
    values = [Fraction(numbers[at], numbers[at + 1]) for at in range(0, 20, 2)]
    red, green, blue, white = ((values[at], values[at + 1]) for at in range(0, 8, 2))
    return Mastering(red, green, blue, white, values[8], values[9])
