from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import sources
from tests.episode import clips
from tests.episode.clips import CHAPTERS, RATE, SHAPE, write_source
from vsanimesr.episode import libav
from vsanimesr.episode.media import Chapter, ColourTags, Stream, frame_times, probe
from vsanimesr.errors import MediaError

VFR = [Fraction(83, 1000) + Fraction(sum(sources.DURATIONS[:n]), 1000) for n in range(24)]
CLIP = Path(__file__).parents[2] / ".data" / "bigbuckbunny.mp4"


def test_everything_that_a_source_says_is_read(tmp_path: Path) -> None:
    media = probe(write_source(tmp_path / "episode.mkv", VFR))
    assert (media.container, media.width, media.height) == ("matroska", 64, 48)
    assert media.start == Fraction(83, 1000)
    assert media.sample_aspect == SHAPE
    assert media.colours == ColourTags(1, 1, 1, 0, 0)
    assert media.hdr is None
    assert media.video == 0
    assert media.streams == (
        Stream(0, "video", "h264", "jpn", "Film", default=True),
        Stream(1, "audio", "opus", "jpn", "Sound of libopus"),
        Stream(2, "audio", "ac3", "eng", "Sound of ac3"),
        Stream(3, "subtitle", "subrip", "eng", "Text of subrip"),
        Stream(4, "subtitle", "ass", "eng", "Text of ass"),
        Stream(5, "attachment", "font/ttf"),
    )
    assert media.chapters == tuple(
        Chapter(Fraction(start, 1000), Fraction(end, 1000), title) for (start, end), title in CHAPTERS.items()
    )
    assert media.duration is not None
    assert media.duration >= 2
    assert (media.fields.first, media.fields.frames, media.fields.interlaced) == ("progressive", 24, 0)
    assert media.fields.progressive == 1
    assert media.metadata["title"] == "Episode 1"


def test_a_steady_rate_is_read_exactly(tmp_path: Path) -> None:
    times = [n / RATE for n in range(30)]
    assert probe(write_source(tmp_path / "a.mkv", times)).frame_rate == RATE
    assert probe(write_source(tmp_path / "a.mp4", times, ["aac"], ["mov_text"], fonts=False)).frame_rate == RATE


def test_each_frame_has_its_own_time(tmp_path: Path) -> None:
    assert frame_times(write_source(tmp_path / "a.mkv", VFR)) == VFR
    exact = [n * n * Fraction(1, 1000) + n / RATE for n in range(20)]
    found = frame_times(write_source(tmp_path / "a.mp4", exact, ["aac"], [], fonts=False, unit=Fraction(1, 120000)))
    assert found == exact


class Followed:
    """A packet, as far as its time is read."""

    def __init__(self, packet: Any) -> None:
        self.pts, self.size, self.is_discard, self.time_base = (
            packet.pts, packet.size, packet.is_discard, packet.time_base,
        )  # fmt: skip


def test_times_are_read_without_keeping_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living: weakref.WeakSet[Followed] = weakref.WeakSet()
    most = 0

    class Container:
        def __init__(self, opened: Any) -> None:
            self._opened = opened

        def __getattr__(self, name: str) -> Any:
            return getattr(self._opened, name)

        def demux(self, stream: Any) -> Iterator[Followed]:
            nonlocal most
            for packet in self._opened.demux(stream):
                followed = Followed(packet)
                living.add(followed)
                most = max(most, len(living))
                yield followed

    @contextmanager
    def opened(path: Path) -> Iterator[Container]:
        with av.open(str(path)) as container:
            yield Container(container)

    path = write_source(tmp_path / "a.mkv", VFR)
    monkeypatch.setattr(libav, "opened", opened)
    assert frame_times(path) == VFR
    assert 0 < most <= 2


def test_the_duration_of_mp4_counts_the_time_before_it_begins(tmp_path: Path) -> None:
    times = [Fraction(1) + n / RATE for n in range(24)]
    duration = probe(write_source(tmp_path / "a.mp4", times, [], [], fonts=False)).duration
    assert duration is not None
    assert abs(duration - (Fraction(1) + 24 / RATE)) <= 3 / RATE


def test_times_of_a_transport_stream_count_from_its_start(tmp_path: Path) -> None:
    times = [Fraction(10) + n / RATE for n in range(20)]
    path = write_source(tmp_path / "a.ts", times, [], [], fonts=False)
    media = probe(path)
    assert media.origin > 9
    assert media.start == 0
    expected = [time - times[0] for time in times]
    assert [float(time) for time in frame_times(path)] == pytest.approx([float(time) for time in expected], abs=2e-5)


def test_a_dvd_is_seen_to_be_interlaced(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("not installed: ffmpeg")
    sources.write_dvd(tmp_path)
    media = probe(tmp_path / "episode.mkv")
    assert media.fields.first == "interlaced"
    assert media.fields.interlaced > media.fields.frames / 4
    assert media.sample_aspect == SHAPE
    assert media.colours == ColourTags(6, 6, 6, 0, 0)
    assert [stream.codec for stream in media.streams[:2]] == ["mpeg2video", "ac3"]


@pytest.mark.parametrize(("name", "format"), [("a.mkv", None), ("a.vob", "vob"), ("a.ts", None)])
def test_repeated_fields_are_seen_by_their_flags(tmp_path: Path, name: str, format: str | None) -> None:
    film = sources.draw_episode(96, 64)
    fields = probe(clips.write_soft_telecine(tmp_path / name, film, format=format)).fields
    assert (fields.frames, fields.interlaced, fields.repeated) == (48, 0, 24)


def test_frames_of_other_lengths_repeat_no_field(tmp_path: Path) -> None:
    """H.264 in which every other frame is shown half as long again."""
    times = [clips.soft_start(n) for n in range(20)]
    path = write_source(tmp_path / "a.mp4", times, [], [], fonts=False, unit=Fraction(1, 60000))
    assert probe(path).fields.repeated == 0


@pytest.mark.parametrize("first", [False, True])
def test_a_cover_is_not_the_video(tmp_path: Path, first: bool) -> None:
    media = probe(clips.write_covered(tmp_path / "a.mp4", cover_first=first))
    assert (media.width, media.height) == (64, 48)
    assert media.video == int(first)
    assert [stream.picture for stream in media.streams] == [first, not first]


def test_a_long_file_in_which_nothing_can_be_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is still written, or damaged: what is decoded of its start counts."""
    path = write_source(tmp_path / "a.mkv", [Fraction(n * 3) for n in range(30)], ["ac3"], [])
    places = []

    class Container:
        def __init__(self, opened: Any) -> None:
            self._opened = opened

        def __getattr__(self, name: str) -> Any:
            return getattr(self._opened, name)

        def seek(self, place: int) -> None:
            places.append(place)
            raise av.error.PermissionError(1, "Operation not permitted")

    @contextmanager
    def opened(path: Path) -> Iterator[Container]:
        with av.open(str(path)) as container:
            yield Container(container)

    monkeypatch.setattr(libav, "opened", opened)
    assert probe(path).fields.frames == 30
    assert len(places) == 2


def test_a_song_with_a_cover_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.codec_context.width, cover.codec_context.height, cover.codec_context.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux([*cover.encode(av.VideoFrame(16, 16, "yuvj420p")), *cover.encode(None)])
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        frame.rate, frame.pts = 48000, 0
        container.mux([*sound.encode(frame), *sound.encode(None)])
    with pytest.raises(MediaError, match=r"song\.mp4 holds no video"):
        probe(path)


def test_hdr_of_the_stream_is_read_without_the_container(tmp_path: Path) -> None:
    how = clips.settings("x265", colours=clips.TAGS, hdr=clips.HDR)
    [chunk] = clips.write_chunks(tmp_path, [1], how)
    plain = tmp_path / "plain.mkv"
    with av.open(str(chunk)) as source, av.open(str(plain), "w") as target:
        stream = target.add_mux_stream("hevc", rate=25, width=144, height=96)
        convert = av.bitstream.BitStreamFilterContext("hevc_mp4toannexb", source.streams.video[0])
        for packet in source.demux(video=0):
            for each in convert.filter(packet) if packet.size else []:
                each.stream, each.time_base = stream, packet.time_base
                target.mux(each)
    with av.open(str(plain)) as container:
        assert "mastering_display_metadata" not in container.streams.video[0].codec_context.coded_side_data
    media = probe(plain)
    assert media.hdr == clips.HDR
    assert media.colours == clips.TAGS


@pytest.mark.parametrize("name", ["missing.mkv", "text.mkv", "sound.mkv", "empty.mkv", "folder"])
def test_files_that_are_no_video_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.mkv").write_text("not a video")
    (tmp_path / "empty.mkv").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        container.mux(sound.encode(None))
    for read in (probe, frame_times):
        with pytest.raises(MediaError, match=name):
            read(tmp_path / name)


def test_a_file_of_mp4_that_is_cut_off_is_said(tmp_path: Path) -> None:
    path, told = clips.write_covered(tmp_path / "a.mp4", cover_first=False), list[str]()
    content = path.read_bytes()
    media, samples = (clips.find_box(content, name, 0, len(content)) for name in (b"moov", b"mdat"))
    frame_times(path, told.append)
    assert told == []

    # Boxes in the order in which they are sent. What is said of the place of frames is then too early, by the length
    # of the first: their content does not matter here.
    path.write_bytes(content[: samples[0]] + content[slice(*media)] + content[samples[0] : samples[0] + 60])
    times = frame_times(path, told.append)
    assert 0 < len(times) < 24
    [said] = told
    assert said.startswith("a.mp4 is cut off: its video ends at ")


@pytest.mark.skipif(not CLIP.exists(), reason="no clip: python -m scripts.fetch_data")
def test_a_real_clip() -> None:
    media = probe(CLIP)
    assert (media.width, media.height, media.frame_rate) == (1280, 720, Fraction(25))
    assert media.fields.interlaced == 0
    assert frame_times(CLIP) == [Fraction(n, 25) for n in range(132)]
