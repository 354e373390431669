from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.episode import clips
from tests.episode.clips import HDR, RATE, SHAPE, TAGS, VIDEO, YUV420P8, YUV420P10, draw, settings, write_chunks
from vsanimesr.episode import encoding
from vsanimesr.episode.encoding import (
    ENCODERS,
    EncoderSettings,
    VideoFormat,
    check,
    decode_digests,
    decoded,
    digest,
    encode,
    samples,
)
from vsanimesr.episode.media import ColourTags, probe
from vsanimesr.errors import MediaError, MissingDependencyError, OptionError
from vsanimesr.pixels import PixelFormat

LOSSLESS = [
    PixelFormat("yuv", "integer", bits, sampling) for bits in (8, 10, 12, 16) for sampling in ((0, 0), (1, 0), (1, 1))
] + [PixelFormat("gray", "integer", bits) for bits in (8, 10, 12, 16)]
WORKER = """
import os, sys
from pathlib import Path
cores, out, encoders = sys.argv[1], sys.argv[2], sys.argv[3].split()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
from tests.episode.clips import settings, write_chunks
for encoder in encoders:
    (Path(out) / encoder).mkdir()
    write_chunks(Path(out) / encoder, [30], settings(encoder))
"""
ROOT = Path(__file__).parents[2]


def run_worker(folder: Path, cores: str) -> subprocess.Popen[str]:
    """Encode 30 frames with every encoder in a process of its own."""
    folder.mkdir()
    command = [sys.executable, "-c", WORKER, cores, str(folder), " ".join(ENCODERS)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str, str]]:
    """Folders with the same frames encoded in processes, and what the processes wrote to stdout and stderr."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    whole = ",".join(map(str, cores))
    base = tmp_path_factory.mktemp("workers")
    # The two that run at once are in each other's way.
    running = {name: run_worker(base / name, on) for name, on in {"one core": str(cores[0]), "busy": whole}.items()}
    found = {name: (base / name, *process.communicate(timeout=120)) for name, process in running.items()}
    process = run_worker(base / "all cores", whole)
    return found | {"all cores": (base / "all cores", *process.communicate(timeout=120))}


def hash_files(folder: Path) -> list[tuple[str, str]]:
    return [(each.parent.name, hashlib.sha256(each.read_bytes()).hexdigest()) for each in sorted(folder.rglob("*.mkv"))]


def test_the_same_frames_give_the_same_bytes_on_few_cores_and_under_load(
    workers: dict[str, tuple[Path, str, str]],
) -> None:
    found = {name: hash_files(folder) for name, (folder, _, _) in workers.items()}
    assert len(found["all cores"]) == len(ENCODERS)
    assert found["one core"] == found["all cores"]
    assert found["busy"] == found["all cores"]


def test_encoders_write_nothing_to_stdout_and_no_chatter_to_stderr(workers: dict[str, tuple[Path, str, str]]) -> None:
    for _, stdout, stderr in workers.values():
        assert stdout == ""
        assert stderr == ""


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_file_is_there_from_the_first_frame_on(tmp_path: Path, encoder: str) -> None:
    """A worker whose file is gone stops. The first packet comes after many frames, which may take minutes."""
    found = []

    def frames() -> Iterator[clips.Planes]:
        for n in range(3):
            found.append(path.exists())
            yield draw(n, VIDEO)

    path = tmp_path / "chunk.mkv"
    encode(frames(), VIDEO, settings(encoder), path)
    assert found == [True] * 3


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="SVT-AV1 asks for more as root on Linux only")
def test_the_encoder_takes_no_priority_over_the_rest_of_the_machine(tmp_path: Path) -> None:
    def policies() -> set[int]:
        return {os.sched_getscheduler(int(each.name)) for each in Path("/proc/self/task").iterdir()}

    def frames() -> Iterator[clips.Planes]:
        for n in range(3):
            yield draw(n, VIDEO)
            found.append(policies())

    found: list[set[int]] = []
    before = policies()
    check(settings("svt-av1"), VIDEO, "mkv")
    assert policies() == before
    encode(frames(), VIDEO, settings("svt-av1"), tmp_path / "chunk.mkv")
    assert found == [before] * 3


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.sampled_from(LOSSLESS), st.integers(16, 40), st.integers(16, 40), st.integers(1, 3))
def test_ffv1_returns_what_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, pixels: PixelFormat, width: int, height: int, count: int
) -> None:
    across, down = pixels.subsampling
    video = VideoFormat(width << across, height << down, pixels)
    check(settings("ffv1"), video, "mkv")
    [chunk] = write_chunks(tmp_path_factory.mktemp("ffv1"), [count], settings("ffv1"), video)
    found = clips.decode_planes(chunk)
    assert len(found) == count
    for n, planes in enumerate(found):
        for plane, expected in zip(planes, draw(n, video), strict=True):
            np.testing.assert_array_equal(plane, expected)


def test_times_of_decoding_that_an_encoder_makes_up_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give = encoding._give

    def make_up(*arguments: Any) -> Any:
        packets = give(*arguments)
        for packet in packets:
            packet.dts = packet.pts + 1000  # x265 takes them from memory in chunks of one or two frames
        return packets

    monkeypatch.setattr(encoding, "_give", make_up)
    for encoder in ENCODERS:
        [chunk] = write_chunks(tmp_path, [5], settings(encoder))
        assert clips.shown_numbers(chunk) == list(range(5))


def test_rgb_keeps_its_order_of_planes(tmp_path: Path) -> None:
    video = VideoFormat(32, 16, PixelFormat("rgb", "integer", 10))
    [chunk] = write_chunks(tmp_path, [1], settings("ffv1"), video)
    [found] = clips.decode_planes(chunk)
    red, green, blue = draw(0, video)
    for plane, expected in zip(found, (green, blue, red), strict=True):
        np.testing.assert_array_equal(plane, expected)
    assert probe(chunk).colours.matrix == 0


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("length", [1, 2, 23])
def test_frames_come_back_in_their_order(tmp_path: Path, encoder: str, length: int) -> None:
    [chunk] = write_chunks(tmp_path, [length], settings(encoder))
    assert clips.shown_numbers(chunk) == list(range(length))


@pytest.mark.parametrize("encoder", ["x264", "x265"])
def test_chunks_have_b_frames(tmp_path: Path, encoder: str) -> None:
    [chunk] = write_chunks(tmp_path, [23], settings(encoder))
    with av.open(str(chunk)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert times != sorted(times)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_container_of_a_chunk_says_colours_shape_and_hdr(tmp_path: Path, encoder: str) -> None:
    [chunk] = write_chunks(tmp_path, [2], settings(encoder, colours=TAGS, sample_aspect=SHAPE, hdr=HDR))
    with av.open(str(chunk)) as container:
        stream = container.streams.video[0]
        data = stream.codec_context.coded_side_data
        assert stream.sample_aspect_ratio == SHAPE
        assert {"mastering_display_metadata", "content_light_level"} <= data.keys()
        assert "title" not in stream.metadata
        assert stream.metadata["ENCODER"] == encoder
    media = probe(chunk)
    assert media.colours == TAGS
    assert media.hdr == HDR
    assert media.frame_rate == RATE


def bitstream(chunk: Path, format: str) -> Path:
    """Write the bare bitstream of a chunk, without what the container says."""
    bare = chunk.with_suffix(f".{format}")
    with av.open(str(chunk)) as source, av.open(str(bare), "w", format=format) as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        filters = {"hevc": "hevc_mp4toannexb", "h264": "h264_mp4toannexb"}
        convert = av.bitstream.BitStreamFilterContext(filters.get(format, "null"), source.streams.video[0], stream)
        for packet in source.demux(video=0):
            for each in convert.filter(packet) if packet.size else []:
                each.stream, each.time_base = stream, packet.time_base
                target.mux(each)
    return bare


@pytest.mark.parametrize(("encoder", "format"), [("x265", "hevc"), ("x264", "h264"), ("svt-av1", "obu")])
def test_the_bitstream_says_colours_shape_and_hdr_by_itself(tmp_path: Path, encoder: str, format: str) -> None:
    [chunk] = write_chunks(tmp_path, [2], settings(encoder, colours=TAGS, sample_aspect=SHAPE, hdr=HDR))
    media = probe(bitstream(chunk, format))
    assert media.colours == TAGS
    assert media.hdr is not None
    assert media.hdr.light == HDR.light
    assert media.hdr.mastering is not None
    assert HDR.mastering is not None
    for name in ("red", "green", "blue", "white"):
        found, expected = getattr(media.hdr.mastering, name), getattr(HDR.mastering, name)
        assert [float(each) for each in found] == pytest.approx([float(each) for each in expected], abs=2e-5)
    assert float(media.hdr.mastering.brightest) == pytest.approx(1000, rel=1e-3)
    assert float(media.hdr.mastering.darkest) == pytest.approx(0.005, rel=1e-2)
    if format != "obu":  # AV1 has no shape of pixels
        assert media.sample_aspect == SHAPE


def test_what_is_not_known_is_not_said(tmp_path: Path) -> None:
    [chunk] = write_chunks(tmp_path, [1], settings("x265"))
    media = probe(chunk)
    assert (media.colours.matrix, media.colours.primaries, media.colours.transfer) == (None, None, None)
    assert media.hdr is None
    assert media.sample_aspect in {None, 1}


@pytest.mark.parametrize("full", [0, 1])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_range_and_place_of_chroma_are_kept(tmp_path: Path, encoder: str, full: int) -> None:
    tags = ColourTags(1, 1, 1, full, 0)
    [chunk] = write_chunks(tmp_path, [1], settings(encoder, colours=tags))
    assert probe(chunk).colours == tags


REFUSED: list[tuple[str, dict[str, str], list[str]]] = [
    ("x265", {"crff": "16"}, ["'crff'", "did you mean 'crf'?"]),
    ("x265", {"psy-rd": "2"}, ["'psy-rd'", "x265-params=psy-rd=..."]),
    ("x265", {"x265-params": "psy-rdd=2"}, ["psy-rdd"]),
    ("x265", {"x265-params": "psy-rd=much"}, ["psy-rd"]),
    ("x265", {"x265-params": "=2"}, ["name=value"]),
    ("x265", {"preset": "slwo"}, ["preset=slwo"]),
    ("x265", {"crf": "fine"}, ["crf=fine"]),
    ("x264", {"x264-params": "aq-mod=1"}, ["aq-mod"]),
    ("x264", {"x264-params": "aq-mode=x"}, ["aq-mode"]),
    ("svt-av1", {"svtav1-params": "tunes=1"}, ["tunes"]),
    ("svt-av1", {"preset": "99"}, ["preset=99"]),
    ("ffv1", {"crf": "16"}, ["'crf'"]),
]


@pytest.mark.parametrize(("encoder", "arguments", "words"), REFUSED)
def test_unknown_arguments_are_refused_before_the_work(
    encoder: str, arguments: dict[str, str], words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(OptionError) as error:
        check(EncoderSettings(encoder, arguments, RATE), VIDEO, "mkv")
    assert all(word in str(error.value) for word in words), error.value
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("encoder", ENCODERS)
def test_settings_that_work_are_not_refused(encoder: str) -> None:
    own = {"x265": {"x265-params": "no-sao:psy-rd=1.5", "tune": "animation"}, "x264": {"x264-params": "ref=4"}}
    how = settings(encoder, colours=TAGS, sample_aspect=SHAPE, hdr=HDR)
    how = replace(how, arguments={**how.arguments, **own.get(encoder, {"g": "1"})})
    for container in ENCODERS[encoder].containers:
        check(how, VIDEO, container)


def test_the_users_own_parameters_count_more() -> None:
    how = EncoderSettings("x265", {"x265-params": "frame-threads=4:no-sao"})
    own = dict(part.split("=") for part in how.options["x265-params"].split(":"))
    assert own["frame-threads"] == "4"
    assert own["no-sao"] == "1"
    assert own["info"] == "0"
    assert how.options["crf"] == "16"
    assert EncoderSettings("x265", {"crf": "20"}).options["crf"] == "20"


@pytest.mark.parametrize(
    ("change", "video", "container", "words"),
    [
        ({"encoder": "x266"}, VIDEO, "mkv", ["x266", "did you mean", "ffv1"]),
        ({"encoder": "ffv1"}, VIDEO, "mp4", ["ffv1", ".mp4", ".mkv"]),
        ({"encoder": "svt-av1"}, replace(VIDEO, pixels=PixelFormat("yuv", "integer", 8, (0, 0))), "mkv", ["YUV444P8"]),
        ({"encoder": "x265"}, replace(VIDEO, pixels=PixelFormat("rgb", "float", 32)), "mkv", ["RGBS", "YUV420P10"]),
        ({"encoder": "x264"}, replace(VIDEO, pixels=PixelFormat("yuv", "integer", 16, (1, 1))), "mkv", ["YUV420P16"]),
        ({"encoder": "x265"}, replace(VIDEO, width=143), "mkv", ["143x96"]),
        ({"encoder": "ffv1"}, VideoFormat(2, 2, YUV420P8), "mkv", ["2x2", "slices"]),
        ({"rate": Fraction(0)}, VIDEO, "mkv", ["frames per second"]),
        ({"encoder": "svt-av1", "rate": Fraction(300)}, VIDEO, "mkv", ["svt-av1", "at 300 frames per second"]),
        ({"rate": Fraction(1000)}, VIDEO, "mkv", ["1000", "500"]),
    ],
)
def test_formats_sizes_and_containers_that_do_not_go_are_refused(
    change: dict[str, Any], video: VideoFormat, container: str, words: list[str]
) -> None:
    with pytest.raises(OptionError) as error:
        check(replace(EncoderSettings(rate=RATE), **change), video, container)
    assert all(word in str(error.value) for word in words), error.value


def test_without_pyav_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"vapoursynth-animesr\[upscale\]"):
        check(EncoderSettings(), VIDEO, "mkv")


def test_what_the_frames_raise_passes_through_and_leaves_no_file(tmp_path: Path) -> None:
    def frames() -> Iterator[clips.Planes]:
        yield draw(0)
        raise LookupError("frame 1 cannot be read")

    with pytest.raises(LookupError, match="frame 1"):
        encode(frames(), VIDEO, settings("ffv1"), tmp_path / "chunk.mkv")  # it has written frame 0 already
    assert list(tmp_path.iterdir()) == []


def test_no_frame_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frame"):
        encode([], VIDEO, settings("x264"), tmp_path / "chunk.mkv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("count", [1, 60])
def test_a_full_disk_is_named_with_the_file(tmp_path: Path, count: int) -> None:
    chunk = tmp_path / "chunk.mkv"
    chunk.symlink_to("/dev/full")
    with pytest.raises(MediaError) as error:
        encode((draw(n) for n in range(count)), VIDEO, settings("ffv1"), chunk)
    assert str(chunk) in str(error.value)
    assert "No space left on device" in str(error.value)
    assert "free space" in str(error.value)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="missing"):
        encode([draw(0)], VIDEO, settings("ffv1"), tmp_path / "missing" / "chunk.mkv")


def test_an_encoder_that_fails_is_named_with_the_frame(tmp_path: Path) -> None:
    how = EncoderSettings("x264", {"x264-params": f"pass=2:stats={tmp_path / 'missing'}"}, RATE)
    with pytest.raises(MediaError, match=r"x264 failed at frame 0 of chunk\.mkv"):
        encode([draw(0)], VIDEO, how, tmp_path / "chunk.mkv")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    encode((draw(n) for n in range(5)), VIDEO, settings("ffv1"), tmp_path / "chunk.mkv", advance=told.append)
    assert told == [1, 2, 3, 4, 5]


@given(st.integers(0, 3), st.integers(0, 2), st.integers(0, 15), st.integers(0, 15))
@hypothesis_settings(max_examples=20, deadline=None)
def test_the_digest_sees_every_sample(
    tmp_path_factory: pytest.TempPathFactory, frame: int, plane: int, row: int, column: int
) -> None:
    folder = tmp_path_factory.mktemp("digest")
    video = VideoFormat(32, 32, YUV420P10)
    clip = [draw(n, video) for n in range(4)]
    encode(clip, video, settings("ffv1"), folder / "a.mkv")
    clip[frame][plane][row, column] ^= 1
    encode(clip, video, settings("ffv1"), folder / "b.mkv")
    assert digest(folder / "a.mkv")[0] == digest(folder / "b.mkv")[0] == 4
    assert digest(folder / "a.mkv")[1] != digest(folder / "b.mkv")[1]


def test_the_digest_is_that_of_the_planes(tmp_path: Path) -> None:
    [chunk] = write_chunks(tmp_path, [3], settings("ffv1"))
    expected = hashlib.sha256(b"".join(plane.tobytes() for n in range(3) for plane in draw(n))).hexdigest()
    assert digest(chunk) == (3, expected)
    assert decode_digests(chunk, [3]) == [expected]


def test_digests_of_parts_need_the_right_number_of_frames(tmp_path: Path) -> None:
    [chunk] = write_chunks(tmp_path, [3], settings("ffv1"))
    advanced: list[int] = []
    assert len(decode_digests(chunk, [1, 2], advance=advanced.append)) == 2
    assert advanced == [1, 2, 3]
    with pytest.raises(MediaError, match="ends 2 frames before the end of chunk 1"):
        decode_digests(chunk, [1, 4])
    with pytest.raises(MediaError, match="more frames than the 2"):
        decode_digests(chunk, [1, 1])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_damage_is_an_error_or_another_digest(tmp_path: Path, encoder: str) -> None:
    [chunk] = write_chunks(tmp_path, [8], settings(encoder))
    before, data = digest(chunk), bytearray(chunk.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    chunk.write_bytes(data)
    try:
        after = digest(chunk)
    except MediaError as error:
        after = 0, str(error)
    assert after != before
    assert after[0] or str(chunk) in after[1]


def test_damage_that_the_decoder_sees_is_named_with_the_frame(tmp_path: Path) -> None:
    [chunk] = write_chunks(tmp_path, [8], settings("x264"))
    data = bytearray(chunk.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    chunk.write_bytes(data)
    with pytest.raises(MediaError, match=rf"{chunk} is damaged at frame \d"):
        digest(chunk)


def test_a_file_that_is_no_video_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "chunk.mkv").write_bytes(b"nothing")
    with pytest.raises(MediaError, match=r"chunk\.mkv"):
        digest(tmp_path / "chunk.mkv")


def test_a_clip_of_vapoursynth_is_encoded_as_it_is(tmp_path: Path) -> None:
    import vapoursynth as vs

    core = vs.core
    for pixels in (vs.YUV420P8, vs.YUV422P10, vs.GRAY16, vs.YUV444P12):
        clip = core.std.BlankClip(None, 70, 34, pixels, length=3, keep=True)
        clip = core.std.FrameEval(clip, lambda n, clip=clip: core.std.Expr(clip, f"x {n} 7 * +"))
        video = VideoFormat.of(clip)
        chunk = tmp_path / "chunk.mkv"
        assert encode(clip.frames(close=True), video, settings("ffv1"), chunk) == 3
        for frame, given_ in zip(decoded(chunk), clip.frames(), strict=True):
            for plane in range(clip.format.num_planes):
                np.testing.assert_array_equal(samples(frame, plane), np.asarray(given_[plane]))


def test_names_of_formats_are_vapoursynths() -> None:
    import vapoursynth as vs

    for pixels in (vs.RGB24, vs.RGB30, vs.RGBS, vs.RGBH, vs.GRAY8, vs.GRAYS, vs.YUV444PH, vs.YUV420P16):
        clip = vs.core.std.BlankClip(None, 64, 64, pixels, length=1)
        assert getattr(vs, VideoFormat.of(clip).name) == clip.format.id


def test_x265_writes_no_processor_into_the_stream(tmp_path: Path) -> None:
    [chunk] = write_chunks(tmp_path, [1], settings("x265"))
    assert b"cpuid" not in chunk.read_bytes()


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    [chunk] = write_chunks(tmp_path, [1], settings("x265"))
    with av.open(str(chunk)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p10le"
    assert VideoFormat(2, 2, YUV420P10).libav == "yuv420p10le"
