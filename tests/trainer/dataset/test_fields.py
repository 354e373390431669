"""Telecined and interlaced shots are found, and progressive ones are not taken for such."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.dataset.shows import FRAMES, build
from tests.trainer.lbo.episodes import HEIGHT, WIDTH, draw_scene, write_video
from trainer.data.clips import Frame
from trainer.data.uint8 import frame_luma
from trainer.dataset.fields import SUSPECT, suspicion, thin

PULLDOWN = ((0, 0), (0, 1), (1, 2), (2, 2), (3, 3))
"""Which of 4 film frames the fields of 5 video frames come from."""


def telecine(film: Sequence[Frame]) -> list[Frame]:
    return [_weave(film[n + a], film[n + b]) for n in range(0, len(film) - 3, 4) for a, b in PULLDOWN]


def interlace(frames: Sequence[Frame]) -> list[Frame]:
    return [_weave(frames[n], frames[n + 1]) for n in range(0, len(frames) - 1, 2)]


def _weave(upper: Frame, lower: Frame) -> Frame:
    woven = upper.copy()
    woven[1::2] = lower[1::2]
    return woven


def film(seed: int, frames: int) -> list[Frame]:
    """Return frames of a scene with an upright thing that moves all the time."""
    return [draw_scene(seed, n, hold=1) for n in range(frames)]


def test_only_the_telecined_shot_is_left_out(tmp_path: Path) -> None:
    shots = [film(1, FRAMES), telecine(film(2, 32)), film(3, FRAMES)]
    write_video(tmp_path / "tv.mkv", [frame for shot in shots for frame in shot], "libx264", crf="20")

    manifest = build([tmp_path / "tv.mkv"], tmp_path / "avc", clips=9)

    assert sorted(clip.first for clip in manifest.clips) == [0, FRAMES + 40]
    assert manifest.videos[0].faults == {"telecined or interlaced": 40}


@pytest.mark.parametrize("make", [telecine, interlace])
@pytest.mark.parametrize("seed", range(3))
def test_woven_frames_are_suspected_and_others_are_not(
    seed: int, make: Callable[[Sequence[Frame]], list[Frame]]
) -> None:
    whole = film(seed, 40)
    woven = make(whole)
    expected = 2 * len(woven) / 5 if make is telecine else len(woven) - 1
    looks = [[thin(frame_luma(frame)) for frame in frames] for frames in (whole, woven)]
    counts = [sum(suspicion(a, b) >= SUSPECT for a, b in pairwise(each)) for each in looks]

    assert counts[0] == 0
    assert counts[1] >= expected - 1


def test_little_motion_is_not_judged() -> None:
    still = np.zeros((HEIGHT, WIDTH // 4), np.uint8)
    lines = still.copy()
    lines[1:41:2, :1] = 255

    assert suspicion(still, lines) == 0
