"""What is said before the work of what it will take."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from vsanimesr.episode.chunks import Chunk
from vsanimesr.episode.estimate import Estimate, Sample, from_records, from_sample
from vsanimesr.episode.manifest import Manifest, Record
from vsanimesr.episode.script import Script

CHUNKS = (Chunk(0, 100), Chunk(100, 200), Chunk(200, 300), Chunk(300, 400))
MANIFEST = Manifest(
    identity={},
    script=Script("mine.vpy", "", None),  # of a user's script each frame is a step
    chunks=CHUNKS,
    scenes=(0,),
    times=tuple(Fraction(n, 25) for n in range(400)),
    end=Fraction(16),
    is_part=False,
    encoder={},
)
SAMPLE = Sample(frames=41, seconds=4.0, first_bytes=1000, bytes=1000 + 40 * 10)
"""0.1 s a frame, 1000 bytes of a key frame and 10 of any other."""


def test_a_sample_is_scaled_to_the_job() -> None:
    found = from_sample(MANIFEST, SAMPLE, 1, 7.0, 500)
    assert found.seconds == pytest.approx(40)  # what opening took is over
    assert found.chunk_seconds == pytest.approx(10)
    assert found.result_bytes == 4 * 1000 + 396 * 10 + 500
    assert found.needed_bytes == 2 * (4 * 1000 + 396 * 10) + 500


@pytest.mark.parametrize(("workers", "seconds"), [(2, 20 + 7), (4, 10 + 7), (9, 10 + 7)])
def test_other_workers_open_the_network_too(workers: int, seconds: float) -> None:
    assert from_sample(MANIFEST, SAMPLE, workers, 7.0, 0).seconds == pytest.approx(seconds)


def test_what_is_finished_counts() -> None:
    record = Record(frames=100, digest="", bytes=5000, file_digest="", held=0, seconds=30.0)
    found = from_records(MANIFEST, {0: record, 1: record}, 1, 7.0, 0)
    assert found.seconds == pytest.approx(60)
    assert (found.result_bytes, found.needed_bytes) == (20000, 30000)
    last = from_records(MANIFEST, dict.fromkeys((0, 1, 2), record), 4, 7.0, 0)
    assert last.seconds == pytest.approx(30)  # one worker has enough of one chunk


def test_the_line_says_what_counts() -> None:
    usual = Estimate(seconds=7800, opening=0.4, chunk_seconds=9, result_bytes=4.1e9, needed_bytes=8.2e9)
    assert usual.describe(44_400_000_000) == (
        "about 2 h 10 min, 4.1 GB; needs 8.2 GB of disk until it is finished, 44.4 GB are free. A chunk takes about 9 s"
    )
    slow = replace(usual, seconds=5, opening=6.7, chunk_seconds=5)
    assert slow.describe(10**10) == (
        "about 5 s more (opening took 7 s), 4.1 GB; needs 8.2 GB of disk until it is finished, 10.0 GB are free"
    )
