"""The finished file: the video of the chunks at its own times, and everything else that the source holds."""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import MediaError, OptionError
from . import libav, matroska
from .encoding import decode_digests
from .media import Media
from .timeline import FINEST, MILLISECOND, Timeline, check_times, lay_out
from .tracks import FORMATS, Rest, Span, Timed, left_out

if TYPE_CHECKING:
    import av

__all__ = ["check_times", "container_of", "decode_digests", "left_out", "mux"]

_log = logging.getLogger(__name__)

SHAPED = {"hevc", "h264"}
"""Codecs that hold the shape of a pixel exactly. Matroska has whole numbers for the size of the picture."""


class Order(NamedTuple):
    """The packets of a chunk, in the order of decoding."""

    ranks: list[int]
    """Which of the frames, in the order of showing, each of them is."""
    keys: list[bool]
    """Whether it refers to no other."""


def container_of(out: Path) -> str:
    """Return `mkv` or `mp4`, by a file's name without .part.

    Raises:
        OptionError: it is neither.
    """
    name = out.name.removesuffix(".part").rpartition(".")[2].lower()
    if name not in FORMATS:
        raise OptionError(f"{out}: the result is .mkv or .mp4, by its name; name it {out.with_suffix('.mkv').name}")
    return name


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
    """Write the finished file, which is on the disk when this returns. The same input gives the same bytes.

    Args:
        chunks: files of `encode` by the same settings, in order.
        times: when each frame is shown, in seconds from the container's zero, ascending.
        media: the source of everything but the video. Without it there is only the video.
        out: ends in .mkv or .mp4; .part behind it does not count.
        advance: called with the number of frames written so far.
        end: when the last frame ends. By default it is shown as long as the frame before it.
        span: seconds of the source that the frames are from. The result then begins with the first frame, and has of
            the other streams and of the chapters what lies between.

    Raises:
        MediaError: a chunk is missing, or was made by other settings; the number of times is not that of the frames;
            a container cannot hold the times; the file cannot be written. There is no new file then.
    """
    container = container_of(out)
    orders = _read_orders(chunks)
    count = sum(len(order.ranks) for order in orders)
    if count != len(times):
        raise MediaError(f"the chunks of {out.name} hold {count} frames, but {len(times)} are expected; encode it anew")
    check_times(times, container)
    with ExitStack() as files:
        template = files.enter_context(libav.opened(chunks[0])).streams.video[0]
        aspect, rate = _sample_aspect(template), libav.fraction(template.average_rate)
        rest = None
        if media is not None:
            source = files.enter_context(libav.opened(media.path))
            rest = Rest(source, media, container, (times[0], span[1]) if span else None)
        later = -times[0] if span else _later(times[0], rest, out, container)
        line = lay_out(times, container, rate, end=end, later=later)
        with libav.unfinished(out):
            with _created(out, container, line) as target:
                with libav.writing(out):
                    video = _add_video(target, template, line, aspect)
                    if rest is not None:
                        rest.describe(video)
                        rest.add_to(target, later)
                    if container == "mkv":
                        video.metadata["title"] = video.metadata.get("title", "") + matroska.ROOM
                frames = _frames(chunks, orders, video, line)
                _interleave(target, out, frames, rest.packets(later) if rest is not None else iter(()), advance)
            if container == "mkv":
                with libav.writing(out):
                    matroska.complete_video_track(out, aspect, None)
            libav.sync(out)


def _interleave(
    target: av.container.OutputContainer,
    out: Path,
    frames: Iterator[Timed],
    others: Iterator[Timed],
    advance: Callable[[int], None] | None,
) -> None:
    """Write all packets in the order of their times. The video is the first stream."""
    written = 0
    for timed in heapq.merge(frames, others, key=lambda timed: timed.time):
        with libav.writing(out):
            target.mux_one(timed.packet)
        if timed.packet.stream_index == 0:
            written += 1
            if advance:
                advance(written)


def _later(start: Fraction, rest: Rest | None, out: Path, container: str) -> Fraction:
    """Return how many seconds later everything has to be, because Matroska has no times before zero."""
    if container != "mkv":
        return Fraction(0)
    later = max(rest.before_zero() if rest is not None else Fraction(0), -start, Fraction(0))
    if later:
        _log.warning(
            "%s: everything is shown %d ms later, because the source begins before zero, which .mkv cannot hold",
            out.name.removesuffix(".part"),
            round(later * 1000),
        )
    return later


@contextmanager
def _created(out: Path, container: str, line: Timeline) -> Iterator[av.container.OutputContainer]:
    """Create a file, which is finished when the block ends. It has no random numbers and no date."""
    if container == "mkv":
        options = {"avoid_negative_ts": "disabled"}  # what begins before zero is moved here, together with the chapters
    else:
        # When streams begin is said in ticks of the whole file: exact for the video, to a millisecond for the others.
        options = {"movie_timescale": str(min(math.lcm(line.unit.denominator, MILLISECOND.denominator), FINEST))}
    av = libav.load()
    with libav.writing(out):
        target = av.open(str(out.absolute()), "w", format=FORMATS[container], container_options=options)
    target.flags |= av.container.core.Flags.bitexact.value
    try:
        yield target
    finally:
        with libav.writing(out):
            target.close()


def _add_video(
    target: av.container.OutputContainer, template: av.VideoStream, line: Timeline, aspect: Fraction | None
) -> Any:
    """Add the video as the first stream, with headers and colours of a chunk."""
    codec = template.codec_context.codec.canonical_name
    video: Any
    if target.format.name == "matroska":
        # A stream from a template has no frame rate, and this one no codec tag, which Matroska does not need.
        video = target.add_mux_stream(codec, rate=line.rate, width=template.width, height=template.height)
        libav.load().bitstream.BitStreamFilterContext("null", in_stream=template, out_stream=video)
    else:
        video = target.add_stream_from_template(template, opaque=True)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if codec == "hevc":
            video.codec_context.codec_tag = "hvc1"  # Apple's players want it
    video.time_base = line.unit
    video.metadata.update({name: text for name, text in template.metadata.items() if name.startswith("ENCODER")})
    return video


def _frames(chunks: Sequence[Path], orders: Sequence[Order], video: Any, line: Timeline) -> Iterator[Timed]:
    """Yield the packets of the chunks, in the order of decoding, with their own times."""
    ranks = [first + rank for first, order in _numbered(orders) for rank in order.ranks]
    keys = [is_key for order in orders for is_key in order.keys]
    # Decoding begins so many frames early that every frame is decoded before it is shown.
    early = max(place - rank for place, rank in enumerate(ranks))
    step = line.ticks[1] - line.ticks[0]
    decoded = [line.ticks[0] - n * step for n in range(early, 0, -1)] + list(line.ticks[: len(ranks) - early])
    # FFmpeg ends an MP4 at a key frame whose decoding takes until its end. More frames may come, so that is too early.
    taken = (line.ticks[rank] + after - at for (at, after), rank in zip(pairwise(decoded), ranks, strict=False))
    end = max([line.ticks[-1], *(until + 1 for until, is_key in zip(taken, keys, strict=False) if is_key)])
    ends = [*line.ticks[1:-1], end if video.container.format.name == "mp4" else line.ticks[-1]]
    for chunk, (first, order) in zip(chunks, _numbered(orders), strict=True):
        with libav.opened(chunk) as container, libav.reading(chunk):
            packets = (packet for packet in container.demux(container.streams.video[0]) if packet.size)
            for place, (packet, rank) in enumerate(zip(packets, order.ranks, strict=True), first):
                packet.stream, packet.time_base = video, line.unit
                packet.pts, packet.dts = line.ticks[first + rank], decoded[place]
                packet.duration = ends[first + rank] - packet.pts
                yield Timed(packet.dts * line.unit, packet)


def _numbered(orders: Sequence[Order]) -> Iterator[tuple[int, Order]]:
    """Yield the number of the first frame of each chunk, and its order."""
    firsts = accumulate((len(order.ranks) for order in orders), initial=0)
    yield from zip(firsts, orders, strict=False)


def _sample_aspect(video: av.VideoStream) -> Fraction | None:
    """Return the shape of a pixel by the stream, where that has it, else by the container."""
    shaped = video.codec_context.codec.canonical_name in SHAPED
    found = video.codec_context.sample_aspect_ratio if shaped else video.sample_aspect_ratio
    return libav.fraction(found) or None


def _read_orders(chunks: Sequence[Path]) -> list[Order]:
    """Return the order of the frames of each chunk.

    Raises:
        MediaError: chunks cannot be joined.
    """
    if not chunks:
        raise MediaError("there is no chunk to write into a file")
    orders: list[Order] = []
    expected: tuple[object, ...] = ()
    for chunk in chunks:
        with libav.opened(chunk) as container, libav.reading(chunk):
            video = container.streams.video[0]
            packets = [(packet.pts, packet.is_keyframe) for packet in container.demux(video) if packet.size]
            context = video.codec_context
            found = (context.codec.name, context.extradata, context.width, context.height, context.pix_fmt)
        expected = expected or found
        if found != expected:
            raise MediaError(
                f"{chunk} was not made by the settings of {chunks[0].name} (the headers of their streams differ), so "
                "they cannot be joined; encode it anew"
            )
        times = sorted({time for time, _ in packets if time is not None})
        if not packets or len(times) != len(packets) or not packets[0][1]:
            raise MediaError(
                f"{chunk} is damaged: it does not begin with a key frame, or has frames without a time of their own; "
                "encode it anew"
            )
        places = {time: rank for rank, time in enumerate(times)}
        orders.append(Order([places[time] for time, _ in packets if time is not None], [key for _, key in packets]))
    return orders
