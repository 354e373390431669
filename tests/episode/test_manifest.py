"""The work folder: what is written is what is read, and what differs is named."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsanimesr.episode.chunks import Chunk
from vsanimesr.episode.encoding import EncoderSettings, VideoFormat
from vsanimesr.episode.manifest import Folder, Manifest, Record
from vsanimesr.episode.media import ColourTags, Hdr, Mastering
from vsanimesr.episode.script import Script
from vsanimesr.episode.settings import from_json, to_json
from vsanimesr.errors import JobError
from vsanimesr.pixels import PixelFormat

RED, GREEN, BLUE, WHITE = [(Fraction(n, 50000), Fraction(n + 1, 7)) for n in range(4)]
DISPLAY = Mastering(RED, GREEN, BLUE, WHITE, Fraction(1, 10000), Fraction(1000))
VIDEO = VideoFormat(1920, 1080, PixelFormat("yuv", "integer", 10, (1, 1)))
fractions = st.builds(Fraction, st.integers(0, 10000), st.integers(1, 1001))


@settings(max_examples=20)
@given(
    st.builds(
        EncoderSettings,
        encoder=st.sampled_from(["x265", "ffv1"]),
        arguments=st.dictionaries(st.text(), st.text()),
        rate=fractions,
        colours=st.builds(ColourTags, matrix=st.none() | st.integers(0, 14), range=st.none() | st.integers(0, 1)),
        sample_aspect=st.none() | fractions,
        hdr=st.none() | st.builds(Hdr, st.none() | st.just(DISPLAY), st.none() | st.just((1000, 400))),
    )
)
def test_settings_survive(encoder: EncoderSettings) -> None:
    assert from_json(json.loads(json.dumps(to_json(VIDEO, encoder)))) == (VIDEO, encoder)


def manifest(**changes: object) -> Manifest:
    values = {
        "identity": {"input": "1 bytes"},
        "script": Script("a.mkv", "text\n", {"model": ["v1"], "segment": ["240", "8"]}),
        "chunks": (Chunk(3, 5), Chunk(5, 9)),
        "scenes": (0, 5),
        "times": tuple(Fraction(n * 1001, 24000) for n in range(6)),
        "end": Fraction(1, 4),
        "is_part": True,
        "encoder": to_json(VIDEO, EncoderSettings()),
    }
    return Manifest(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("script", [manifest().script, Script("/a/b.vpy", "own", None)])
def test_a_manifest_survives(script: Script) -> None:
    written = manifest(script=script)

    read = Manifest.from_json(written.to_json())

    assert read == written
    assert (read.first, read.frames) == (3, 6)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 99}', "null"])
def test_a_damaged_manifest_says_so(tmp_path: Path, text: str) -> None:
    folder = Folder(tmp_path)
    folder.manifest_path.write_text(text)

    with pytest.raises(JobError, match=r"manifest.json cannot be read \(.*\); --restart begins anew"):
        folder.manifest  # noqa: B018


def test_a_record_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    record = Record(frames=3, digest="ab", bytes=10, file_digest="cd", held=1, seconds=0.5)
    assert folder.read_record(7) is None
    folder.write_state(7, 2, 1)
    assert folder.read_state(7) == (2, 1)

    folder.write_record(7, record)

    assert folder.read_record(7) == record
    assert folder.read_state(7) is None
    text = (tmp_path / "chunk-00007.json").read_text()
    for length in range(len(text)):
        (tmp_path / "chunk-00007.json").write_text(text[:length])
        assert folder.read_record(7) is None


def test_only_our_files_are_removed(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "new.mkv.animesr")
    folder.path.mkdir()
    for name in ("manifest.json", "scenes.txt", "chunk-00000.mkv", "chunk-00001.7.part.mkv", "lock", "log.txt"):
        (folder.path / name).write_text("x")
    (folder.path / "mine").write_text("x")

    folder.remove()

    assert [path.name for path in folder.path.iterdir()] == ["mine"]
