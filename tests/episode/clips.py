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
