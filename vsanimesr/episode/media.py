"""What a media file says of itself: streams, times, shape and colours of the video, chapters."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MediaError
from . import libav, matroska

if TYPE_CHECKING:
    import av

UNSPECIFIED = 2
"""Code of H.273 for "not known", of matrix, primaries and transfer."""
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfers of HDR video by their codes of H.273."""
LOOKED_AT = 100
"""Frames that are decoded at each place to see whether the video is interlaced."""
PLACES, LONG = (Fraction(0), Fraction(1, 3), Fraction(2, 3)), 60
"""Parts of the duration where frames are decoded, and from how many seconds on there are three."""
FIRST_FIELDS = {1: "progressive", 2: "top", 3: "bottom", 4: "interlaced", 5: "interlaced"}
"""Which field is shown first, by FFmpeg's code of the order. MP4 and Matroska mean opposite orders by 4 and 5."""
DYNAMIC = {
    "dovi_conf": "Dolby Vision",
    "dovi_rpu_buffer": "Dolby Vision",
    "dovi_metadata": "Dolby Vision",
    "dynamic_hdr10_plus": "HDR10+",
    "dynamic_hdr_plus": "HDR10+",
}
"""Names of dynamic HDR metadata by FFmpeg's names."""
EXTENSION, PICTURE_CODING, REPEAT_FIRST_FIELD = b"\x00\x00\x01\xb5", 8, 0x02
"""In MPEG-2: the start code of an extension, the number of the one of a picture, and a flag in its fourth byte."""
CUT_OFF = "partial file"
"""What FFmpeg says of an MP4 that is cut off. Of Matroska it does not always say it."""
MASTERING = struct.Struct("=22i")
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

    @property
    def hdr(self) -> str | None:
        """The name of the transfer of HDR video; None for any other."""
        return HDR_TRANSFERS.get(self.transfer or UNSPECIFIED)


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
    """What the header says: `progressive`, `top` or `bottom` (field first), `interlaced` (first field not certain)."""
    frames: int = 0
    """Frames that were decoded to see."""
    interlaced: int = 0
    """How many of them are flagged as interlaced."""
    repeated: int = 0
    """How many of them repeat a field, by the flags of MPEG-2: film on an NTSC DVD."""

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
    dynamic_hdr: tuple[str, ...] = ()
    """Names of HDR metadata that change from frame to frame, which no encoder here takes."""
    origin: Fraction = Fraction(0)
    """The time in the file, in seconds, that is the container's zero."""
    metadata: Mapping[str, str] = field(default_factory=dict)


def probe(path: Path) -> Media:
    """Read what a file says, and decode up to 300 frames to see whether it is interlaced.

    Raises:
        MediaError: the file cannot be read, or holds no video that can be decoded.
    """
    with libav.opened(path) as container, libav.reading(path):
        video, zero = main_video(container, path), origin(container)
        rate = libav.fraction(video.guessed_rate or video.average_rate)
        if not rate:
            raise MediaError(f"{path} does not say how many frames a second it has; remux it with mkvmerge")
        start = (video.start_time or 0) * libav.fraction(video.time_base) - zero
        duration = _duration(container, zero)
        fields, first = _look(container, video, duration)
        data = _side_data(video, first)
        if _needs_dolby_vision(data.get("dovi_conf", b"")):
            raise MediaError(
                f"{path} is Dolby Vision without a picture for other players (profile 5): its colours cannot be read "
                "here; use another release of it"
            )
        return Media(
            path=path,
            container=container.format.name.partition(",")[0],
            width=video.width,
            height=video.height,
            frame_rate=rate,
            start=start,
            duration=duration,
            sample_aspect=libav.fraction(video.sample_aspect_ratio) or None,
            colours=_tags(video),
            hdr=_hdr(data),
            streams=tuple(_stream(each) for each in container.streams),
            video=video.index,
            chapters=tuple(_chapter(each, zero) for each in container.chapters()),
            fields=fields,
            dynamic_hdr=tuple(sorted({name for key, name in DYNAMIC.items() if key in data})),
            origin=zero,
            metadata=dict(container.metadata),
        )


def frame_times(path: Path, tell: Callable[[str], None] = lambda _: None) -> list[Fraction]:
    """Return when each frame of the video is shown, in seconds from the container's zero, in the order of showing.

    They are the times of the packets; nothing is decoded. So of MPEG-2 whose fields are stored one by one there are two
    for each frame.

    Args:
        tell: called with what a user should know: the file ends before its end.

    Raises:
        MediaError: the file cannot be read, or a frame has no time.
    """
    with libav.opened(path) as container, libav.reading(path), libav.listening() as logs:
        video, zero = main_video(container, path), origin(container)
        unit = libav.fraction(video.time_base)
        # Not a list of packets: it would hold the whole video.
        ticks = [packet.pts for packet in container.demux(video) if packet.size and not packet.is_discard]
        times = sorted(tick * unit - zero for tick in ticks if tick is not None)
        if len(times) < len(ticks):
            raise MediaError(f"{path} has frames without a time; remux it with mkvmerge")
        is_matroska = container.format.name.startswith("matroska")
        if matroska.is_cut_off(path) if is_matroska else any(CUT_OFF in text for _, _, text in logs):
            whole, end = _duration(container, zero), float(times[-1]) if times else 0
            of = f" of {float(whole):.1f} s" if whole else ""
            tell(f"{path.name} is cut off: its video ends at {end:.1f} s{of}. What is there is encoded")
        return times


def main_video(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the first video that is no cover.

    Raises:
        MediaError: there is none, or nothing decodes it.
    """
    cover = libav.load().stream.Disposition.attached_pic
    for stream in container.streams.video:
        if not stream.disposition & cover:
            if stream.codec_context is None or not stream.codec_context.width:
                raise MediaError(f"{path}: its video cannot be decoded here")
            return stream
    raise MediaError(f"{path} holds no video")


def origin(container: av.container.InputContainer) -> Fraction:
    """Return the time in a file, in seconds, that is the container's zero."""
    if container.format.name.partition(",")[0] in ABSOLUTE or container.start_time is None:
        return Fraction(0)
    return Fraction(container.start_time, libav.load().time_base)


def _duration(container: av.container.InputContainer, zero: Fraction) -> Fraction | None:
    """Return when the last stream ends, in seconds from the container's zero."""
    # Streams of MP4 have durations of their own, without the time before they begin. Those of Matroska have none.
    ends = [
        ((stream.start_time or 0) + stream.duration) * libav.fraction(stream.time_base) - zero
        for stream in container.streams
        if stream.duration
    ]
    whole = None if container.duration is None else Fraction(container.duration, libav.load().time_base)
    return max([*ends, *([] if whole is None else [whole])], default=None)


def _stream(stream: Any) -> Stream:
    flags = libav.load().stream.Disposition
    if stream.type == "attachment":
        codec = stream.mimetype or "of no type"
    else:
        codec = "unknown" if stream.codec_context is None else stream.codec_context.codec.canonical_name
    return Stream(
        index=stream.index,
        kind=stream.type,
        codec=stream.name or codec if stream.type == "data" else codec,
        language=stream.metadata.get("language"),
        title=stream.metadata.get("title"),
        default=bool(stream.disposition & flags.default),
        picture=bool(stream.disposition & flags.attached_pic),
    )


def _chapter(chapter: Mapping[str, Any], zero: Fraction) -> Chapter:
    unit, title = libav.fraction(chapter["time_base"]), chapter["metadata"].get("title", "")
    return Chapter(chapter["start"] * unit - zero, chapter["end"] * unit - zero, title)


def _tags(video: av.VideoStream) -> ColourTags:
    """Return what container and stream say."""
    codes = (video.colorspace, video.color_primaries, video.color_trc)
    matrix, primaries, transfer = (None if code == UNSPECIFIED else code for code in codes)
    # FFmpeg counts ranges from 1 limited, 2 full, and locations from 1 left.
    full, location = video.color_range - 1, video.chroma_sample_location - 1
    return ColourTags(matrix, primaries, transfer, full if full >= 0 else None, location if location >= 0 else None)


def _look(
    container: av.container.InputContainer, video: av.VideoStream, duration: Fraction | None
) -> tuple[Fields, av.VideoFrame | None]:
    """Decode frames at three places. Return hints of interlacing, and the first frame."""
    first, frames, interlaced, repeated = None, 0, 0, 0
    video.thread_type = "AUTO"
    is_mpeg2 = video.codec_context.codec.canonical_name == "mpeg2video"
    for place in PLACES if duration and duration > LONG else PLACES[:1]:
        with suppress(libav.load().FFmpegError):  # as many frames as can be decoded
            if place:
                container.seek(int((duration or 0) * place * libav.load().time_base) + (container.start_time or 0))
            until = frames + LOOKED_AT
            for packet in container.demux(video):
                repeated += is_mpeg2 and _repeats_field(bytes(packet))
                for frame in packet.decode():
                    first = first or frame
                    frames += 1
                    interlaced += frame.interlaced_frame
                if frames >= until:
                    break
    return Fields(FIRST_FIELDS.get(video.codec_context.field_order), frames, interlaced, repeated), first


def _repeats_field(picture: bytes) -> bool:
    """Return whether a picture of MPEG-2 is flagged to repeat a field, in its picture coding extension (6.2.3.1)."""
    at = picture.find(EXTENSION)
    while at >= 0:
        extension = picture[at + len(EXTENSION) : at + len(EXTENSION) + 4]
        if len(extension) == 4 and extension[0] >> 4 == PICTURE_CODING:
            return bool(extension[3] & REPEAT_FIRST_FIELD)
        at = picture.find(EXTENSION, at + len(EXTENSION))
    return False


def _side_data(video: av.VideoStream, first: av.VideoFrame | None) -> dict[str, bytes]:
    """Return metadata of the first frame, and of the container, which counts more."""
    data = {} if first is None else {each.type.name.lower(): bytes(each) for each in first.side_data.values()}
    data.update({str(name): content for name, content in video.codec_context.coded_side_data.items()})
    return data


def _needs_dolby_vision(configuration: bytes) -> bool:
    """Return whether the colours of a video are only known by its Dolby Vision metadata.

    FFmpeg's structure has eight bytes: version (2), profile, level, three flags, and what other players show (0:
    nothing).
    """
    return len(configuration) >= 8 and configuration[7] == 0


def _hdr(data: Mapping[str, bytes]) -> Hdr | None:
    mastering = _mastering(data.get("mastering_display_metadata", b""))
    levels = struct.unpack("=II", data["content_light_level"][:8]) if "content_light_level" in data else None
    return Hdr(mastering, levels) if mastering or levels else None


def _mastering(data: bytes) -> Mastering | None:
    """Read FFmpeg's structure: ten fractions, then whether primaries and luminances are known."""
    if len(data) < MASTERING.size:
        return None
    numbers = MASTERING.unpack(data[: MASTERING.size])
    if not all(numbers[20:]) or not all(numbers[1:20:2]):
        return None
    values = [Fraction(numbers[at], numbers[at + 1]) for at in range(0, 20, 2)]
    red, green, blue, white = ((values[at], values[at + 1]) for at in range(0, 8, 2))
    return Mastering(red, green, blue, white, values[8], values[9])
