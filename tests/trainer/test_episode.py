"""Shots and windows: cuts where they are and nowhere else, and windows that show something, from every shot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from trainer.clips import Episode, Picture, open_clip
from trainer.episode import Look, Window, chosen, looked_at, windows
from trainer.errors import ClipError, EpisodeError
from trainer.shots import cuts

WIDTH, HEIGHT = 320, 180


def scene(seed: int, n: int, *, every: int = 2, speed: int = 6) -> Picture:
    """A drawing: shapes over a wall; one of them moves, held for `every` frames."""
    generator = np.random.default_rng(seed)
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = generator.integers(40, 220, 3)
    for _ in range(8):
        x, y = generator.integers(0, (WIDTH - 60, HEIGHT - 60))
        w, h = generator.integers(20, 90, 2)
        picture[y : y + h, x : x + w] = generator.integers(0, 256, 3)
    at = int(generator.integers(WIDTH)) + speed * (n // every)
    columns = np.arange(at, at + 50) % WIDTH
    picture[60:140, columns] = 255 - picture[0, 0]
    return picture


def write_video(path: Path, pictures: Sequence[Picture], codec: str = "ffv1", **options: str) -> Episode:
    with av.open(str(path), "w") as container:
        stream = cast(av.VideoStream, container.add_stream(codec, rate=24, options=options))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0" if codec == "ffv1" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 24)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    episode = open_clip(path)
    assert episode is not None
    return episode


SHOTS = (30, 25, 40, 12, 33)
BEGINS = [0, 30, 55, 95, 107]


def five_shots() -> list[Picture]:
    return [scene(seed, n) for seed, length in enumerate(SHOTS) for n in range(length)]


def thumbnails(pictures: Sequence[Picture]) -> NDArray[np.uint8]:
    """As an episode's stream has them, without a codec."""
    small = [np.asarray(Image.fromarray(each).resize((48, 27), Image.Resampling.BOX)) for each in pictures]
    return looked_at(small).thumbnails


@pytest.mark.parametrize(
    ("codec", "options"),
    [("ffv1", {}), ("mpeg2video", {"qmin": "20", "qmax": "31", "bf": "2"}), ("libx264", {"crf": "35"})],
)
def test_cuts_are_found_where_they_are(codec: str, options: dict[str, str], tmp_path: Path) -> None:
    episode = write_video(tmp_path / "e.mkv", five_shots(), codec, **options)

    assert cuts(looked_at(episode.stream(48, 27)).thumbnails) == BEGINS


def test_noise_makes_no_cut() -> None:
    noise = np.random.default_rng(0)
    noisy = [np.clip(each + noise.normal(0, 12, each.shape), 0, 255).astype(np.uint8) for each in five_shots()]

    assert cuts(thumbnails(noisy)) == BEGINS


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_flash_is_no_cut(length: int) -> None:
    pictures = [scene(1, n) for n in range(40)]
    for n in range(20, 20 + length):
        pictures[n] = np.full_like(pictures[n], 255)

    assert cuts(thumbnails(pictures)) == [0]


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_fast_pan_is_no_cut(every: int) -> None:
    wide = np.concatenate([scene(seed, 0) for seed in range(12)], 1)
    pan = [wide[:, 60 * (n // every) :][:, :WIDTH] for n in range(36)]

    assert cuts(thumbnails(pan)) == [0]


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_shots_of_a_few_frames_still_begin_with_cuts(gap: int) -> None:
    """A cut to something short and on to something else; what is shorter than a flash may be taken for one."""
    pictures = [scene(seed, n) for seed, length in ((0, 20), (1, gap), (2, 20)) for n in range(length)]

    assert set(cuts(thumbnails(pictures))) >= {0, 20 + gap}


def test_a_mouth_that_opens_in_a_still_picture_is_no_cut() -> None:
    shut, open_ = scene(1, 0), scene(1, 0)
    open_[100:112, 150:180] = 255 - open_[100:112, 150:180]

    assert cuts(thumbnails([*[shut] * 20, *[open_] * 20])) == [0]


def test_one_picture_or_none_is_one_shot_or_none() -> None:
    assert cuts(thumbnails([scene(0, 0)])) == [0]
    assert cuts(np.empty((0, 27, 48), np.uint8)) == []


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
    assert cuts(look_of(pictures).thumbnails) == list(range(0, 121, 11))

    found = chosen(look_of(pictures), 3, 11, "e")

    assert 5 in {window.shot for window in found}
    assert {window.shot % 2 for window in found if window.shot != 5} == {0, 1}


def look_of(pictures: Sequence[Picture]) -> Look:
    return looked_at(np.asarray(Image.fromarray(each).resize((48, 27), Image.Resampling.BOX)) for each in pictures)


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


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    count=st.integers(1, 30),
    length=st.integers(2, 15),
)
def test_windows_never_cross_a_cut_nor_overlap(lengths: list[int], count: int, length: int) -> None:
    """On thumbnails: each shot is of its own noise, of which half changes with each frame."""
    generator = np.random.default_rng(sum(lengths))
    frames = []
    for shot in lengths:
        wall = generator.integers(0, 256, (27, 48)).astype(np.uint8)
        for n in range(shot):
            wall[5:9, (7 * n) % 48] ^= 255
            frames.append(wall.copy())
    shades = np.array([np.bincount(each.ravel() // 32, minlength=8) for each in frames], np.float32)
    look = Look(np.array(frames), np.tile(shades / 1296, 3))

    try:
        found = chosen(look, count, length, "e")
    except EpisodeError:
        return

    begins = [*cuts(look.thumbnails), len(frames)]
    assert 1 <= len(found) <= count
    assert found == sorted(found, key=lambda window: window.first)
    for window in found:
        assert begins[window.shot] <= window.first
        assert window.first + length <= begins[window.shot + 1]
    assert all(before.first + length <= after.first for before, after in pairwise(found))
    served = {window.shot for window in found}
    if len(found) > len(served):  # no shot has a second one before each has had its first
        assert {each.shot for each in _all(look, length)} == served


def _all(look: Look, length: int) -> list[Window]:
    return chosen(look, 10_000, length, "e")
