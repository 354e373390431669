"""Frames that are damaged in the file, and those that are made of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from tests.trainer.dataset.shows import FRAMES, build, draw
from tests.trainer.lbo.episodes import write_video
from trainer.data.clips import VideoClip
from trainer.dataset.measures import Measures, measure_video
from trainer.dataset.quality import EdgeScorer
from trainer.dataset.sources import read_source

KEYS = 30
"""Frames from one key frame to the next."""
PICTURES = draw([(seed, KEYS) for seed in range(1, 5)])
P_FRAMES, B_FRAMES = "bframes=0:sliced-threads=0", "b-adapt=0:bframes=3:sliced-threads=0"
"""Options of x264: a packet is one unit, of which the second half can be damaged."""

type Change = Callable[[bytes, int], bytes | None]


def write(path: Path, change: Change, codec: str = "libx264", options: str = P_FRAMES) -> Path:
    """Write a video beside `path`, and there a copy with packets changed or removed, by content and frame number.

    It is encoded once: encoders need not give the same twice.
    """
    whole = whole_of(path)
    write_video(whole, PICTURES, codec, g=str(KEYS), **{f"{codec[3:]}-params": options})
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is None or packet.time_base is None:
                continue
            data = change(bytes(packet), round(packet.pts * packet.time_base * 24))
            if data is not None:
                changed = av.Packet(data)
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.stream, changed.is_keyframe = stream, packet.is_keyframe
                target.mux(changed)
    return path


def whole_of(path: Path) -> Path:
    """Return where the undamaged video of a damaged one is."""
    return path.with_name(f"{path.stem} whole.mkv")


def hurt(data: bytes) -> bytes:
    """Return a packet whose second half is nonsense."""
    half = len(data) // 2
    return data[:half] + np.random.default_rng(1).bytes(len(data) - half)


def measure(path: Path) -> Measures:
    return measure_video(read_source(path), EdgeScorer(), 1, lambda count: None)


@pytest.mark.parametrize("options", [P_FRAMES, B_FRAMES], ids=["P", "B"])
def test_damage_lasts_to_the_next_key_frame(tmp_path: Path, options: str) -> None:
    path = write(tmp_path / "a.mkv", lambda data, n: hurt(data) if n == KEYS + 8 else data, options=options)
    both = [VideoClip(each).read(range(4 * KEYS)) for each in (path, whole_of(path))]
    wrong = {n for n, (one, other) in enumerate(zip(*both, strict=True)) if not np.array_equal(one, other)}

    found = np.flatnonzero(measure(path).damaged).tolist()

    assert wrong <= {*found}  # what is made of a damaged frame can look right by chance
    first = KEYS + (8 if options == P_FRAMES else 5)  # the B frames before it are decoded after it
    assert found == list(range(first, 2 * KEYS))


def test_a_damaged_key_frame_damages_what_is_made_of_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", lambda data, n: hurt(data) if n == KEYS else data)

    assert np.flatnonzero(measure(path).damaged).tolist() == list(range(KEYS, 2 * KEYS))


def test_what_follows_a_missing_frame_is_damaged(tmp_path: Path) -> None:
    """A frame that HEVC has lost is missed by others, which the decoder leaves out without a word."""
    path = write(tmp_path / "a.mkv", lambda data, n: None if n == KEYS + 6 else data, "libx265", "b-adapt=0:bframes=3")
    measures = measure(path)

    missing = set(range(KEYS, 2 * KEYS - 1)) - {*measures.numbers.tolist()}
    assert measures.numbers[measures.damaged].tolist() == [
        n for n in range(min(missing) + 1, 2 * KEYS - 1) if n not in missing
    ]


def test_no_clip_shows_damage_and_all_outputs_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hurt_at = 2 * KEYS + 3
    path = write(tmp_path / "a.mkv", lambda data, n: hurt(data) if n == hurt_at else data)

    manifest = build([path], tmp_path / "avc", clips=9)

    assert manifest.videos[0].faults["damaged in the file"] == 3 * KEYS - hurt_at
    assert "damage of the file" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
    assert "damaged in the file" in (tmp_path / "avc" / "report.html").read_text()
    used = {n for clip in manifest.clips for n in range(clip.first, clip.first + FRAMES)}
    assert used
    assert not used & set(range(hurt_at, 3 * KEYS))


def test_what_an_earlier_video_showed_damaged_is_new(tmp_path: Path) -> None:
    hurt_at = 2 * KEYS + 3
    damaged = write(tmp_path / "a.mkv", lambda data, n: hurt(data) if n == hurt_at else data)

    manifest = build([damaged, whole_of(damaged)], tmp_path / "avc", clips=9)

    second = [clip for clip in manifest.clips if clip.video == manifest.videos[1].digest]
    assert [clip.first in range(hurt_at, 3 * KEYS) for clip in second] == [True]
