from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.episode.clips import HDR
from vsanimesr.episode.matroska import CRC32, ROOM, TRACKS, complete_video_track, is_cut_off
from vsanimesr.episode.media import Hdr, probe
from vsanimesr.errors import MediaError


def write(path: Path, size: tuple[int, int] = (64, 48), title: str = ROOM, **options: str) -> Path:
    """Write a video of one frame, behind a sound, with this name of its track."""
    with av.open(str(path), "w", format="matroska", container_options=options) as container:
        sound = container.add_stream("pcm_s16le", rate=48000, layout="mono")
        video = container.add_stream("ffv1", rate=25)
        video.codec_context.width, video.codec_context.height, video.codec_context.pix_fmt = (*size, "yuv420p")
        video.codec_context.colorspace = 9
        video.metadata["title"], sound.metadata["title"] = title, "sound" + ROOM
        container.mux(video.encode(av.VideoFrame(*size, "yuv420p")))
        container.mux(video.encode(None))
    return path


def test_only_the_track_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv")
    before = path.read_bytes()
    complete_video_track(path, Fraction(32, 27), HDR)
    after = path.read_bytes()
    assert len(after) == len(before)
    changed = [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    tracks = before.index(TRACKS.to_bytes(4))
    assert tracks < min(changed)
    assert max(changed) < before.index(bytes.fromhex("1F43B675"))  # the first cluster
    with av.open(str(path)) as container:
        assert container.streams.audio[0].metadata["title"] == "sound" + ROOM
        assert "title" not in container.streams.video[0].metadata
        assert len(list(container.decode(video=0))) == 1


def test_a_name_before_the_room_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", title="Film " + ROOM)
    complete_video_track(path, None, None)
    with av.open(str(path)) as container:
        assert container.streams.video[0].metadata["title"] == "Film "


def test_checksums_are_those_of_the_new_tracks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", write_crc32="1")
    complete_video_track(path, Fraction(4, 3), HDR)
    data = path.read_bytes()
    start = data.rindex(TRACKS.to_bytes(4)) + 4  # the seek head names it too
    width = 9 - data[start].bit_length()
    size = int.from_bytes(data[start : start + width]) - (1 << 7 * width)
    payload = data[start + width : start + width + size]
    assert payload[0] == CRC32
    assert int.from_bytes(payload[2:6], "little") == zlib.crc32(payload[6:])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(16, 120),
    st.integers(16, 120),
    st.sampled_from(
        [Fraction(1), Fraction(32, 27), Fraction(8, 9), Fraction(64, 45), Fraction(16, 15), Fraction(4, 3)]
    ),
)
def test_the_shape_is_exact_where_a_size_not_much_larger_has_it(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, aspect: Fraction
) -> None:
    path = write(tmp_path_factory.mktemp("shape") / "a.mkv", (2 * width, 2 * height))
    complete_video_track(path, aspect, None)
    found = probe(path).sample_aspect
    assert found is not None
    # Half a pixel of the width that is shown.
    assert abs(found - aspect) <= Fraction(1, 4 * width)
    if (Fraction(width, height) * aspect).denominator <= height // 5:
        assert found == aspect


def test_light_or_display_alone_is_written(tmp_path: Path) -> None:
    for number, hdr in enumerate((Hdr(light=HDR.light), Hdr(HDR.mastering))):
        path = write(tmp_path / f"{number}.mkv")
        complete_video_track(path, None, hdr)
        assert probe(path).hdr == hdr
        assert probe(path).colours.matrix == 9


def test_without_room_or_track_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no room"):
        complete_video_track(write(tmp_path / "a.mkv", title="Film"), Fraction(4, 3), HDR)
    (tmp_path / "b.mkv").write_bytes(b"\x1a\x45\xdf\xa3\x80")
    with pytest.raises(MediaError, match="no tracks"):
        complete_video_track(tmp_path / "b.mkv", None, None)


def test_a_file_that_is_cut_off_is_known_by_its_size(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.mkv")
    content = whole.read_bytes()
    assert not is_cut_off(whole)
    for missing in (1, len(content) // 2):
        whole.write_bytes(content[:-missing])
        assert is_cut_off(whole)
    whole.write_bytes(content + b"more")
    assert not is_cut_off(whole)
    size = content.index(bytes.fromhex("18538067")) + 4
    whole.write_bytes(content[:size] + b"\x01" + b"\xff" * 7 + content[size + 8 : -1])  # the size is not known
    assert not is_cut_off(whole)
