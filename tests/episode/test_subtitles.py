"""Subtitles that are pictures: PGS of Blu-rays, VobSub of DVDs, DVB of broadcasts."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.episode.clips import TEXTS, Copied, read_packets
from tests.episode.jobs import inline, needs_episodes, request, run
from vsanimesr.episode.libav import fraction
from vsanimesr.episode.media import Media, probe
from vsanimesr.episode.muxing import left_out

__all__ = ["inline"]
pytestmark = [needs_episodes, pytest.mark.usefixtures("inline")]

MILLISECOND = Fraction(1, 1000)
LANGUAGES = {"hdmv_pgs_subtitle": "jpn", "dvd_subtitle": "eng", "dvb_subtitle": "deu"}
PALETTE = [n * 0x0F0A05 for n in range(16)]
PRIVATE = f"palette: {', '.join(f'{colour:06x}' for colour in PALETTE)}\n".encode()
"""What Matroska keeps of a VobSub beside its packets: without it, its colours are lost."""
PAGES = bytes.fromhex("0001000110")
"""Pages of a DVB subtitle, and its type."""
X265: dict[str, Any] = {"encoder": "x265", "encoder_options": {"preset": "ultrafast"}}


def draw_pgs(number: int, *, shown: bool) -> bytes:
    """Return a display set of PGS: 8x2 pixels at (4, 6), or nothing."""

    def segment(kind: int, data: bytes) -> bytes:
        return struct.pack(">BH", kind, len(data)) + data

    place = struct.pack(">HBBHH", 0, 0, 0, 4, 6)
    state = struct.pack(">HHBHBBBB", 64, 48, 0x10, number, 0x80 if shown else 0, 0, 0, int(shown))
    window = segment(0x17, b"\1\0" + struct.pack(">HHHH", 4, 6, 8, 2))
    if not shown:
        return segment(0x16, state) + window + segment(0x80, b"")
    rows = (b"\1" * 8 + b"\0\0") * 2
    picture = struct.pack(">HBB", 0, 0, 0xC0) + (len(rows) + 4).to_bytes(3) + struct.pack(">HH", 8, 2) + rows
    colours = segment(0x14, bytes([0, 0, 1, 200, 128, 128, 255]))
    return segment(0x16, state + place) + window + colours + segment(0x15, picture) + segment(0x80, b"")


def draw_vobsub(duration: int) -> bytes:
    """Return a picture of 8x2 pixels of a DVD, which is shown for so many milliseconds."""
    pixels = bytes.fromhex("22222222")
    first = 4 + len(pixels)
    commands = bytes.fromhex("033210 04fff0 05 00400b 006007") + struct.pack(">BHHBB", 6, 4, 6, 1, 0xFF)
    last = first + 4 + len(commands)
    body = pixels + struct.pack(">HH", 0, last) + commands + struct.pack(">HHBB", duration * 90 // 1024, last, 2, 0xFF)
    return struct.pack(">HH", 4 + len(body), first) + body


def draw_dvb() -> bytes:
    """Return a page of a broadcast, without regions."""
    return bytes.fromhex("0f10 0001 0002 0504  0f80 0001 0000")


def write_pictures(path: Path, codecs: Sequence[str]) -> Path:
    """Write two seconds of video, and subtitles of these codecs at the times of `TEXTS`."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast", "bf": "2"})
        video.codec_context.width, video.codec_context.height, video.codec_context.pix_fmt = 64, 48, "yuv420p"
        subtitles = [(codec, _add(container, codec)) for codec in codecs]
        packets: list[Any] = []
        for n in range(48):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = n
            packets += video.encode(frame)
        packets += video.encode(None)
        for codec, stream in subtitles:
            for time, duration, data in _drawn(codec):
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.pts, packet.dts = stream, MILLISECOND, time, time
                packet.duration = duration
                packets.append(packet)
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * fraction(packet.time_base)):
            container.mux(packet)
    return path


def _add(container: Any, codec: str) -> Any:
    if codec == "hdmv_pgs_subtitle":  # FFmpeg has no encoder of it
        stream = container.add_mux_stream(codec)
    else:
        stream = container.add_stream({"dvd_subtitle": "dvdsub", "dvb_subtitle": "dvbsub"}[codec])
        if codec == "dvd_subtitle":
            stream.codec_context.options = {"palette": ",".join(f"{colour:06x}" for colour in PALETTE)}
    stream.time_base = MILLISECOND
    stream.metadata["language"] = LANGUAGES[codec]
    return stream


def _drawn(codec: str) -> Iterator[tuple[int, int, bytes]]:
    """Yield time, duration and content of each packet."""
    for start, end in TEXTS:
        if codec == "hdmv_pgs_subtitle":
            yield start, 0, draw_pgs(start, shown=True)
            yield end, 0, draw_pgs(end, shown=False)
        else:
            yield start, end - start, draw_vobsub(end - start) if codec == "dvd_subtitle" else draw_dvb()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """A Matroska file with all three."""
    return probe(write_pictures(tmp_path_factory.mktemp("pictures") / "episode.mkv", list(LANGUAGES)))


def codec_private(path: Path) -> list[bytes | None]:
    """Return what a container keeps of each subtitle beside its packets."""
    with av.open(str(path)) as container:
        return [stream.codec_context.extradata for stream in container.streams.subtitles]


def test_matroska_keeps_them(source: Media, tmp_path: Path) -> None:
    assert codec_private(source.path)[1] == PRIVATE

    result = run(request(source.path, tmp_path / "new.mkv"))

    packets = read_packets(result, "subtitle")
    assert packets == read_packets(source.path, "subtitle")
    drawn = [[Copied(Fraction(at, 1000), Fraction(length, 1000), data) for at, length, data in _drawn(codec)]
             for codec in LANGUAGES]  # fmt: skip
    assert packets == drawn
    assert codec_private(result) == codec_private(source.path)
    assert [(each.codec, each.language) for each in probe(result).streams[1:]] == list(LANGUAGES.items())
    with av.open(str(result)) as container:  # FFmpeg reads the pictures
        stream = container.streams.subtitles[1]
        sets: list[Any] = [stream.codec_context.decode2(packet) for packet in container.demux(stream) if packet.size]
    assert [(rectangle.x, rectangle.y, rectangle.width) for each in sets if each for rectangle in each] == [
        (4, 6, 8)
    ] * 2


def test_a_broadcast_keeps_its_subtitles(tmp_path: Path) -> None:
    found = probe(write_pictures(tmp_path / "episode.ts", ["dvb_subtitle"]))
    assert codec_private(found.path) == [PAGES]
    assert found.origin > 0

    result = run(request(found.path, tmp_path / "new.mkv"))

    [packets] = read_packets(result, "subtitle")
    assert [(packet.time, packet.content) for packet in packets] == [
        (Fraction(start, 1000), draw_dvb()) for start, _ in TEXTS
    ]
    assert codec_private(result) == [PAGES]
    assert probe(result).streams[1].language == "deu"


def test_mp4_says_before_the_work_what_it_leaves_out(
    source: Media, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(request(source.path, tmp_path / "new.mp4", **X265))

    lines = capsys.readouterr().err.splitlines()
    expected = [
        f"episode.mkv: subtitle {index} ({codec}, {language}) is left out: .mp4 does not hold {codec}; .mkv might"
        for index, codec, language in ((1, "hdmv_pgs_subtitle", "jpn"), (3, "dvb_subtitle", "deu"))
    ]
    assert left_out(source, "mp4") == expected
    assert [line for line in lines[:-1] if "left out" in line] == expected
    assert "new.mp4: 48 frames" in lines[-1]
    assert [(each.codec, each.language) for each in probe(result).streams[1:]] == [("dvd_subtitle", "eng")]
    [packets] = read_packets(result, "subtitle")
    assert [(packet.time, packet.content) for packet in packets] == [
        (Fraction(start, 1000), draw_vobsub(end - start)) for start, end in TEXTS
    ]
    [private] = codec_private(result)
    assert private is not None
    kept = [int(colour, 16).to_bytes(3) for colour in private.decode().partition("palette: ")[2].split(",")]
    for found, colour in zip(kept, PALETTE, strict=True):  # MP4 has it as YUV of whole numbers, limited range
        assert max(abs(a - b) for a, b in zip(found, colour.to_bytes(3), strict=True)) <= 5


def test_a_part_has_the_pictures_within_it(source: Media, tmp_path: Path) -> None:
    result = run(request(source.path, tmp_path / "new.mkv", range="0:00.5-0:01.5"))

    first = Fraction(500, 1000)
    pgs, vobsub, dvb = read_packets(result, "subtitle")
    assert [packet.time for packet in pgs] == [Fraction(900, 1000) - first, Fraction(1200, 1000) - first]
    for packets in (vobsub, dvb):
        assert [packet.time for packet in packets] == [0, Fraction(1200, 1000) - first]
        assert packets[0].duration == Fraction(900, 1000) - first
