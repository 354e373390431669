from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests import sources
from tests.episode import clips
from tests.episode.clips import CHAPTERS, FONT, HDR, RATE, SHAPE, TAGS, TEXTS, read_packets, settings, write_source
from vsanimesr.episode import libav
from vsanimesr.episode.encoding import ENCODERS, EncoderSettings, VideoFormat, decoded, digest, encode, samples
from vsanimesr.episode.libav import fraction
from vsanimesr.episode.media import ColourTags, Media, frame_times, probe
from vsanimesr.episode.muxing import container_of, decode_digests, left_out, mux
from vsanimesr.episode.timeline import MILLISECOND, to_ticks
from vsanimesr.episode.tracks import Rest
from vsanimesr.errors import MediaError, OptionError

FRAMES = 24
LENGTHS = [7, 1, 16]
VFR = [Fraction(83, 1000) + Fraction(sum(sources.DURATIONS[:n]), 1000) for n in range(FRAMES)]
STEADY = [n / RATE for n in range(FRAMES)]
CLIP = Path(__file__).parents[2] / ".data" / "bigbuckbunny.mp4"


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Chunks of 7, 1 and 16 frames with B-frames."""
    return clips.write_chunks(tmp_path_factory.mktemp("chunks"), LENGTHS, settings("x264"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """A Matroska file with a variable frame rate, which begins at 83 ms."""
    return probe(write_source(tmp_path_factory.mktemp("source") / "episode.mkv", VFR))


@pytest.fixture(scope="module")
def source_mp4(tmp_path_factory: pytest.TempPathFactory) -> Media:
    """An MP4 file whose AAC begins before zero."""
    path = tmp_path_factory.mktemp("source") / "episode.mp4"
    return probe(write_source(path, STEADY, ["aac"], ["mov_text"], fonts=False))


def read_tags(path: Path) -> list[tuple[str, str | None, str | None, int]]:
    """Return kind, language, title or name, and disposition of each stream."""
    with av.open(str(path)) as container:
        return [
            (
                stream.type,
                stream.metadata.get("language"),
                stream.metadata.get("title", stream.metadata.get("filename")),
                int(stream.disposition),
            )
            for stream in container.streams
        ]


def assert_in_order(path: Path, lengths: Sequence[int]) -> None:
    """Check that a file shows frames 0, 1, ... and is decoded in an order that a player can follow."""
    assert clips.shown_numbers(path) == [n % 24 for n in range(sum(lengths))]
    with av.open(str(path)) as container:
        # A decoder knows the order of frames by itself, and gives each the time of its packet.
        shown = [frame.pts for frame in container.decode(video=0) if frame.pts is not None]
    assert all(before < after for before, after in pairwise(shown))
    with av.open(str(path)) as container:
        stamps = [(packet.pts, packet.dts) for packet in container.demux(video=0) if packet.size]
    known = [(pts, dts) for pts, dts in stamps if dts is not None and pts is not None]
    assert all(dts <= pts for pts, dts in known)
    assert all(before < after for (_, before), (_, after) in pairwise(known))


def test_matroska_to_matroska_keeps_everything(tmp_path: Path, chunks: list[Path], source: Media) -> None:
    out = tmp_path / "new.mkv.part"
    told: list[int] = []
    mux(chunks, VFR, source, out, advance=told.append)
    assert told == list(range(1, FRAMES + 1))
    assert left_out(source, "mkv") == []
    for kind in ("audio", "subtitle"):
        assert read_packets(out, kind) == read_packets(source.path, kind)
        assert all(read_packets(out, kind))
    assert read_tags(out) == read_tags(source.path)
    assert probe(out).chapters == source.chapters
    assert frame_times(out) == VFR
    assert decode_digests(out, LENGTHS) == [digest(chunk)[1] for chunk in chunks]
    assert_in_order(out, LENGTHS)
    with av.open(str(out)) as container:
        [font] = container.streams.attachments
        assert (font.data, font.mimetype) == (FONT, "font/ttf")
        assert container.streams.subtitles[1].codec_context.extradata == subtitle_header(source.path)
        assert container.metadata["title"] == "Episode 1"
        assert container.metadata["DATE"] == "1998"
        film = container.streams.video[0].metadata
        assert film["ENCODER"] == "x264"
        assert "preset=ultrafast" in film["ENCODER_SETTINGS"]
        assert "BPS" not in film


def subtitle_header(path: Path) -> bytes | None:
    with av.open(str(path)) as container:
        return container.streams.subtitles[1].codec_context.extradata


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, chunks: list[Path], source: Media) -> None:
    for suffix in ("mkv", "mp4"):
        for name in ("a", "b"):
            mux(chunks, VFR, source, tmp_path / f"{name}.{suffix}")
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_variable_frame_rate_has_no_rate_and_a_steady_one_has(tmp_path: Path, chunks: list[Path]) -> None:
    mux(chunks, VFR, None, tmp_path / "vfr.mkv")
    mux(chunks, [Fraction(to_ticks(time, MILLISECOND), 1000) for time in STEADY], None, tmp_path / "cfr.mkv")
    with av.open(str(tmp_path / "cfr.mkv")) as container:
        assert container.streams.video[0].average_rate == RATE
    assert b"\x23\xe3\x83" in (tmp_path / "cfr.mkv").read_bytes()[:2000]  # the default duration
    assert b"\x23\xe3\x83" not in (tmp_path / "vfr.mkv").read_bytes()[:2000]


def test_matroska_to_mp4_keeps_sound_and_turns_subtitles_into_text(
    tmp_path: Path, chunks: list[Path], source: Media, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "new.mp4"
    mux(chunks, VFR, source, out)
    said = left_out(source, "mp4")
    assert len(said) == 3
    assert "subtitle 3 (subrip, eng) becomes mov_text" in said[0]
    assert "subtitle 4 (ass, eng) becomes mov_text" in said[1]
    assert "styles" in said[1]
    assert "attachment 5 (font/ttf) is left out" in said[2]
    assert [record.getMessage() for record in caplog.records] == said
    for found, expected in zip(read_packets(out, "audio"), read_packets(source.path, "audio"), strict=True):
        assert [packet.content for packet in found] == [packet.content for packet in expected]
        assert [packet.time for packet in found] == [packet.time for packet in expected]
    for track in read_packets(out, "subtitle"):
        shown = [(packet.time, packet.duration, packet.content[2:]) for packet in track if len(packet.content) > 2]
        assert shown == [
            (Fraction(start, 1000), Fraction(end - start, 1000), text.encode()) for (start, end), text in TEXTS.items()
        ]
    assert [chapter.title for chapter in probe(out).chapters] == list(CHAPTERS.values())
    assert frame_times(out) == VFR
    assert_in_order(out, LENGTHS)
    assert decode_digests(out, LENGTHS) == [digest(chunk)[1] for chunk in chunks]
    tags = read_tags(out)
    assert [tag[:2] for tag in tags[:5]] == [
        ("video", "jpn"), ("audio", "jpn"), ("audio", "eng"), ("subtitle", "eng"), ("subtitle", "eng"),
    ]  # fmt: skip
    with av.open(str(out)) as container:
        assert container.streams.audio[1].metadata["handler_name"] == "Sound of ac3"


def test_mp4_to_mp4_keeps_the_priming_of_aac(tmp_path: Path, chunks: list[Path], source_mp4: Media) -> None:
    out = tmp_path / "new.mp4"
    mux(chunks, frame_times(source_mp4.path), source_mp4, out)
    assert read_packets(out, "audio") == read_packets(source_mp4.path, "audio")
    assert read_packets(out, "audio")[0][0].time == Fraction(-1024, 48000)
    assert read_packets(out, "subtitle") == read_packets(source_mp4.path, "subtitle")
    assert frame_times(out) == STEADY
    assert probe(out).chapters == source_mp4.chapters
    assert decode_sound(out) == decode_sound(source_mp4.path)


def decode_sound(path: Path) -> tuple[Fraction, str]:
    """Return when the first sample that is heard is heard, and a hash of all of them."""
    hashed, first = hashlib.sha256(), None
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            if first is None:
                assert frame.pts is not None
                first = frame.pts * fraction(frame.time_base)
            hashed.update(frame.to_ndarray().tobytes())
    assert first is not None
    return first, hashed.hexdigest()


def test_mp4_to_matroska_keeps_the_priming_of_aac(tmp_path: Path, chunks: list[Path], source_mp4: Media) -> None:
    out = tmp_path / "new.mkv"
    mux(chunks, STEADY, source_mp4, out)
    [found], [expected] = read_packets(out, "audio"), read_packets(source_mp4.path, "audio")
    assert [packet.content for packet in found] == [packet.content for packet in expected]
    for one, other in zip(found, expected, strict=True):
        assert abs(one.time - other.time) <= MILLISECOND
    assert decode_sound(out)[1] == decode_sound(source_mp4.path)[1]
    assert abs(decode_sound(out)[0] - decode_sound(source_mp4.path)[0]) <= MILLISECOND
    [text] = read_packets(out, "subtitle")
    assert [(packet.time, packet.content) for packet in text] == [
        (Fraction(start, 1000), said.encode()) for (start, _), said in TEXTS.items()
    ]
    assert [to_ticks(time, MILLISECOND) for time in STEADY] == [time * 1000 for time in frame_times(out)]


def test_opus_of_matroska_is_heard_at_the_same_time(tmp_path: Path, chunks: list[Path], source: Media) -> None:
    mux(chunks, VFR, source, tmp_path / "new.mkv")
    assert decode_sound(tmp_path / "new.mkv") == decode_sound(source.path)


def test_what_begins_before_zero_moves_everything_in_matroska(
    tmp_path: Path, chunks: list[Path], source_mp4: Media, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "new.mkv.part"
    mux(chunks, [time - Fraction(1, 10) for time in STEADY], source_mp4, out)
    assert "new.mkv: everything is shown 100 ms later" in caplog.text
    assert frame_times(out)[0] == 0
    assert [chapter.start for chapter in probe(out).chapters] == [Fraction(1, 10), Fraction(3, 5)]
    moved = read_packets(out, "audio")[0][0].time - read_packets(source_mp4.path, "audio")[0][0].time
    assert abs(moved - Fraction(1, 10)) <= MILLISECOND


@pytest.mark.parametrize("encoder", ENCODERS)
def test_colours_shape_and_hdr_are_in_every_container(tmp_path: Path, encoder: str) -> None:
    how = settings(encoder, colours=TAGS, sample_aspect=SHAPE, hdr=HDR)
    parts = clips.write_chunks(tmp_path, [3, 4], how)
    for container in ENCODERS[encoder].containers:
        out = tmp_path / f"new.{container}"
        mux(parts, STEADY[:7], None, out)
        found = probe(out)
        assert (found.colours, found.sample_aspect, found.hdr) == (TAGS, SHAPE, HDR)
        assert decode_digests(out, [3, 4]) == [digest(part)[1] for part in parts]
        assert_in_order(out, [3, 4])
        with av.open(str(out)) as opened:
            data = opened.streams.video[0].codec_context.coded_side_data
            assert {"mastering_display_metadata", "content_light_level"} <= data.keys()
            assert "title" not in opened.streams.video[0].metadata
            if encoder == "x265" and container == "mp4":
                assert opened.streams.video[0].codec_tag == "hvc1"


def read_duration(path: Path) -> Fraction:
    """Return when a file says that it ends."""
    data = path.read_bytes()
    if path.suffix == ".mp4":
        at = data.index(b"mvhd") + 4
        # Version 1 has times of 8 bytes, version 0 of 4: created, changed; the unit, the duration.
        width = 8 if data[at] else 4
        unit, length = data[at + 4 + 2 * width :][:4], data[at + 8 + 2 * width :][:width]
        return Fraction(int.from_bytes(length), int.from_bytes(unit))
    duration = probe(path).duration
    assert duration is not None
    return duration


@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(83, 1000)])
def test_the_last_frame_is_shown_as_long_as_it_is_said_to(
    tmp_path: Path, chunks: list[Path], container: str, start: Fraction
) -> None:
    out = tmp_path / f"new.{container}"
    times = [time - VFR[0] + start for time in VFR]
    for end in (times[-1] + Fraction(21, 1000), times[-1] + Fraction(2)):
        mux(chunks, times, None, out, end=end)
        assert read_duration(out) == end
    mux(chunks, times, None, out)
    assert read_duration(out) == times[-1] + Fraction(33, 1000)


def test_mp4_shows_frames_behind_a_key_frame_that_is_decoded_slowly(tmp_path: Path) -> None:
    lengths = [1, 1, 1, 1, 5, 1, 2]
    parts = clips.write_chunks(tmp_path, lengths, settings("x264"))
    gaps = [Fraction(2, 1000)] * 7 + [Fraction(6, 1000), Fraction(4, 1000), Fraction(2, 1000), Fraction(2, 1000)]
    times = list(accumulate(gaps, initial=Fraction(0)))
    mux(parts, times, None, tmp_path / "new.mp4")
    assert frame_times(tmp_path / "new.mp4") == times
    assert_in_order(tmp_path / "new.mp4", lengths)


@pytest.mark.parametrize("start", [Fraction(1, 3), Fraction(5, 9)])
def test_mp4_begins_between_two_milliseconds(tmp_path: Path, start: Fraction) -> None:
    parts = clips.write_chunks(tmp_path, [3], settings("x264"))
    times = [start + Fraction(n, 250) for n in range(3)]
    mux(parts, times, None, tmp_path / "new.mp4")
    assert frame_times(tmp_path / "new.mp4") == times


POOL = 6


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Chunks of 1 to 6 frames that begin at each of 24 numbers, by length."""
    folder = tmp_path_factory.mktemp("pool")
    video, how = replace(clips.VIDEO, width=32, height=32), settings("x264")
    found = []
    for length in range(1, POOL + 1):
        found.append([folder / f"{length}-{first}.mkv" for first in range(24)])
        for first, path in enumerate(found[-1]):
            encode((clips.draw(n, video) for n in range(first, first + length)), video, how, path)
    return found


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_chunks_at_any_times_are_shown_in_order(
    tmp_path_factory: pytest.TempPathFactory, pool: list[list[Path]], data: st.DataObject
) -> None:
    lengths = data.draw(st.lists(st.integers(1, POOL), min_size=1, max_size=7))
    container = data.draw(st.sampled_from(["mkv", "mp4"]))
    gaps = st.fractions(Fraction(1, 500), 2, max_denominator=data.draw(st.sampled_from([1000, 24000])))
    count = sum(lengths)
    start = data.draw(st.fractions(0, 3, max_denominator=1000))
    times = list(accumulate(data.draw(st.lists(gaps, min_size=count - 1, max_size=count - 1)), initial=start))
    end = data.draw(st.none() | st.just(times[-1] + Fraction(1, 3)))
    firsts = [0, *accumulate(lengths)]
    chosen = [pool[length - 1][first % 24] for length, first in zip(lengths, firsts, strict=False)]
    out = tmp_path_factory.mktemp("any") / f"new.{container}"
    mux(chosen, times, None, out, end=end)
    assert_in_order(out, lengths)
    unit = MILLISECOND if container == "mkv" else Fraction(1, 1_000_000)
    for found, expected in zip(frame_times(out), times, strict=True):
        assert abs(found - expected) <= max(unit / 2, 0 if count > 2 else MILLISECOND)
    last = end if end is not None else times[-1] + (times[-1] - times[-2] if count > 1 else 1 / RATE)
    # MP4 may end later by what decoding a key frame takes.
    assert -2 * MILLISECOND <= read_duration(out) - last <= (2 * MILLISECOND if container == "mkv" else 2)


def test_a_part_of_a_source_has_a_part_of_the_rest(tmp_path: Path, chunks: list[Path], source: Media) -> None:
    span = (Fraction(400, 1000), Fraction(1400, 1000))
    times = [time for time in VFR if span[0] <= time < span[1]]
    parts = clips.write_chunks(tmp_path, [len(times)], settings("x264"))
    first = times[0]
    for container in ("mkv", "mp4"):
        out = tmp_path / f"new.{container}"
        mux(parts, times, source, out, span=span)
        assert frame_times(out) == [time - first for time in times]
        for found, all_of in zip(read_packets(out, "audio"), read_packets(source.path, "audio"), strict=True):
            kept = [packet for packet in all_of if first <= packet.time < span[1]]
            assert [packet.content for packet in found] == [packet.content for packet in kept]
            for one, other in zip(found, kept, strict=True):
                assert abs(one.time - (other.time - first)) <= MILLISECOND
        text = [packet for packet in read_packets(out, "subtitle")[0] if len(packet.content) > 2]
        assert [(packet.time, packet.duration) for packet in text] == [
            (0, Fraction(900, 1000) - first),
            (Fraction(1200, 1000) - first, Fraction(700, 1000)),
        ]
        assert [(chapter.start, chapter.end, chapter.title) for chapter in probe(out).chapters] == [
            (0, Fraction(500, 1000) - first, "Opening"),
            (Fraction(500, 1000) - first, span[1] - first, "Part A"),
        ]


@pytest.mark.parametrize(
    "other",
    [
        {"colours": ColourTags(1, 1, 1, 0, 0)},
        {"rate": Fraction(60)},
        {"encoder": "x265", "arguments": clips.QUICK["x265"]},
        {"arguments": {**clips.QUICK["x264"], "profile": "high10", "level": "6"}},
        {"sample_aspect": SHAPE},
    ],
)
def test_chunks_by_other_settings_are_refused(tmp_path: Path, chunks: list[Path], other: dict[str, Any]) -> None:
    [alien] = clips.write_chunks(tmp_path, [1], replace(settings("x264"), **other))
    out = tmp_path / "new.mkv"
    with pytest.raises(MediaError, match=rf"{alien} was not made by the settings of {chunks[0].name}"):
        mux([*chunks, alien], [*VFR, VFR[-1] + 1], None, out)
    assert not out.exists()


def test_chunks_of_another_size_or_depth_are_refused(tmp_path: Path, chunks: list[Path]) -> None:
    for number, video in enumerate((replace(clips.VIDEO, width=128), replace(clips.VIDEO, pixels=clips.YUV420P8))):
        (tmp_path / str(number)).mkdir()
        [alien] = clips.write_chunks(tmp_path / str(number), [1], settings("x264"), video)
        with pytest.raises(MediaError, match="was not made by the settings"):
            mux([*chunks, alien], [*VFR, VFR[-1] + 1], None, tmp_path / "new.mkv")


def test_chunks_that_are_missing_or_damaged_are_named(tmp_path: Path, chunks: list[Path]) -> None:
    out = tmp_path / "new.mkv"
    with pytest.raises(MediaError, match=r"missing\.mkv: no such file"):
        mux([chunks[0], tmp_path / "missing.mkv"], VFR[:8], None, out)
    data = chunks[2].read_bytes()
    (tmp_path / "half.mkv").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"hold .* frames, but 24 are expected"):
        mux([*chunks[:2], tmp_path / "half.mkv"], VFR, None, out)
    (tmp_path / "none.mkv").write_bytes(b"")
    with pytest.raises(MediaError, match=r"none\.mkv"):
        mux([tmp_path / "none.mkv"], VFR[:1], None, out)
    with pytest.raises(MediaError, match="no chunk"):
        mux([], [], None, out)
    assert not out.exists()


@pytest.mark.parametrize("wrong", [VFR[:-1], [*VFR, VFR[-1] + 1]])
def test_the_number_of_times_must_be_that_of_the_frames(
    tmp_path: Path, chunks: list[Path], wrong: list[Fraction]
) -> None:
    with pytest.raises(MediaError, match=f"24 frames, but {len(wrong)}"):
        mux(chunks, wrong, None, tmp_path / "new.mkv")


def test_a_source_that_cannot_be_read_leaves_an_older_result_alone(
    tmp_path: Path, chunks: list[Path], source: Media
) -> None:
    out = tmp_path / "new.mkv"
    out.write_bytes(b"older")
    with pytest.raises(MediaError, match=r"gone\.mkv: no such file"):
        mux(chunks, VFR, replace(source, path=tmp_path / "gone.mkv"), out)
    assert out.read_bytes() == b"older"


def test_a_source_that_breaks_where_its_sound_begins_is_named(
    source_mp4: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(streams: Any) -> Any:
        raise av.error.InvalidDataError(1, "broken")

    with av.open(str(source_mp4.path)) as container:
        rest = Rest(container, source_mp4, "mkv")
        monkeypatch.setattr(
            libav, "opened", lambda path: nullcontext(SimpleNamespace(streams=container.streams, demux=fail))
        )
        with pytest.raises(MediaError, match=r"episode\.mp4 cannot be read"):
            rest.before_zero()


def test_sound_that_does_not_say_its_rate_begins_when_it_says(
    source_mp4: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file may have a sound of zero samples a second."""
    with av.open(str(source_mp4.path)) as container:
        rest = Rest(container, source_mp4, "mkv")
        nothing = SimpleNamespace(initial_padding=0, sample_rate=0)
        packet = SimpleNamespace(
            stream_index=1, pts=-48, time_base=Fraction(1, 48000), stream=SimpleNamespace(codec_context=nothing)
        )
        opened = SimpleNamespace(streams=container.streams, demux=lambda streams: iter([packet]))
        monkeypatch.setattr(libav, "opened", lambda path: nullcontext(opened))
        assert rest.before_zero() == MILLISECOND


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_a_full_disk_is_named_with_the_file(tmp_path: Path, chunks: list[Path], source: Media, container: str) -> None:
    out = tmp_path / f"new.{container}"
    out.symlink_to("/dev/full")
    with pytest.raises(MediaError, match=r"No space left on device.*free space"):
        mux(chunks, VFR, source, out)
    assert not out.is_symlink()
    assert all(chunk.exists() for chunk in chunks)


def test_the_name_says_the_container() -> None:
    assert container_of(Path("a/new.mkv")) == container_of(Path("new.MKV.part")) == "mkv"
    assert container_of(Path("new.mp4")) == "mp4"
    with pytest.raises(OptionError, match=r"new\.avi.*new\.mkv"):
        container_of(Path("new.avi"))


def test_a_cover_becomes_an_attachment_in_matroska(tmp_path: Path, chunks: list[Path]) -> None:
    path = tmp_path / "source.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.codec_context.width, video.codec_context.height = 64, 48
        cover = container.add_stream("mjpeg", rate=1)
        cover.codec_context.width, cover.codec_context.height, cover.codec_context.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux([*video.encode(av.VideoFrame(64, 48, "yuv420p")), *video.encode(None)])
        picture = [*cover.encode(av.VideoFrame(16, 16, "yuvj420p")), *cover.encode(None)]
        content = bytes(picture[0])
        container.mux(picture)
    mux(chunks, VFR, probe(path), tmp_path / "new.mkv")
    with av.open(str(tmp_path / "new.mkv")) as container:
        covers = [stream for stream in container.streams if stream.disposition & av.stream.Disposition.attached_pic]
        assert [stream.metadata["mimetype"] for stream in covers] == ["image/jpeg"]
        assert [bytes(packet) for packet in container.demux(covers) if packet.size] == [content]
    mux(chunks, VFR, probe(path), tmp_path / "new.mp4")
    assert [stream.picture for stream in probe(tmp_path / "new.mp4").streams] == [False, True]


def test_sound_that_mp4_does_not_hold_is_said_before_the_work(tmp_path: Path, chunks: list[Path]) -> None:
    path = tmp_path / "source.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.codec_context.width, video.codec_context.height = 64, 48
        sound = container.add_stream("tta", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), "s16", "stereo")
        frame.rate, frame.pts = 48000, 0
        container.mux([*video.encode(av.VideoFrame(64, 48, "yuv420p")), *video.encode(None)])
        container.mux([*sound.encode(frame), *sound.encode(None)])
    media = probe(path)
    assert left_out(media, "mkv") == []
    assert left_out(media, "mp4") == ["source.mkv: audio 1 (tta) is left out: .mp4 does not hold tta; .mkv might"]
    mux(chunks, VFR, media, tmp_path / "new.mp4")
    assert [stream.kind for stream in probe(tmp_path / "new.mp4").streams] == ["video"]
    mux(chunks, VFR, media, tmp_path / "new.mkv")
    assert read_packets(tmp_path / "new.mkv", "audio") == read_packets(path, "audio")


def test_a_transport_stream_begins_at_zero(tmp_path: Path, chunks: list[Path]) -> None:
    times = [Fraction(10) + n / RATE for n in range(FRAMES)]
    media = probe(write_source(tmp_path / "a.ts", times, ["ac3"], [], fonts=False, delay=Fraction(10)))
    assert media.origin > 9
    for out in (tmp_path / "new.mkv", tmp_path / "new.mp4"):
        mux(chunks, frame_times(media.path), media, out)
        assert abs(frame_times(out)[0] - media.start) <= MILLISECOND
        [found], [expected] = read_packets(out, "audio"), read_packets(media.path, "audio")
        assert [packet.content for packet in found] == [packet.content for packet in expected]
        for one, other in zip(found, expected, strict=True):
            assert abs(one.time - (other.time - media.origin)) <= MILLISECOND


def test_a_dvd_with_ac3_keeps_its_sound(tmp_path: Path, chunks: list[Path]) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("not installed: ffmpeg")
    sources.write_dvd(tmp_path)
    media, out = probe(tmp_path / "episode.mkv"), tmp_path / "new.mkv"
    parts = clips.write_chunks(tmp_path, [24], settings("x265", sample_aspect=media.sample_aspect))
    mux(parts, [media.start + time for time in STEADY], media, out)
    for kind in ("audio", "subtitle"):
        assert read_packets(out, kind) == read_packets(media.path, kind)
    assert probe(out).sample_aspect == SHAPE
    assert [stream.language for stream in probe(out).streams] == [stream.language for stream in media.streams]
    assert probe(out).chapters == media.chapters
    with av.open(str(out)) as container:
        assert [font.data for font in container.streams.attachments] == [sources.FONT]


@pytest.mark.skipif(not CLIP.exists(), reason="no clip: python -m scripts.fetch_data")
def test_a_real_clip_that_is_encoded_again_without_loss_shows_the_same(tmp_path: Path) -> None:
    media, out = probe(CLIP), tmp_path / "new.mkv"
    video = VideoFormat(media.width, media.height, clips.YUV420P8)
    frames = [
        [samples(frame, plane).copy() for plane in range(3)] for frame, _ in zip(decoded(CLIP), range(6), strict=False)
    ]
    how = EncoderSettings("ffv1", {}, media.frame_rate, media.colours, media.sample_aspect)
    parts = [tmp_path / "0.mkv", tmp_path / "1.mkv"]
    for part, some in zip(parts, (frames[:2], frames[2:]), strict=True):
        encode(some, video, how, part)
    mux(parts, frame_times(CLIP)[:6], media, out, span=(Fraction(0), Fraction(6, 25)))
    expected = [
        hashlib.sha256(b"".join(plane.tobytes() for frame in some for plane in frame))
        for some in (frames[:2], frames[2:])
    ]
    assert decode_digests(out, [2, 4]) == [each.hexdigest() for each in expected]
    assert probe(out).colours == media.colours
