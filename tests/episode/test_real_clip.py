"""The Big Buck Bunny clip as an episode: sound, subtitles, a font and chapters are made for it."""

from __future__ import annotations

import hashlib
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from scripts.vspipe import vspipe
from tests.episode.clips import read_packets
from tests.episode.jobs import chunks_of, frame_digests, inline, needs_episodes, request, run
from tests.sources import CHAPTERS, FONT, SUBTITLES
from vsanimesr.cli import main
from vsanimesr.episode import job
from vsanimesr.episode.media import ColourTags, frame_times, probe

CLIP = Path(__file__).parents[2] / ".data" / "bigbuckbunny.mp4"
FRAMES = 132
BT709 = ColourTags(matrix=1, primaries=1, transfer=1, range=0, chroma_location=0)
SHAPE = Fraction(3, 2)
PARTS: dict[str, Any] = {"segment": ["50", "8"]}
"""The clip is one scene; these make three chunks of it."""
LOSSLESS_X265: dict[str, Any] = {
    "encoder": "x265",
    "encoder_options": {"preset": "ultrafast", "x265-params": "lossless=1:bframes=3:b-adapt=0"},
}

__all__ = ["inline"]
pytestmark = [
    needs_episodes,
    pytest.mark.usefixtures("inline"),
    pytest.mark.skipif(not CLIP.exists(), reason="no clip: python -m scripts.fetch_data"),
]


def write_episode(folder: Path, *video: str) -> Path:
    """Write `episode.mkv`: the clip's video by these arguments of ffmpeg, its own sound, and the rest."""
    files = {"chapters.txt": CHAPTERS.encode(), "subtitles.srt": SUBTITLES.encode(), "font.ttf": FONT}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command: list[str | Path] = [
        *("ffmpeg", "-v", "error", "-itsoffset", "0.083", "-i", CLIP),
        *("-f", "lavfi", "-i", "sine=frequency=440:duration=5:sample_rate=48000", "-i", "subtitles.srt"),
        *("-i", "chapters.txt", "-map", "0:v", "-map", "0:a", "-map", "1", "-map", "2", "-map_chapters", "3"),
        *("-attach", "font.ttf", *video, "-c:a:0", "copy", "-c:a:1", "ac3", "-c:s", "srt"),
        *("-metadata:s:t", "mimetype=font/ttf", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=jpn"),
        *("-metadata:s:s", "language=eng", "episode.mkv"),
    ]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "episode.mkv"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An episode with the clip in 64x36, of pixels that are no squares."""
    tags = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    x264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-bf", "2", "-color_range", "tv")
    return write_episode(tmp_path_factory.mktemp("small"), "-vf", f"scale=64:36,setsar=3/2,{tags}", *x264)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An episode with the packets of the clip, 1280x720."""
    tags = "colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1:video_full_range_flag=0"
    return write_episode(tmp_path_factory.mktemp("whole"), "-c:v", "copy", "-bsf:v", f"h264_metadata={tags}")


def assert_is_the_episode(result: Path, source: Path, shape: Fraction) -> None:
    """Check all that a result has of its source, and that it is what was encoded."""
    found, expected = probe(result), probe(source)
    assert len(frame_times(source)) == FRAMES
    assert frame_times(result) == frame_times(source)
    for kind, streams in (("audio", 2), ("subtitle", 1)):
        packets = read_packets(source, kind)
        assert read_packets(result, kind) == packets
        assert [len(each) > 0 for each in packets] == [True] * streams
    assert [(each.kind, each.codec, each.language, each.title, each.default) for each in found.streams[1:]] == [
        (each.kind, each.codec, each.language, each.title, each.default) for each in expected.streams[1:]
    ]
    assert found.chapters == expected.chapters
    assert [chapter.title for chapter in found.chapters] == ["Opening", "Part A"]
    assert found.colours == expected.colours == BT709
    assert found.sample_aspect == expected.sample_aspect == shape
    assert (found.width, found.height) == (256, 144)
    assert len(chunks_of(result)) == 3
    assert main(["verify", str(result)]) == 0


def piped_digests(script: Path) -> list[str]:
    """Return a hash of each frame of 10 bits that vspipe writes, of a size of 256x144."""
    size = 256 * 144 * 3 // 2 * 2
    data = vspipe(script, "-").stdout
    assert len(data) == FRAMES * size
    return [hashlib.sha256(data[at : at + size]).hexdigest() for at in range(0, len(data), size)]


@pytest.fixture(scope="module")
def expected(small: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A hash of each frame of the script that `--vpy` prints."""
    script = tmp_path_factory.mktemp("printed") / "printed.vpy"
    script.write_text(job.print_script(request(small, Path("new.mkv"), PARTS)))
    return piped_digests(script)


def test_the_clip_is_an_episode(small: Path, tmp_path: Path, expected: list[str]) -> None:
    result = run(request(small, tmp_path / "new.mkv", PARTS, chunk=50))

    assert_is_the_episode(result, small, SHAPE)
    assert frame_digests(result) == expected


def test_the_clip_as_it_is_with_a_script(whole: Path, tmp_path: Path) -> None:
    """Its own packets; a script makes its frames small."""
    script = tmp_path / "mine.vpy"
    script.write_text(
        f"import vapoursynth as vs\nclip = vs.core.bs.VideoSource({str(whole)!r})\n"
        "clip = clip.resize.Bicubic(64, 36)\n"
        "vs.core.animesr.Upscale(clip, backend='null', format=vs.YUV420P10).set_output()\n"
    )

    result = run(request(script, tmp_path / "new.mkv", streams=whole, chunk=50))

    assert_is_the_episode(result, whole, Fraction(1))
    assert frame_digests(result) == piped_digests(script)


def test_the_clip_in_mp4_has_exact_times(
    small: Path, tmp_path: Path, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(request(small, tmp_path / "new.mp4", PARTS, chunk=50, **LOSSLESS_X265))

    said = capsys.readouterr().err
    assert "subtitle 3 (subrip, eng) becomes mov_text" in said
    assert "is left out: .mp4 holds no attachments" in said
    assert frame_digests(result) == expected
    found, source = probe(result), probe(small)
    start = frame_times(result)[0]
    assert abs(start - source.start) <= Fraction(1, 1000)
    assert frame_times(result) == [start + Fraction(n, 25) for n in range(FRAMES)]
    for one, other in zip(read_packets(result, "audio"), read_packets(small, "audio"), strict=True):
        assert [packet.content for packet in one] == [packet.content for packet in other]
        assert all(abs(a.time - b.time) <= Fraction(1, 1000) for a, b in zip(one, other, strict=True))
    assert found.chapters == source.chapters
    assert (found.colours, found.sample_aspect) == (BT709, SHAPE)
    assert main(["verify", str(result)]) == 0
