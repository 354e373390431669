"""Detection of cuts, with codecs, noise, darkness, flashes and pans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.lbo.episodes import (
    SHOT_STARTS,
    WIDTH,
    draw_scene,
    five_shots,
    stats_of,
    write_video,
)
from trainer.data.clips import Frame
from trainer.lbo.episode import HEIGHT as ANALYSIS_HEIGHT
from trainer.lbo.episode import WIDTH as ANALYSIS_WIDTH
from trainer.lbo.episode import measure_frames
from trainer.lbo.shots import find_cuts


def shot_starts(frames: Sequence[Frame]) -> list[int]:
    starts: list[int] = np.flatnonzero(stats_of(frames).shot_starts).tolist()
    return starts


def add_noise(frames: Sequence[Frame], sigma: float) -> list[Frame]:
    noise = np.random.default_rng(0)
    return [np.clip(each + noise.normal(0, sigma, each.shape), 0, 255).astype(np.uint8) for each in frames]


@pytest.mark.parametrize(
    ("codec", "options"),
    [("ffv1", {}), ("mpeg2video", {"qmin": "20", "qmax": "31", "bf": "2"}), ("libx264", {"crf": "35"})],
)
@pytest.mark.parametrize("sigma", [0, 8])
def test_cuts_of_a_video_are_found(codec: str, options: dict[str, str], sigma: float, tmp_path: Path) -> None:
    episode = write_video(tmp_path / "e.mkv", add_noise(five_shots(), sigma), codec, **options)

    starts = measure_frames(episode.stream(ANALYSIS_WIDTH, ANALYSIS_HEIGHT)).shot_starts
    assert np.flatnonzero(starts).tolist() == SHOT_STARTS


@pytest.mark.parametrize("light", [1.0, 0.25, 0.12])
def test_noise_and_darkness_neither_hide_nor_add_cuts(light: float) -> None:
    dark = [(each * light).astype(np.uint8) for each in five_shots()]

    assert shot_starts(dark) == shot_starts(add_noise(dark, 12 * light)) == SHOT_STARTS


def test_noise_in_black_is_no_cut() -> None:
    """The noise of tape has blobs, which survive scaling down. They change every 8 frames."""
    noise = np.random.default_rng(0)
    black = np.full(draw_scene(0, 0).shape, 16.0)
    blobs = [np.kron(noise.normal(0, 2.4, (18, 32)), np.ones((10, 10)))[..., None] for _ in range(4)]

    assert shot_starts([(black + blobs[n // 8]).astype(np.uint8) for n in range(32)]) == [0]


def test_a_cut_between_flat_frames_is_found() -> None:
    dark, bright = (np.full_like(draw_scene(0, 0), level) for level in (16, 235))

    assert shot_starts([dark] * 9 + [bright] * 9) == [0, 9]


def test_a_cut_to_other_colours_of_the_same_luma_is_found() -> None:
    frames = [draw_scene(3, n) for n in range(20)] + [draw_scene(3, n)[..., [2, 0, 1]] for n in range(20)]
    luma = frames[20] @ [77, 150, 29] / 256
    assert abs(float(luma.mean() - (frames[19] @ [77, 150, 29] / 256).mean())) < 40

    assert shot_starts(frames) == [0, 20]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("level", [0, 255])
def test_a_flash_is_no_cut(length: int, level: int) -> None:
    frames = [draw_scene(1, n) for n in range(40)]
    for n in range(20, 20 + length):
        frames[n] = np.full_like(frames[n], level)

    assert shot_starts(frames) == [0]


def pan(seed: int, length: int, *, hold: int, step: int) -> list[Frame]:
    wide = np.concatenate([draw_scene(seed + n, 0) for n in range(12)], 1)
    return [wide[:, step * (n // hold) :][:, :WIDTH] for n in range(length)]


@pytest.mark.parametrize("hold", [1, 2, 3])
@pytest.mark.parametrize("step", [17, 45])
def test_a_fast_pan_is_no_cut_and_hides_none(hold: int, step: int) -> None:
    """Steps of a pan reach a seventh of the width and change nearly as much as a cut."""
    one, other = (pan(seed, 36, hold=hold, step=step) for seed in (0, 20))

    assert shot_starts([*one, *other]) == [0, 36]


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_cuts_around_a_short_shot_are_found(gap: int) -> None:
    frames = [draw_scene(seed, n) for seed, length in ((0, 20), (1, gap), (2, 20)) for n in range(length)]

    assert shot_starts(frames) == [0, 20, 20 + gap]


def test_cuts_close_together_are_found() -> None:
    frames = [draw_scene(seed, n) for seed in range(8) for n in range(5)]

    assert shot_starts(frames) == list(range(0, 40, 5))


def mix(one: Frame, other: Frame, share: float) -> Frame:
    return np.rint(one + share * (other.astype(np.float32) - one)).astype(np.uint8)


@settings(max_examples=30)
@given(st.integers(20, 40), st.integers(8, 23), st.integers(20, 40), st.integers(0, 20))
def test_both_ends_of_a_dissolve_start_a_shot(before: int, length: int, after: int, seed: int) -> None:
    """Within a few frames: the first of the mixed ones has little of the shot to come."""
    one, other = draw_scene(seed, 0), draw_scene(seed + 21, 0)
    shares = [*[0.0] * before, *((n + 1) / (length + 1) for n in range(length)), *[1.0] * after]
    frames = [mix(one, other, share) for share in shares]

    starts = shot_starts(frames)

    assert len(starts) == 3
    assert abs(starts[1] - before) <= 3
    assert abs(starts[2] - before - length) <= 3


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("length", [6, 12, 20])
def test_both_ends_of_a_fade_start_a_shot(level: int, length: int) -> None:
    colour = np.full_like(draw_scene(0, 0), level)
    frames = [draw_scene(1, n) for n in range(25)]
    frames += [mix(draw_scene(1, 24), colour, (n + 1) / length) for n in range(length)] + [colour] * 15

    starts = shot_starts(frames)

    assert len(starts) == 3
    assert abs(starts[1] - 25) <= 2
    assert abs(starts[2] - 25 - length) <= 2


def test_an_opening_mouth_in_a_still_frame_is_no_cut() -> None:
    shut, open_ = draw_scene(1, 0), draw_scene(1, 0)
    open_[100:112, 150:180] = 255 - open_[100:112, 150:180]

    assert shot_starts([*[shut] * 20, *[open_] * 20]) == [0]


def test_one_frame_is_a_shot_and_no_frame_is_none() -> None:
    assert shot_starts([draw_scene(0, 0)]) == [0]
    assert find_cuts(np.empty((0, 18, 32, 3), np.uint8)) == []
