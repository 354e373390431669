"""Frames whose number can be seen, chunks of them, and sources with sound, subtitles, fonts and chapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vsanimesr.episode.encoding import EncoderSettings, VideoFormat, decoded, encode, samples
from vsanimesr.episode.libav import fraction
from vsanimesr.episode.media import ColourTags, Hdr, Mastering
from vsanimesr.pixels import PixelFormat

type Planes = list[NDArray[Any]]

YUV420P8 = PixelFormat("yuv", "integer", 8, (1, 1))
YUV420P10 = PixelFormat("yuv", "integer", 10, (1, 1))
VIDEO = VideoFormat(144, 96, YUV420P10)
RATE = Fraction(24000, 1001)
SHAPE = Fraction(32, 27)
"""Of pixels that make 144x96 16:9."""
TAGS = ColourTags(matrix=9, primaries=9, transfer=16, range=0, chroma_location=2)
HDR = Hdr(
    Mastering(
        red=(Fraction(17, 25), Fraction(8, 25)),
        green=(Fraction(53, 200), Fraction(69, 100)),
        blue=(Fraction(3, 20), Fraction(3, 50)),
        white=(Fraction(3127, 10000), Fraction(329, 1000)),
        darkest=Fraction(1, 200),
        brightest=Fraction(1000),
    ),
    light=(1000, 400),
)
QUICK: Mapping[str, dict[str, str]] = {
    "x265": {"preset": "ultrafast", "x265-params": "bframes=3:b-adapt=0"},
    "x264": {"preset": "ultrafast", "x264-params": "bframes=3:b-adapt=0:b-pyramid=2"},
    "svt-av1": {"preset": "12"},
    "ffv1": {},
}
LANGUAGES = {"libopus": "jpn", "ac3": "eng", "aac": "jpn"}
FONT = b"\x00\x01\x00\x00 a font"
TEXTS = {(200, 900): "Hello", (1200, 1900): "Bye"}
"""Subtitles by start and end in milliseconds."""
CHAPTERS = {(0, 500): "Opening", (500, 2000): "Part A"}
ASS_HEADER = b"""[Script Info]\r
ScriptType: v4.00+\r
PlayResX: 384\r
PlayResY: 288\r
\r
[V4+ Styles]\r
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, \
MarginV, Encoding\r
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0\r
\r
[Events]\r
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r
"""


def draw(n: int, video: VideoFormat = VIDEO) -> Planes:
    """Return frame n: a level that says n, and noise that says it too."""
    levels = (1 << video.pixels.bits) - 1
    planes = []
    for number, shape in enumerate(video.pixels.shapes(video.width, video.height)):
        noise = np.random.default_rng([n, number]).integers(0, levels // 32, shape)
        planes.append((noise + levels // 8 + levels * (n % 24) // 32).astype(video.pixels.dtype))
    return planes


def settings(encoder: str, **changes: Any) -> EncoderSettings:
    """Return settings that are quick, with B-frames where the encoder has them."""
    return replace(EncoderSettings(encoder, QUICK[encoder], RATE), **changes)


def write_chunks(folder: Path, lengths: Sequence[int], how: EncoderSettings, video: VideoFormat = VIDEO) -> list[Path]:
    """Encode consecutive frames into chunks of these lengths."""
    chunks, first = [], 0
    for number, length in enumerate(lengths):
        chunks.append(folder / f"chunk-{number:05}.mkv")
        assert encode((draw(n, video) for n in range(first, first + length)), video, how, chunks[-1]) == length
        first += length
    return chunks


def decode_planes(path: Path) -> list[Planes]:
    """Return the planes of all frames of a video, in FFmpeg's order of planes."""
    return [[samples(frame, plane).copy() for plane in range(len(frame.planes))] for frame in decoded(path)]


def shown_numbers(path: Path, video: VideoFormat = VIDEO) -> list[int]:
    """Return the numbers, modulo 24, that the frames of a video show."""
    levels = (1 << video.pixels.bits) - 1
    return [round((frame[0].mean() - levels / 8 - levels / 64) * 32 / levels) for frame in decode_planes(path)]


@dataclass(frozen=True)
class Copied:
    """A packet, as far as it has to be the same in the result."""

    time: Fraction
    duration: Fraction
    content: bytes


def read_packets(path: Path, kind: str) -> list[list[Copied]]:
    """Return the packets of each stream of a kind."""
    with av.open(str(path)) as container:
        streams: dict[int, list[Copied]] = {each.index: [] for each in container.streams if each.type == kind}
        for packet in container.demux():
            if packet.size and packet.stream.index in streams:
                assert packet.pts is not None
                unit = fraction(packet.time_base)
                streams[packet.stream.index].append(
                    Copied(packet.pts * unit, (packet.duration or 0) * unit, bytes(packet))
                )
        return list(streams.values())


def write_source(
    path: Path,
    times: Sequence[Fraction],
    sounds: Sequence[str] = ("libopus", "ac3"),
    texts: Sequence[str] = ("subrip", "ass"),
    *,
    format: str | None = None,
    fonts: bool = True,
    unit: Fraction = Fraction(1, 24000),
    seconds: int = 2,
    delay: Fraction = Fraction(0),
) -> Path:
    """Write a source: 10-bit H.264 with B-frames, 32:27, BT.709, and the rest.

    Args:
        times: when each frame is shown, in seconds.
        sounds: encoders, one sound each.
        texts: codecs of subtitles.
        format: FFmpeg's name of the container, if not by the name of the file.
        unit: of the times of the video.
        seconds: length of the sounds.
        delay: seconds before the sounds begin.
    """
    with av.open(str(path), "w", format=format) as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "bf": "2"})
        context = video.codec_context
        context.width, context.height, context.pix_fmt, context.time_base = 64, 48, "yuv420p10le", unit
        context.sample_aspect_ratio = SHAPE
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 1
        context.max_b_frames = 2
        video.metadata.update({"language": "jpn", "title": "Film", "BPS": "12345"})
        video.disposition = av.stream.Disposition.default
        heard = [_add_sound(container, encoder) for encoder in sounds]
        written = [_add_text(container, codec) for codec in texts]
        if fonts:
            container.add_attachment("font.ttf", "font/ttf", FONT)
        container.metadata.update({"title": "Episode 1", "DATE": "1998"})
        chapters: list[Any] = [
            {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": text}}
            for number, ((start, end), text) in enumerate(CHAPTERS.items(), 1)
        ]
        container.set_chapters(chapters)
        packets = [*_video_packets(video, times, unit)]
        for sound in heard:
            packets += _sound_packets(sound, seconds, delay)
        for codec, text in zip(texts, written, strict=True):
            packets += _text_packets(codec, text)
        container.start_encoding()
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * fraction(packet.time_base)):
            container.mux(packet)
    return path


def write_covered(path: Path, *, cover_first: bool) -> Path:
    """Write an MP4 of 24 frames with a cover, which some programs write before the video."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        video.codec_context.width, video.codec_context.height, video.codec_context.pix_fmt = 64, 48, "yuv420p"
        cover = container.add_stream("mjpeg", rate=1)
        cover.codec_context.width, cover.codec_context.height, cover.codec_context.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux([*cover.encode(av.VideoFrame(16, 16, "yuvj420p")), *cover.encode(None)])
        for n in range(24):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = n
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    if cover_first:
        data = path.read_bytes()
        start, end = find_box(data, b"moov", 0, len(data))
        track, tags = (find_box(data, name, start + 8, end) for name in (b"trak", b"udta"))
        assert (track[1], tags[1]) == (tags[0], end)
        path.write_bytes(data[: track[0]] + data[slice(*tags)] + data[slice(*track)] + data[end:])
    return path


def find_box(data: bytes, name: bytes, start: int, end: int) -> tuple[int, int]:
    """Return where a box of MP4 begins and ends, among those from `start` to `end`."""
    while start < end:
        length = int.from_bytes(data[start : start + 4])
        if data[start + 4 : start + 8] == name:
            return start, start + length
        start += length
    raise ValueError(name)


FIELD = Fraction(1001, 60000)
"""Seconds of a field of NTSC."""


def soft_start(n: int) -> Fraction:
    """Return when frame n of a film on a DVD is shown, in seconds: for three and two fields in turn."""
    return (n // 2 * 5 + n % 2 * 3) * FIELD


def write_soft_telecine(path: Path, film: NDArray[np.uint8], *, format: str | None = None) -> Path:
    """Write a film as DVDs have it: progressive MPEG-2 with flags that repeat a field of every other frame, and AC-3.

    FFmpeg's encoder sets no such flags, so they are set in its packets.

    Args:
        film: (frames, height, width), grey levels; the height is a multiple of 32, as interlaced MPEG-2 needs it.
        format: FFmpeg's name of the container, if not by the name of the file.
    """
    count, height, width = film.shape
    context: Any = av.CodecContext.create("mpeg2video", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate, context.time_base = Fraction(30000, 1001), Fraction(1001, 30000)
    context.sample_aspect_ratio, context.bit_rate, context.max_b_frames, context.gop_size = SHAPE, 8_000_000, 2, 12
    context.colorspace, context.color_primaries, context.color_trc = 6, 6, 6
    packets = []
    for n, picture in enumerate(film):
        frame = av.VideoFrame(width, height, "yuv420p")
        samples(frame, 0)[:] = np.rint(16 + picture * (219 / 255))
        samples(frame, 1)[:] = samples(frame, 2)[:] = 128
        frame.pts = n
        packets += context.encode(frame)
    packets += context.encode(None)
    assert len(packets) == count
    with av.open(str(path), "w", format=format) as container:
        video = container.add_mux_stream("mpeg2video", rate=Fraction(30000, 1001), width=width, height=height)
        video.time_base = Fraction(1, 90000)
        sound = _add_sound(container, "ac3")
        made = []
        for place, packet in enumerate(packets):
            new = av.Packet(_set_telecine_flags(bytes(packet), packet.pts))
            new.stream, new.time_base, new.is_keyframe = video, video.time_base, packet.is_keyframe
            new.pts = round((soft_start(packet.pts) + 6 * FIELD) * 90000)
            new.dts = round(soft_start(place) * 90000)
            made.append(new)
        made += _sound_packets(sound, 2, Fraction(0))
        for new in sorted(made, key=lambda packet: (packet.dts or 0) * fraction(packet.time_base)):
            container.mux(new)
    return path


def _set_telecine_flags(packet: bytes, n: int) -> bytes:
    """Set the flags of frame n, and say in the sequence extension that the sequence is not progressive."""
    data = bytearray(packet)
    top, repeats = [(True, True), (False, False), (False, True), (True, False)][n % 4]
    at = data.find(b"\0\0\1\xb5")
    while at >= 0:
        match data[at + 4] >> 4:
            case 1:
                data[at + 5] &= ~0x08
            case 8:
                assert data[at + 8] & 0x80, "the picture is progressive"
                data[at + 7] = data[at + 7] & ~0x82 | top << 7 | repeats << 1
        at = data.find(b"\0\0\1\xb5", at + 4)
    return bytes(data)


def _add_sound(container: Any, encoder: str) -> Any:
    sound = container.add_stream(encoder, rate=48000, layout="mono")
    sound.metadata.update({"language": LANGUAGES[encoder], "title": f"Sound of {encoder}"})
    if encoder == "ac3":
        sound.disposition = av.stream.Disposition.comment
    return sound


def _add_text(container: Any, codec: str) -> Any:
    text = container.add_stream({"subrip": "srt"}.get(codec, codec))
    text.codec_context.subtitle_header = ASS_HEADER
    text.time_base = Fraction(1, 1000)
    text.metadata.update({"language": "eng", "title": f"Text of {codec}"})
    text.disposition = av.stream.Disposition.forced
    return text


def _video_packets(video: Any, times: Sequence[Fraction], unit: Fraction) -> Iterator[Any]:
    for n, time in enumerate(times):
        frame = av.VideoFrame(64, 48, "yuv420p10le")
        for plane, drawn in enumerate(draw(n, VideoFormat(64, 48, YUV420P10))):
            samples(frame, plane)[:] = drawn
        frame.pts, frame.time_base = round(time / unit), unit
        yield from video.encode(frame)
    yield from video.encode(None)


def _sound_packets(sound: Any, seconds: int, delay: Fraction) -> Iterator[Any]:
    rate = 48000
    tone = np.sin(np.arange(seconds * rate) * 0.05).astype(np.float32)[None]
    packed = sound.codec_context.format.name == "flt" or not sound.codec_context.format.is_planar
    kind = sound.codec_context.format.name
    block = tone if kind.startswith("flt") else (tone * 20000).astype(np.int16)
    assert packed or kind == "fltp"
    frame = av.AudioFrame.from_ndarray(block, format=kind, layout="mono")
    frame.rate, frame.pts, frame.time_base = rate, round(delay * rate), Fraction(1, rate)
    yield from sound.encode(frame)
    yield from sound.encode(None)


def _text_packets(codec: str, text: Any) -> Iterator[Any]:
    for number, ((start, end), said) in enumerate(TEXTS.items()):
        line = f"{number},0,Default,,0,0,0,,{said}"
        packet = text.codec_context.encode_subtitle(
            av.subtitles.subtitle.SubtitleSet.create(line.encode(), 0, end - start, start)
        )
        packet.stream, packet.time_base = text, Fraction(1, 1000)
        packet.pts = packet.dts = start
        packet.duration = end - start
        yield packet
