"""Everything of a source but its video: what becomes of each stream, and its packets."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import libav
from .media import Media
from .timeline import MILLISECOND, to_ticks

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

FORMATS = {"mkv": "matroska", "mp4": "mp4"}
"""FFmpeg's names of the containers."""
TEXT = {"subrip", "ass", "ssa", "webvtt", "text", "mov_text"}
"""Subtitles that can be written as each other."""
OLD_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""Tags of a file that are about its container."""
OLD = ("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS", "ENCODER", "SOURCE_ID", "HANDLER_NAME", "VENDOR_ID")
"""How tags of a video begin that describe its encoding."""
SEARCHED = 1000
"""Packets in which the first of each sound is looked for."""
NANOSECOND = Fraction(1, 10**9)

type Packet = av.Packet[Any]
type Convert = Callable[[Packet], Packet | None]
type Span = tuple[Fraction, Fraction]


class Timed(NamedTuple):
    """A packet that is to be written, and the seconds by which packets are ordered."""

    time: Fraction
    packet: Packet


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a stream of the source."""

    action: Literal["copy", "convert", "attach", "drop"]
    said: str | None = None
    """What the user should know of it."""


def left_out(media: Media, container: str) -> list[str]:
    """Return a sentence for everything of a source that a container does not hold as it is.

    Args:
        container: `mkv` or `mp4`.

    Raises:
        MediaError: the source cannot be read.
    """
    with libav.opened(media.path) as source:
        said = [fate.said for fate in _fates(source, media, container) if fate.said]
    return said + [f"{media.path.name}: {name} is left out; players show the rest" for name in media.dynamic_hdr]


class Rest:
    """The other streams of an open source, on their way into another file.

    Args:
        span: only what lies in these seconds from the source's zero.
    """

    def __init__(
        self, source: av.container.InputContainer, media: Media, container: str, span: Span | None = None
    ) -> None:
        self._source, self._media, self._container, self._span = source, media, container, span
        self._fates = list(zip(source.streams, _fates(source, media, container), strict=True))
        self._outputs: dict[int, tuple[Any, Convert]] = {}

    def describe(self, video: Any) -> None:
        """Give the new video the language, title and other tags of the source's, but those of its encoding."""
        old = self._source.streams[self._media.video]
        video.disposition = old.disposition
        video.metadata.update({name: text for name, text in old.metadata.items() if not name.upper().startswith(OLD)})

    def add_to(self, target: av.container.OutputContainer, later: Fraction) -> None:
        """Add the streams, the tags of the file, and the chapters, so many seconds later. Log what is left out."""
        for stream, fate in self._fates:
            if fate.said:
                _log.warning("%s", fate.said)
            if fate.action == "attach":
                _attach(target, self._media, stream)
            elif fate.action != "drop":
                new, convert = _copied(target, stream) if fate.action == "copy" else _converted(target, stream)
                _describe(new, stream, self._container)
                if stream.type != "attachment":
                    self._outputs[stream.index] = new, convert
        kept = {name: text for name, text in self._source.metadata.items() if name.lower() not in OLD_FILE}
        target.metadata.update(kept)
        target.set_chapters(list(self._chapters(later)))

    def _chapters(self, later: Fraction) -> Iterator[Any]:
        """Yield the chapters; of those that the span cuts, the part within it."""
        for chapter in self._source.chapters():
            unit = libav.fraction(chapter["time_base"])
            start, end = (Fraction(ticks) * unit - self._media.origin for ticks in (chapter["start"], chapter["end"]))
            if self._span:
                start, end = max(start, self._span[0]), min(end, self._span[1])
                if start >= end:
                    continue
            first, last = (to_ticks(time + later, NANOSECOND) for time in (start, end))
            yield {**chapter, "start": max(first, 0), "end": last, "time_base": NANOSECOND}

    def before_zero(self) -> Fraction:
        """Return how many seconds before zero the first sound begins, as Matroska would have to write it."""
        early = 0
        waiting = {stream.index for stream, fate in self._fates if stream.type == "audio" and fate.action == "copy"}
        if self._span or not waiting:
            return Fraction(0)
        with libav.opened(self._media.path) as again, libav.reading(self._media.path):
            for packet in islice(again.demux([again.streams[index] for index in sorted(waiting)]), SEARCHED):
                if packet.stream_index in waiting and packet.pts is not None:
                    context = packet.stream.codec_context
                    start = packet.pts * libav.fraction(packet.time_base) - self._media.origin
                    # The muxer adds the delay of the codec, and says so in the track.
                    rate = context.sample_rate
                    delay = Fraction(context.initial_padding, rate) if rate else Fraction(0)
                    early = min(early, to_ticks(start, MILLISECOND) + to_ticks(delay, MILLISECOND))
                    waiting.discard(packet.stream_index)
                if not waiting:
                    break
        return -early * MILLISECOND

    def packets(self, later: Fraction) -> Iterator[Timed]:
        """Yield all packets, so many seconds later, in the order of the source."""
        if not self._outputs:
            return
        latest = Fraction(0)
        streams = [self._source.streams[index] for index in sorted(self._outputs)]
        with libav.reading(self._media.path):
            for packet in self._source.demux(streams):
                if not packet.size:  # each stream ends in an empty one
                    continue
                new, convert = self._outputs[packet.stream_index]
                if packet.pts is None and packet.dts is None:
                    if not self._media.streams[packet.stream_index].picture:
                        continue
                    packet.pts = packet.dts = to_ticks(self._media.origin, libav.fraction(packet.time_base))
                elif self._span and not _trim(packet, self._media.origin, self._span):
                    continue
                moved = to_ticks(later - self._media.origin, libav.fraction(packet.time_base))
                packet.pts = None if packet.pts is None else packet.pts + moved
                packet.dts = None if packet.dts is None else packet.dts + moved
                made = convert(packet)
                if made is None:
                    continue
                ticks = made.dts if made.dts is not None else made.pts
                assert ticks is not None
                latest = max(
                    latest, ticks * libav.fraction(made.time_base)
                )  # some sources are not in the order of times
                made.stream = new
                yield Timed(latest, made)


def _fates(source: av.container.InputContainer, media: Media, container: str) -> list[Fate]:
    """Decide what becomes of each stream."""
    return [_fate(stream, media, container) for stream in source.streams]


def _fate(stream: Any, media: Media, container: str) -> Fate:
    about = media.streams[stream.index]
    language = f", {about.language}" if about.language else ""
    name = f"{media.path.name}: {about.kind} {about.index} ({about.codec}{language})"
    if stream.index == media.video:
        return Fate("drop")  # the new video takes its place
    if about.picture and container == "mkv":
        return Fate("attach")
    if about.kind == "attachment":
        return Fate("copy") if container == "mkv" else Fate("drop", f"{name} is left out: .mp4 holds no attachments")
    if about.kind == "data":
        # In MP4, chapters are a stream of data too. They are copied as chapters.
        return Fate("drop", None if about.codec == "bin_data" else f"{name} is left out: it is neither sound nor text")
    if stream.codec_context is None:
        return Fate("drop", f"{name} is left out: its codec is not known here")
    if _holds(container, stream):
        return Fate("copy")
    if about.codec in TEXT:
        to = "mov_text" if container == "mp4" else "srt"
        loses = ", and loses most of its styles" if about.codec in {"ass", "ssa"} else ""
        return Fate("convert", f"{name} becomes {to}, because .{container} does not hold {about.codec}{loses}")
    other = "mkv" if container == "mp4" else "mp4"
    return Fate("drop", f"{name} is left out: .{container} does not hold {about.codec}; .{other} might")


def _holds(container: str, stream: Any) -> bool:
    """Return whether a container takes the stream as it is, by writing the head of a file into memory."""
    av = libav.load()
    try:
        with av.open(io.BytesIO(), "w", format=FORMATS[container]) as target:
            target.add_stream_from_template(stream, opaque=True)
            target.start_encoding()
    except (ValueError, av.FFmpegError):
        return False
    return True


def _describe(new: Any, old: Any, container: str) -> None:
    """Copy language, title and the other tags, and what the stream is for."""
    new.metadata.update(old.metadata)
    new.disposition = old.disposition
    if container == "mp4" and "title" in old.metadata:
        new.metadata["handler_name"] = old.metadata["title"]  # the name that players show


def _attach(target: av.container.OutputContainer, media: Media, stream: Any) -> None:
    """Attach a cover, which FFmpeg reads as a video of one frame."""
    codec = stream.codec_context.codec.canonical_name
    kind = {"mjpeg": "jpeg"}.get(codec, codec)
    with libav.opened(media.path) as again, libav.reading(media.path):
        picture = next(packet for packet in again.demux(again.streams[stream.index]) if packet.size)
        tags = stream.metadata
        target.add_attachment(
            tags.get("filename", f"cover.{kind}"), tags.get("mimetype", f"image/{kind}"), bytes(picture)
        )


def _copied(target: av.container.OutputContainer, stream: Any) -> tuple[Any, Convert]:
    new = target.add_stream_from_template(stream, opaque=True)
    is_filled = stream.type == "subtitle" and stream.codec_context.codec.canonical_name == "mov_text"
    # The muxer fills the gaps between texts with empty ones, as the source's did.
    return new, (lambda packet: None if is_filled and bytes(packet) == b"\0\0" else packet)


def _converted(target: av.container.OutputContainer, stream: Any) -> tuple[Any, Convert]:
    """Add a stream of other text subtitles. Return it, and what makes its packets."""
    new: Any = target.add_stream("mov_text" if target.format.name == "mp4" else "srt")
    stream.codec_context.open(strict=False)
    new.codec_context.subtitle_header = stream.codec_context.subtitle_header
    new.time_base = MILLISECOND

    def convert(packet: Packet) -> Packet | None:
        subtitles = stream.codec_context.decode2(packet)
        if subtitles is None or not len(subtitles):
            return None
        made: Packet = new.codec_context.encode_subtitle(subtitles)
        made.time_base, made.pts, made.dts = packet.time_base, packet.pts, packet.pts
        made.duration = packet.duration
        return made

    return new, convert


def _trim(packet: Packet, origin: Fraction, span: Span) -> bool:
    """Return whether a packet belongs to a span. A subtitle that began before it begins with it."""
    ticks, unit = packet.pts if packet.pts is not None else packet.dts, libav.fraction(packet.time_base)
    assert ticks is not None
    start = ticks * unit - origin
    end = start + (packet.duration or 0) * unit
    if span[0] <= start < span[1]:
        return True
    if start >= span[1] or end <= span[0] or packet.stream.type != "subtitle":
        return False
    packet.pts = packet.dts = math.ceil((span[0] + origin) / unit)
    packet.duration = to_ticks(end - span[0], unit)
    return True
