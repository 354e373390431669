"""The finished file: the video of the chunks at its own times, and everything else that the source holds.

Matroska counts milliseconds, so every time is rounded to one there. In MP4 times are exact.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import MediaError, OptionError
from . import libav, matroska
from .encoding import decode_digests, sync
from .media import Media

if TYPE_CHECKING:
    import av

__all__ = ["check_times", "container_of", "decode_digests", "left_out", "mux"]

_log = logging.getLogger(__name__)

FORMATS = {"mkv": "matroska", "mp4": "mp4"}
MILLISECOND, HALF = Fraction(1, 1000), Fraction(1, 2)
FINEST = 1_000_000
"""Largest number of units a second in MP4."""
SEARCHED = 1000
"""Packets in which the first of each sound is looked for."""
TEXT = {"subrip", "ass", "ssa", "webvtt", "text", "mov_text"}
"""Subtitles that can be written as each other."""
OLD_VIDEO = ("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS", "ENCODER", "SOURCE_ID", "HANDLER_NAME", "VENDOR_ID")
"""How tags begin that describe the source's encoding of the video."""
OLD_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder"}

type Span = tuple[Fraction, Fraction]
type Outputs = dict[int, tuple[Any, Convert]]
type Convert = Callable[[av.Packet[Any]], av.Packet[Any] | None]


class Timed(NamedTuple):
    """A packet that is to be written, with the time in seconds by which packets are ordered."""

    time: Fraction
    packet: av.Packet[Any]
    is_frame: bool


@dataclass(frozen=True, slots=True)
class Track:
    """What becomes of a stream of the source."""

    action: Literal["copy", "convert", "attach", "drop"]
    said: str | None = None
    """What the user should know of it."""


def container_of(out: Path) -> str:
    """Return `mkv` or `mp4`, by a file's name without .part.

    Raises:
        OptionError: it is neither.
    """
    name = out.name.removesuffix(".part").rpartition(".")[2].lower()
    if name not in FORMATS:
        raise OptionError(f"{out}: the result is .mkv or .mp4, by its name; name it {out.with_suffix('.mkv').name}")
    return name


def left_out(media: Media, container: str) -> list[str]:
    """Return a sentence for each stream of the source that the container does not hold as it is.

    Args:
        container: `mkv` or `mp4`.
    """
    av = libav.load()
    with libav.reading(media.path), av.open(str(media.path), "r") as source:
        tracks = _plan(source, media, container)
        return [track.said for track in tracks.values() if track.said]


def check_times(times: Sequence[Fraction], container: str) -> None:
    """Check that the container can tell these times of frames apart.

    Raises:
        MediaError: two frames have the same time, or a time is before the one of the frame before.
    """
    for n, (before, after) in enumerate(pairwise(_ticks(times, _unit(times, container)))):
        if after <= before:
            raise MediaError(
                f"frame {n + 1} is shown at {float(times[n + 1]):.6f} s, and the frame before it at "
                f"{float(times[n]):.6f} s: .{container} cannot hold this; remux the source with mkvmerge"
            )


def mux(
    chunks: Sequence[Path],
    times: Sequence[Fraction],
    media: Media | None,
    out: Path,
    *,
    advance: Callable[[int], None] | None = None,
    end: Fraction | None = None,
    span: Span | None = None,
) -> None:
    """Write the finished file, which is on the disk when this returns.

    Args:
        chunks: files of `encode` by the same settings, in order.
        times: when each frame is shown, in seconds from the container's zero, ascending.
        media: the source of everything but the video. Without it there is only the video.
        out: ends in .mkv or .mp4; .part behind it does not count.
        advance: called with the number of frames written so far.
        end: when the last frame ends. By default it is shown as long as the frame before it.
        span: seconds of the source that the frames are from. The result then begins with them, and has of the other
            streams and of the chapters what lies between.

    Raises:
        MediaError: a chunk is missing, or was made by other settings; the number of times is not that of the frames;
            the file cannot be written. There is no file then.
    """
    container, done = container_of(out), False
    orders = _read_orders(chunks)
    count = sum(map(len, orders))
    if count != len(times):
        raise MediaError(f"the chunks of {out.name} hold {count} frames, but {len(times)} are expected; encode it anew")
    check_times(times, container)
    av = libav.load()
    try:
        with libav.reading(chunks[0]), av.open(str(chunks[0]), "r") as first:
            video = first.streams.video[0]
            aspect = _sample_aspect(video)
            job = _Job(av, container, out, list(times), end, span, Fraction(video.average_rate), media)
            job.write(chunks, orders, video, advance)
        if container == "mkv":
            with libav.writing(out):
                matroska.complete_video_track(out, aspect, None)
        sync(out)
        done = True
    finally:
        if not done:
            with suppress(OSError):
                out.unlink(missing_ok=True)


class _Job:
    """One finished file that is being written."""

    def __init__(
        self,
        av: Any,
        container: str,
        out: Path,
        times: list[Fraction],
        end: Fraction | None,
        span: Span | None,
        rate: Fraction,
        media: Media | None,
    ) -> None:
        self.av, self.container, self.out, self.span, self.media = av, container, out, span, media
        is_steady = _fits(times, rate)
        self.rate = rate if is_steady else None
        if is_steady and container == "mp4":
            times = _on_grid(times, rate)
        last = times[-1] - times[-2] if len(times) > 1 else 1 / rate
        if end is None or end <= times[-1]:
            end = times[-1] + last
        self.zero = times[0] if span else Fraction(0)
        self.times = [time - self.zero for time in [*times, end]]
        self.unit = _unit(self.times[:-1], container)

    def write(
        self,
        chunks: Sequence[Path],
        orders: Sequence[Sequence[int]],
        template: av.VideoStream,
        advance: Callable[[int], None] | None,
    ) -> None:
        if self.media is None:
            self._write(chunks, orders, template, advance, None)
            return
        with libav.reading(self.media.path):
            source = self.av.open(str(self.media.path), "r")
        with source:
            self._write(chunks, orders, template, advance, source)

    def _write(
        self,
        chunks: Sequence[Path],
        orders: Sequence[Sequence[int]],
        template: av.VideoStream,
        advance: Callable[[int], None] | None,
        source: av.container.InputContainer | None,
    ) -> None:
        options = (
            {"avoid_negative_ts": "disabled", "strict": "experimental"}
            if self.container == "mkv"
            else {"strict": "experimental"}
        )
        with libav.writing(self.out):
            target = self.av.open(str(self.out), "w", format=FORMATS[self.container], container_options=options)
        try:
            target.flags |= self.av.container.core.Flags.bitexact.value
            with libav.writing(self.out):
                video = self._add_video(target, template, source)
                outputs = self._add_others(target, source) if source is not None else {}
            shift = self._shift(source, outputs) if source is not None else Fraction(0)
            if source is not None:
                self._describe(target, source, shift)
            frames = self._frames(chunks, orders, video, shift)
            others = self._others(source, outputs, shift) if source is not None else iter(())
            written = 0
            for timed in heapq.merge(frames, others, key=lambda timed: timed.time):
                with libav.writing(self.out):
                    target.mux_one(timed.packet)
                if timed.is_frame:
                    written += 1
                    if advance:
                        advance(written)
        finally:
            with libav.writing(self.out):
                target.close()

    def _add_video(
        self, target: av.container.OutputContainer, template: av.VideoStream, source: av.container.InputContainer | None
    ) -> av.VideoStream:
        """Add the video as the first stream."""
        if self.container == "mkv":
            name = template.codec_context.codec.canonical_name
            video: Any = target.add_mux_stream(name, rate=self.rate, width=1, height=1)
            self.av.bitstream.BitStreamFilterContext("null", in_stream=template, out_stream=video)
        else:
            video = target.add_stream_from_template(template, opaque=True)
            if aspect := _sample_aspect(template):
                video.codec_context.sample_aspect_ratio = aspect
            if template.codec_context.codec.canonical_name == "hevc":
                video.codec_context.codec_tag = "hvc1"  # Apple's players want it
        video.time_base = self.unit
        video.metadata.update({k: v for k, v in template.metadata.items() if k in {"ENCODER", "ENCODER_SETTINGS"}})
        if source is not None and self.media is not None:
            old = source.streams[self.media.video]
            video.disposition = old.disposition
            kept = {k: v for k, v in old.metadata.items() if not k.upper().startswith(OLD_VIDEO)}
            video.metadata.update(kept)
        if self.container == "mkv":
            video.metadata["title"] = video.metadata.get("title", "") + matroska.ROOM
        return video  # type: ignore[no-any-return]

    def _add_others(self, target: av.container.OutputContainer, source: av.container.InputContainer) -> Outputs:
        """Add the other streams. Return for those with packets, by index, the new stream and what makes its packets."""
        assert self.media is not None
        outputs: Outputs = {}
        for stream, track in zip(source.streams, _plan(source, self.media, self.container).values(), strict=True):
            if track.said:
                _log.warning("%s", track.said)
            if track.action == "attach":
                _attach(self.av, target, self.media.path, stream)
            elif track.action == "copy":
                new: Any = target.add_stream_from_template(stream, opaque=True)
                _name(new, stream, self.container)
                if stream.type != "attachment":
                    outputs[stream.index] = new, _as_it_is
            elif track.action == "convert":
                new = target.add_stream("mov_text" if self.container == "mp4" else "srt")
                stream.codec_context.open(strict=False)
                new.codec_context.subtitle_header = stream.codec_context.subtitle_header
                new.time_base = MILLISECOND
                _name(new, stream, self.container)
                outputs[stream.index] = new, _converter(stream, new)
        return outputs

    def _describe(
        self, target: av.container.OutputContainer, source: av.container.InputContainer, shift: Fraction
    ) -> None:
        """Copy chapters and metadata of the file."""
        assert self.media is not None
        kept = {k: v for k, v in source.metadata.items() if k.lower() not in OLD_FILE}
        target.metadata.update(kept)
        unit, chapters = Fraction(1, 10**9), []
        offset = self.media.origin + self.zero
        for chapter in source.chapters():
            start, end = (
                chapter[side] * Fraction(chapter["time_base"]) - self.media.origin for side in ("start", "end")
            )
            if self.span:
                start, end = max(start, self.span[0]), min(end, self.span[1])
                if start >= end:
                    continue
            first, last = (round((time + self.media.origin - offset + shift) / unit) for time in (start, end))
            chapters.append({**chapter, "start": max(first, 0), "end": last, "time_base": unit})
        target.set_chapters(chapters)

    def _shift(self, source: av.container.InputContainer, outputs: Outputs) -> Fraction:
        """Return how much later everything must be, because Matroska has no times before zero."""
        if self.container != "mkv" or self.span:
            return Fraction(0)
        assert self.media is not None
        early = min(_ticks(self.times[:1], MILLISECOND)[0], 0)
        waiting = {index for index in outputs if source.streams[index].type == "audio"}
        with libav.reading(self.media.path), self.av.open(str(self.media.path), "r") as again:
            sounds = [again.streams[index] for index in sorted(waiting)]
            for packet in islice(again.demux(sounds), SEARCHED if sounds else 0):
                if packet.stream_index in waiting and packet.pts is not None:
                    context = packet.stream.codec_context
                    start = packet.pts * Fraction(packet.time_base) - self.media.origin
                    # The muxer adds the delay of the codec, and says so in the track.
                    delay = Fraction(context.initial_padding, context.sample_rate)
                    early = min(early, sum(_ticks([start, delay], MILLISECOND)))
                    waiting.discard(packet.stream_index)
                if not waiting:
                    break
        if early:
            _log.warning(
                "%s: everything is shown %d ms later, because sound begins before zero, which .mkv cannot hold",
                self.out.name,
                -early,
            )
        return -early * MILLISECOND

    def _frames(
        self, chunks: Sequence[Path], orders: Sequence[Sequence[int]], video: av.VideoStream, shift: Fraction
    ) -> Iterator[Timed]:
        """Yield the packets of the chunks, in the order of decoding, with their own times."""
        delay = max(place - rank for order in orders for place, rank in enumerate(order))
        ticks = _ticks([time + shift for time in self.times], self.unit)
        step = ticks[1] - ticks[0]
        done = 0
        for chunk, order in zip(chunks, orders, strict=True):
            with libav.reading(chunk), self.av.open(str(chunk), "r") as container:
                packets = (packet for packet in container.demux(container.streams.video[0]) if packet.size)
                for place, (packet, rank) in enumerate(zip(packets, order, strict=True)):
                    shown, decoded = done + rank, done + place - delay
                    packet.stream, packet.time_base = video, self.unit
                    packet.pts = ticks[shown]
                    packet.dts = ticks[decoded] if decoded >= 0 else ticks[0] + decoded * step
                    packet.duration = ticks[shown + 1] - ticks[shown]
                    yield Timed(packet.dts * self.unit, packet, True)
            done += len(order)

    def _others(
        self,
        source: av.container.InputContainer,
        outputs: Outputs,
        shift: Fraction,
    ) -> Iterator[Timed]:
        """Yield the packets of the other streams."""
        assert self.media is not None
        offset = shift - self.media.origin - self.zero
        if not outputs:
            return
        latest = Fraction(0)
        with libav.reading(self.media.path):
            for packet in source.demux([source.streams[index] for index in sorted(outputs)]):
                if not packet.size or (packet.pts is None and packet.dts is None):
                    continue
                new, convert = outputs[packet.stream_index]
                unit = Fraction(packet.time_base)
                if self.span and not _trim(packet, unit, self.media.origin, self.span):
                    continue
                moved = round(offset / unit)
                packet.pts = None if packet.pts is None else packet.pts + moved
                packet.dts = None if packet.dts is None else packet.dts + moved
                made = convert(packet)
                if made is None:
                    continue
                time = (made.dts if made.dts is not None else made.pts) * Fraction(made.time_base)
                made.stream = new
                latest = max(latest, time)  # the file's own order, where it is not that of the times
                yield Timed(latest, made, False)


def _sample_aspect(video: av.VideoStream) -> Fraction | None:
    """Return that of the bitstream, which is exact, where it has one; else that of the container."""
    has_one = video.codec_context.codec.canonical_name in {"hevc", "h264"}
    found = video.codec_context.sample_aspect_ratio if has_one else video.sample_aspect_ratio
    return Fraction(found) if found else None


def _read_orders(chunks: Sequence[Path]) -> list[list[int]]:
    """Return for each chunk which of its frames, in the order of showing, each of its packets is.

    Raises:
        MediaError: chunks cannot be joined.
    """
    av, orders, expected = libav.load(), [], None
    if not chunks:
        raise MediaError("there is no chunk to write into a file")
    for chunk in chunks:
        with libav.reading(chunk), av.open(str(chunk), "r") as container:
            video = container.streams.video[0]
            packets = [(packet.pts, packet.is_keyframe) for packet in container.demux(video) if packet.size]
            context = video.codec_context
            found = (context.codec.name, context.extradata, context.width, context.height, context.pix_fmt)
        if expected is None:
            expected = found
        elif found != expected:
            raise MediaError(
                f"{chunk} was not made by the settings of {chunks[0].name} (the headers of their streams differ), so "
                "they cannot be joined; encode it anew"
            )
        times = sorted({time for time, _ in packets if time is not None})
        if len(times) != len(packets) or not packets:
            raise MediaError(f"{chunk} is damaged: its frames have no times of their own; encode it anew")
        if not packets[0][1]:
            raise MediaError(f"{chunk} does not begin with a key frame; encode it anew")
        ranks = {time: rank for rank, time in enumerate(times)}
        orders.append([ranks[time] for time, _ in packets])
    return orders


def _plan(source: av.container.InputContainer, media: Media, container: str) -> dict[int, Track]:
    """Decide what becomes of each stream of the source."""
    av = libav.load()
    with av.open(f"unused.{container}", "w", format=FORMATS[container]) as target:
        return {stream.index: _track(stream, media, container, target) for stream in source.streams}


def _track(stream: Any, media: Media, container: str, target: av.container.OutputContainer) -> Track:
    about = media.streams[stream.index]
    name = f"{media.path.name}: {about.kind} {about.index} ({about.codec}" + (
        f", {about.language})" if about.language else ")"
    )
    if stream.index == media.video:
        return Track("drop")  # the new video takes its place
    if about.picture and container == "mkv":
        return Track("attach")
    if about.kind == "attachment":
        return Track("copy") if container == "mkv" else Track("drop", f"{name} is left out: .mp4 holds no attachments")
    if about.kind == "data":
        # In MP4 chapters are a stream of data too; they are copied as chapters.
        return Track("drop", None if about.codec == "bin_data" else f"{name} is left out: it is neither sound nor text")
    if stream.codec_context is None:
        return Track("drop", f"{name} is left out: its codec is not known here")
    try:
        target.add_mux_stream(about.codec)
    except ValueError:
        if about.codec in TEXT:
            to = "mov_text" if container == "mp4" else "srt"
            loses = ", and loses its styles" if about.codec in {"ass", "ssa"} else ""
            return Track("convert", f"{name} becomes {to}, because .{container} does not hold {about.codec}{loses}")
        other = "mkv" if container == "mp4" else "mp4"
        return Track("drop", f"{name} is left out: .{container} does not hold {about.codec}; .{other} might")
    return Track("copy")


def _name(new: Any, old: Any, container: str) -> None:
    """Copy language, title and the other tags, and what the stream is for."""
    new.metadata.update(old.metadata)
    new.disposition = old.disposition
    if container == "mp4" and "title" in old.metadata:
        new.metadata["handler_name"] = old.metadata["title"]  # the name that players show


def _attach(av: Any, target: av.container.OutputContainer, path: Path, stream: Any) -> None:
    """Attach a cover, which FFmpeg reads as a video of one frame."""
    kind = {"mjpeg": "jpeg"}.get(stream.codec_context.codec.canonical_name, stream.codec_context.codec.canonical_name)
    with av.open(str(path), "r") as again:
        picture = next(packet for packet in again.demux(again.streams[stream.index]) if packet.size)
        tags = stream.metadata
        target.add_attachment(
            tags.get("filename", f"cover.{kind}"), tags.get("mimetype", f"image/{kind}"), bytes(picture)
        )


def _as_it_is(packet: av.Packet[Any]) -> av.Packet[Any]:
    return packet


def _converter(old: Any, new: Any) -> Convert:
    """Return what makes a packet of other text subtitles of one."""

    def convert(packet: av.Packet[Any]) -> av.Packet[Any] | None:
        subtitles = old.codec_context.decode2(packet)
        if subtitles is None or not len(subtitles):
            return None
        made: av.Packet[Any] = new.codec_context.encode_subtitle(subtitles)
        made.time_base, made.pts, made.dts = packet.time_base, packet.pts, packet.pts
        made.duration = packet.duration
        return made

    return convert


def _trim(packet: av.Packet[Any], unit: Fraction, origin: Fraction, span: Span) -> bool:
    """Return whether a packet belongs to a span. A subtitle that began before it begins with it."""
    ticks = packet.pts if packet.pts is not None else packet.dts
    assert ticks is not None
    start = ticks * unit - origin
    end = start + (packet.duration or 0) * unit
    if start >= span[1]:
        return False
    if start >= span[0]:
        return True
    if packet.stream.type == "subtitle" and packet.duration and end > span[0]:
        packet.pts = packet.dts = math.ceil((span[0] + origin) / unit)
        packet.duration = round((end - span[0]) / unit)
        return True
    return False


def _ticks(times: Sequence[Fraction], unit: Fraction) -> list[int]:
    return [math.floor(time / unit + HALF) for time in times]  # as FFmpeg rounds


def _unit(times: Sequence[Fraction], container: str) -> Fraction:
    """Return the unit of times: milliseconds in Matroska, and what holds all of them exactly in MP4 if it can be had."""
    if container == "mkv":
        return MILLISECOND
    common = math.lcm(*{time.denominator for time in times})
    return Fraction(1, common if common <= FINEST else FINEST)


def _fits(times: Sequence[Fraction], rate: Fraction) -> bool:
    """Return whether the frames are shown at this rate, up to a rounding to milliseconds."""
    errors = [time - n / rate for n, time in enumerate(times)]
    return max(errors) - min(errors) <= MILLISECOND


def _on_grid(times: Sequence[Fraction], rate: Fraction) -> list[Fraction]:
    """Return exact times at this rate for times that were rounded."""
    errors = [time - n / rate for n, time in enumerate(times)]
    if max(errors) == min(errors):
        return list(times)
    start = Fraction(round((max(errors) + min(errors)) / 2 * rate.numerator), rate.numerator)
    start = max(start, min(times[0], Fraction(0)))  # MP4 does not show a frame before zero
    return [start + n / rate for n in range(len(times))]
