"""Windows of an episode: they show something that moves, within one shot, and come from every shot."""

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

from tests.trainer.episodes import BEGINS, HEIGHT, SHOTS, WIDTH, five_shots, look_of, scene, write_video
from trainer.clips import Picture, open_clip
from trainer.episode import Look, chosen, looked_at, windows
from trainer.errors import ClipError, EpisodeError


@pytest.mark.parametrize("as_folder", [False, True])
def test_windows_are_of_every_shot_that_is_long_enough(as_folder: bool, tmp_path: Path) -> None:
    if as_folder:
        (tmp_path / "e").mkdir()
        for n, picture in enumerate(five_shots()):
            Image.fromarray(picture).save(tmp_path / "e" / f"{n:08}.png")
        opened = open_clip(tmp_path / "e")
        assert opened is not None
        episode = opened
    else:
        episode = write_video(tmp_path / "e.mkv", five_shots())

    found = windows(episode, 100, 11)

    assert {window.shot for window in found} == {0, 1, 2, 3, 4}
    ends = [*BEGINS[1:], sum(SHOTS)]
    assert all(BEGINS[window.shot] <= window.first <= ends[window.shot] - 11 for window in found)
    assert all(after.first - before.first >= 11 for before, after in pairwise(found))
    assert len(found) == sum(length // 11 for length in SHOTS)
    assert windows(episode, 100, 11) == found
    five = windows(episode, 5, 11)
    assert [window.shot for window in five] == [0, 1, 2, 3, 4]
    assert len(windows(episode, 7, 11)) == 7


def test_within_a_shot_what_moves_more_comes_first() -> None:
    pictures = [scene(3, n, every=1, speed=1) for n in range(22)] + [scene(3, n, every=1, speed=9) for n in range(22)]

    (window,) = chosen(look_of(pictures), 1, 11, "e")

    assert window.first >= 22


def test_of_too_many_shots_those_are_taken_that_look_different() -> None:
    """Ten shots of one wall, with a shape that moves, and one of another."""
    pictures = []
    for shot in range(11):
        wall = np.full((HEIGHT, WIDTH, 3), 250 if shot == 5 else 90 + 20 * (shot % 2), np.uint8)
        for n in range(11):
            picture = wall.copy()
            picture[20:120, 20 * n : 20 * n + 80] = 10
            pictures.append(picture)
    assert np.flatnonzero(look_of(pictures).begins).tolist() == list(range(0, 121, 11))

    found = chosen(look_of(pictures), 3, 11, "e")

    assert 5 in {window.shot for window in found}
    assert {window.shot % 2 for window in found if window.shot != 5} == {0, 1}


def still(length: int = 40) -> list[Picture]:
    noise, drawing = np.random.default_rng(0), scene(2, 0)
    return [np.clip(drawing + noise.normal(0, 6, drawing.shape), 0, 255).astype(np.uint8) for _ in range(length)]


def black(length: int = 40) -> list[Picture]:
    noise = np.random.default_rng(0)
    return [noise.integers(14, 19, (HEIGHT, WIDTH, 3)).astype(np.uint8) for _ in range(length)]


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (lambda: five_shots()[:10], "e has 10 frames, and 11 are the least; name a longer episode"),
        (still, r"e has no 11 frames of one shot with 2 new drawings in them \(0 of its 40 frames are new"),
        (black, "every one of the 40 frames of e is nearly of one shade"),
        (lambda: [scene(n // 10, n) for n in range(40)], "e has no 11 frames of one shot"),
    ],
)
def test_an_episode_that_gives_nothing_is_refused(
    pictures: Callable[[], list[Picture]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(EpisodeError, match=said):
        windows(write_video(tmp_path / "e.mkv", pictures()), 20, 11)


def test_black_and_still_parts_give_no_window(tmp_path: Path) -> None:
    found = windows(write_video(tmp_path / "e.mkv", [*black(33), *still(33), *five_shots()[:30]]), 20, 11)

    assert found
    assert all(window.first >= 66 for window in found)


def test_a_light_that_moves_in_the_dark_gives_no_window() -> None:
    dark = []
    for n in range(33):
        picture = np.full((HEIGHT, WIDTH, 3), 12, np.uint8)
        picture[80:100, 8 * n : 8 * n + 20] = 250
        dark.append(picture)

    found = chosen(look_of([*dark, *five_shots()[:30]]), 20, 11, "e")

    assert [window.first for window in found] == [33, 44]


def test_a_video_that_breaks_off_is_named(tmp_path: Path) -> None:
    write_video(tmp_path / "e.mkv", five_shots())
    (tmp_path / "bad.mkv").write_bytes((tmp_path / "e.mkv").read_bytes()[:900])

    episode = open_clip(tmp_path / "bad.mkv")

    assert episode is not None
    with pytest.raises((ClipError, EpisodeError), match="bad"):
        windows(episode, 5, 11)


def test_an_episode_that_holds_fewer_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    windows(write_video(tmp_path / "e.mkv", five_shots()), 100, 11)

    assert (
        "e: 11 windows of 11 frames (100 were asked for: it holds no more), from 5 of 5 shots, in 140 frames"
        in caplog.messages
    )


def test_tape_noise_is_no_motion() -> None:
    """Blotches of 8 pixels, which shrinking leaves; two thirds of the frames are held drawings."""
    noise = np.random.default_rng(0)
    pictures = []
    for picture in [*[scene(4, 0)] * 22, *(scene(5, n, every=3) for n in range(22))]:
        blotches = np.kron(noise.normal(0, 2, (HEIGHT // 8 + 1, WIDTH // 8)), np.ones((8, 8)))[:HEIGHT, :, None]
        pictures.append(np.clip(picture + blotches, 0, 255).astype(np.uint8))
    look = look_of(pictures)
    assert look.motion[1:22].min() > 4  # more than a codec does to a held drawing

    assert [window.shot for window in chosen(look, 100, 11, "e")] == [1, 1]


def test_what_moves_between_two_rests_is_found() -> None:
    """A window need not begin where its shot does."""
    pictures = [np.full((HEIGHT, WIDTH, 3), 16, np.uint8)] * 7 + [scene(6, n) for n in range(11)]
    look = look_of([*pictures, *[np.full((HEIGHT, WIDTH, 3), 16, np.uint8)] * 5])
    look.begins[1:] = False

    assert [(window.first, window.shot) for window in chosen(look, 9, 11, "e")] == [(7, 0)]


def test_of_a_second_turn_those_are_taken_that_look_unlike_the_first() -> None:
    """Three shots of two windows each; only one of the second ones has colours of its own."""
    colours = np.zeros((66, 24), np.float32)
    colours[np.arange(66), np.arange(66) // 22] = 1
    colours[33:44] = np.eye(24, dtype=np.float32)[9]
    look = made_up([22, 22, 22], colours=colours)

    assert [window.first for window in chosen(look, 4, 11, "e")] == [0, 22, 33, 44]


def test_a_pan_does_not_come_before_what_moves_enough() -> None:
    """Both move as much as counts; the first one is taken."""
    motion = np.full(33, 50, np.float32)
    motion[11:] = 200

    assert chosen(made_up([33], motion=motion), 1, 11, "e")[0].first == 0


def test_frames_that_are_missing_end_a_shot() -> None:
    numbers = np.array([*range(4, 20), *range(25, 40)])
    thumbnails = look_of([scene(0, n) for n in numbers])
    assert np.flatnonzero(thumbnails.begins).tolist() == [0]
    pictures = [np.zeros((36, 64, 3), np.uint8)] * len(numbers)
    begins = looked_at(zip(numbers.tolist(), pictures, strict=True)).begins

    assert np.flatnonzero(begins).tolist() == [0, 16]
    look = made_up([16, 15], numbers=numbers)
    assert [window.first for window in chosen(look, 9, 11, "e")] == [4, 25]


def made_up(
    shots: Sequence[int],
    *,
    motion: NDArray[np.float32] | None = None,
    fullest: NDArray[np.float32] | None = None,
    colours: NDArray[np.float32] | None = None,
    numbers: NDArray[np.int64] | None = None,
) -> Look:
    """Shots of these lengths, in which every frame is a new drawing unless said otherwise."""
    frames = sum(shots)
    begins = np.zeros(frames, np.bool_)
    begins[np.cumsum([0, *shots[:-1]])] = True
    return Look(
        np.arange(frames) if numbers is None else numbers,
        begins,
        np.full(frames, 30, np.float32) if motion is None else motion,
        np.zeros(frames, np.float32),
        np.zeros(frames, np.float32) if fullest is None else fullest,
        np.zeros((frames, 24), np.float32) if colours is None else colours,
    )


@settings(max_examples=150, deadline=None)
@given(
    shots=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    count=st.integers(1, 30),
    length=st.integers(2, 15),
    seed=st.integers(0, 1000),
)
def test_windows_keep_what_they_promise(shots: list[int], count: int, length: int, seed: int) -> None:
    """On figures instead of pictures: a tenth of the frames is black, half of them is held."""
    generator = np.random.default_rng(seed)
    frames = sum(shots)
    look = made_up(
        shots,
        motion=(generator.integers(0, 2, frames) * generator.uniform(5, 90, frames)).astype(np.float32),
        fullest=(generator.random(frames) < 0.1).astype(np.float32),
        colours=generator.integers(0, 2, (frames, 1)).astype(np.float32) * (seed % 2),  # or all look the same
    )
    ends = np.cumsum(shots)

    def fits(first: int) -> bool:
        within = slice(first, first + length)
        return bool(
            first + length <= ends[np.searchsorted(ends, first, side="right")]
            and not look.fullest[within].any()
            and (look.motion[within][1:] > 4).sum() >= 2
        )

    fitting = [first for first in range(frames - length + 1) if fits(first)]
    if not fitting:
        with pytest.raises(EpisodeError, match=r"\be\b"):
            chosen(look, count, length, "e")
        return
    found = chosen(look, count, length, "e")

    assert {window.first for window in found} <= set(fitting)
    assert 1 <= len(found) <= count
    assert all(before.first + length <= after.first for before, after in pairwise(found))
    assert all(window.shot == np.searchsorted(ends, window.first, side="right") for window in found)
    usable = {int(np.searchsorted(ends, first, side="right")) for first in fitting}
    served = [window.shot for window in found]
    assert len(set(served)) == min(count, len(usable))  # every shot has its turn before any has a second one
    everything = [window.shot for window in chosen(look, 10_000, length, "e")]
    assert len(found) == min(count, len(everything))
    for shot in set(served):
        others = [served.count(each) for each in usable if everything.count(each) > served.count(each)]
        assert not others or served.count(shot) <= min(others) + 1
    for shot in set(served):
        mine = [window.motion for window in found if window.shot == shot]
        rest = [w.motion for w in chosen(look, 10_000, length, "e") if w.shot == shot and w not in found]
        assert not rest or min(mine) >= max(rest)
