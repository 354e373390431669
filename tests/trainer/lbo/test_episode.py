"""Windows of an episode: they have motion, lie within one shot, and come from all shots."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.trainer.lbo.episodes import (
    HEIGHT,
    SHOT_LENGTHS,
    SHOT_STARTS,
    WIDTH,
    draw_scene,
    five_shots,
    open_episode,
    stats_of,
    write_video,
)
from trainer.data.clips import Frame
from trainer.errors import ClipError, EpisodeError
from trainer.lbo.episode import FrameStats, find_windows, measure_frames, select_windows


@pytest.mark.parametrize("as_folder", [False, True])
def test_windows_come_from_every_shot_that_is_long_enough(as_folder: bool, tmp_path: Path) -> None:
    if as_folder:
        (tmp_path / "e").mkdir()
        for n, frame in enumerate(five_shots()):
            Image.fromarray(frame).save(tmp_path / "e" / f"{n:08}.png")
        episode = open_episode(tmp_path / "e")
    else:
        episode = write_video(tmp_path / "e.mkv", five_shots())

    found = find_windows(episode, 100, 11)

    assert {window.shot for window in found} == {0, 1, 2, 3, 4}
    ends = [*SHOT_STARTS[1:], sum(SHOT_LENGTHS)]
    assert all(SHOT_STARTS[window.shot] <= window.first <= ends[window.shot] - 11 for window in found)
    assert all(after.first - before.first >= 11 for before, after in pairwise(found))
    assert len(found) == sum(length // 11 for length in SHOT_LENGTHS)
    assert find_windows(episode, 100, 11) == found
    five = find_windows(episode, 5, 11)
    assert [window.shot for window in five] == [0, 1, 2, 3, 4]
    assert len(find_windows(episode, 7, 11)) == 7


def test_windows_with_more_motion_come_first() -> None:
    slow = [draw_scene(3, n, hold=1, speed=1) for n in range(22)]
    fast = [draw_scene(3, n, hold=1, speed=9) for n in range(22)]

    (window,) = select_windows(stats_of(slow + fast), 1, 11, "e")

    assert window.first >= 22


def test_windows_of_different_colours_are_preferred() -> None:
    """Ten shots have one of two dark backgrounds, and one shot a bright one."""
    frames = []
    for shot in range(11):
        background = np.full((HEIGHT, WIDTH, 3), 250 if shot == 5 else 90 + 20 * (shot % 2), np.uint8)
        for n in range(11):
            frame = background.copy()
            frame[20:120, 20 * n : 20 * n + 80] = 10
            frames.append(frame)
    assert np.flatnonzero(stats_of(frames).shot_starts).tolist() == list(range(0, 121, 11))

    found = select_windows(stats_of(frames), 3, 11, "e")

    assert 5 in {window.shot for window in found}
    assert {window.shot % 2 for window in found if window.shot != 5} == {0, 1}


def still_frames(length: int = 40) -> list[Frame]:
    noise, drawing = np.random.default_rng(0), draw_scene(2, 0)
    return [np.clip(drawing + noise.normal(0, 6, drawing.shape), 0, 255).astype(np.uint8) for _ in range(length)]


def black_frames(length: int = 40) -> list[Frame]:
    noise = np.random.default_rng(0)
    return [noise.integers(14, 19, (HEIGHT, WIDTH, 3)).astype(np.uint8) for _ in range(length)]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (lambda: five_shots()[:10], "e has 10 frames, and needs at least 11; name a longer episode"),
        (still_frames, r"e has no 11 frames of one shot with 2 new drawings \(0 of its 40 frames are new drawings"),
        (black_frames, "all 40 frames of e are nearly of one shade"),
        (lambda: [draw_scene(n // 10, n) for n in range(40)], "e has no 11 frames of one shot"),
    ],
)
def test_an_episode_without_windows_is_refused(frames: Callable[[], list[Frame]], message: str, tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=message):
        find_windows(write_video(tmp_path / "e.mkv", frames()), 20, 11)


def test_black_and_still_parts_give_no_window(tmp_path: Path) -> None:
    frames = [*black_frames(33), *still_frames(33), *five_shots()[:30]]
    found = find_windows(write_video(tmp_path / "e.mkv", frames), 20, 11)

    assert found
    assert all(window.first >= 66 for window in found)


def test_a_moving_light_in_the_dark_gives_no_window() -> None:
    dark = []
    for n in range(33):
        frame = np.full((HEIGHT, WIDTH, 3), 12, np.uint8)
        frame[80:100, 8 * n : 8 * n + 20] = 250
        dark.append(frame)

    found = select_windows(stats_of([*dark, *five_shots()[:30]]), 20, 11, "e")

    assert [window.first for window in found] == [33, 44]


def test_the_error_names_a_truncated_video(tmp_path: Path) -> None:
    write_video(tmp_path / "e.mkv", five_shots())
    (tmp_path / "bad.mkv").write_bytes((tmp_path / "e.mkv").read_bytes()[:900])

    with pytest.raises((ClipError, EpisodeError), match="bad"):
        find_windows(open_episode(tmp_path / "bad.mkv"), 5, 11)


def test_fewer_windows_than_requested_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    find_windows(write_video(tmp_path / "e.mkv", five_shots()), 100, 11)

    assert (
        "e: 11 windows of 11 frames (fewer than the 100 requested), from 5 of 5 shots, in 140 frames" in caplog.messages
    )


def test_tape_noise_is_no_motion() -> None:
    """The noise has blobs of 8 pixels, which survive scaling down. Two thirds of the frames hold a drawing."""
    noise = np.random.default_rng(0)
    frames = []
    for frame in [*[draw_scene(4, 0)] * 22, *(draw_scene(5, n, hold=3) for n in range(22))]:
        blobs = np.kron(noise.normal(0, 2, (HEIGHT // 8 + 1, WIDTH // 8)), np.ones((8, 8)))[:HEIGHT, :, None]
        frames.append(np.clip(frame + blobs, 0, 255).astype(np.uint8))
    stats = stats_of(frames)
    assert stats.motion[1:22].min() > 4  # more than a codec causes in a held drawing

    assert [window.shot for window in select_windows(stats, 100, 11, "e")] == [1, 1]


def test_a_window_can_start_after_its_shot() -> None:
    flat = np.full((HEIGHT, WIDTH, 3), 16, np.uint8)
    stats = stats_of([*[flat] * 7, *(draw_scene(6, n) for n in range(11)), *[flat] * 5])
    stats.shot_starts[1:] = False

    assert [(window.first, window.shot) for window in select_windows(stats, 9, 11, "e")] == [(7, 0)]


def test_second_windows_of_shots_differ_from_the_first_ones() -> None:
    """Three shots have two windows each. Only one of the second windows has colours of its own."""
    histograms = np.zeros((66, 24), np.float32)
    histograms[np.arange(66), np.arange(66) // 22] = 1
    histograms[33:44] = np.eye(24, dtype=np.float32)[9]
    stats = synthetic_stats([22, 22, 22], histograms=histograms)

    assert [window.first for window in select_windows(stats, 4, 11, "e")] == [0, 22, 33, 44]


def test_motion_above_the_maximum_is_no_advantage() -> None:
    motion = np.full(33, 50, np.float32)
    motion[11:] = 200

    assert select_windows(synthetic_stats([33], motion=motion), 1, 11, "e")[0].first == 0


def test_missing_frames_end_a_shot() -> None:
    numbers = np.array([*range(4, 20), *range(25, 40)])
    stats = stats_of([draw_scene(0, n) for n in numbers])
    assert np.flatnonzero(stats.shot_starts).tolist() == [0]
    frames = [np.zeros((36, 64, 3), np.uint8)] * len(numbers)
    starts = measure_frames(zip(numbers.tolist(), frames, strict=True)).shot_starts

    assert np.flatnonzero(starts).tolist() == [0, 16]
    stats = synthetic_stats([16, 15], numbers=numbers)
    assert [window.first for window in select_windows(stats, 9, 11, "e")] == [4, 25]


def synthetic_stats(
    lengths: Sequence[int],
    *,
    motion: NDArray[np.float32] | None = None,
    flat_share: NDArray[np.float32] | None = None,
    histograms: NDArray[np.float32] | None = None,
    numbers: NDArray[np.int64] | None = None,
) -> FrameStats:
    """Return statistics of shots of these lengths. By default, every frame is a new drawing."""
    frames = sum(lengths)
    starts = np.zeros(frames, np.bool_)
    starts[np.cumsum([0, *lengths[:-1]])] = True
    return FrameStats(
        np.arange(frames) if numbers is None else numbers,
        starts,
        np.full(frames, 30, np.float32) if motion is None else motion,
        np.zeros(frames, np.float32),
        np.zeros(frames, np.float32) if flat_share is None else flat_share,
        np.zeros((frames, 24), np.float32) if histograms is None else histograms,
    )


@settings(max_examples=150, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    count=st.integers(1, 30),
    length=st.integers(2, 15),
    seed=st.integers(0, 1000),
)
def test_windows_of_random_statistics(lengths: list[int], count: int, length: int, seed: int) -> None:
    """A tenth of the frames is black, and half of them hold a drawing."""
    generator = np.random.default_rng(seed)
    frames = sum(lengths)
    stats = synthetic_stats(
        lengths,
        motion=(generator.integers(0, 2, frames) * generator.uniform(5, 90, frames)).astype(np.float32),
        flat_share=(generator.random(frames) < 0.1).astype(np.float32),
        histograms=generator.integers(0, 2, (frames, 1)).astype(np.float32) * (seed % 2),  # or all are equal
    )
    ends = np.cumsum(lengths)

    def fits(first: int) -> bool:
        within = slice(first, first + length)
        return bool(
            first + length <= ends[np.searchsorted(ends, first, side="right")]
            and not stats.flat_share[within].any()
            and (stats.motion[within][1:] > 4).sum() >= 2
        )

    fitting = [first for first in range(frames - length + 1) if fits(first)]
    if not fitting:
        with pytest.raises(EpisodeError, match=r"\be\b"):
            select_windows(stats, count, length, "e")
        return
    found = select_windows(stats, count, length, "e")

    assert {window.first for window in found} <= set(fitting)
    assert 1 <= len(found) <= count
    assert all(before.first + length <= after.first for before, after in pairwise(found))
    assert all(window.shot == np.searchsorted(ends, window.first, side="right") for window in found)
    usable_shots = {int(np.searchsorted(ends, first, side="right")) for first in fitting}
    shots = [window.shot for window in found]
    assert len(set(shots)) == min(count, len(usable_shots))  # every shot gives one window before any gives a second
    all_windows = select_windows(stats, 10_000, length, "e")
    all_shots = [window.shot for window in all_windows]
    assert len(found) == min(count, len(all_shots))
    for shot in set(shots):
        others = [shots.count(each) for each in usable_shots if all_shots.count(each) > shots.count(each)]
        assert not others or shots.count(shot) <= min(others) + 1
    for shot in set(shots):
        selected = [window.motion for window in found if window.shot == shot]
        rest = [window.motion for window in all_windows if window.shot == shot and window not in found]
        assert not rest or min(selected) >= max(rest)
