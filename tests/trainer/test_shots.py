"""Cuts: where they are and nowhere else, also through codecs, noise, darkness and pans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.episodes import BEGINS, WIDTH, five_shots, look_of, scene, write_video
from trainer.clips import Picture
from trainer.episode import HEIGHT as LOOKED_HEIGHT
from trainer.episode import WIDTH as LOOKED_WIDTH
from trainer.episode import looked_at
from trainer.shots import cuts


def begins(pictures: Sequence[Picture]) -> list[int]:
    found: list[int] = np.flatnonzero(look_of(pictures).begins).tolist()
    return found


def noisy(pictures: Sequence[Picture], sigma: float) -> list[Picture]:
    noise = np.random.default_rng(0)
    return [np.clip(each + noise.normal(0, sigma, each.shape), 0, 255).astype(np.uint8) for each in pictures]


@pytest.mark.parametrize(
    ("codec", "options"),
    [("ffv1", {}), ("mpeg2video", {"qmin": "20", "qmax": "31", "bf": "2"}), ("libx264", {"crf": "35"})],
)
@pytest.mark.parametrize("sigma", [0, 8])
def test_cuts_are_found_where_they_are(codec: str, options: dict[str, str], sigma: float, tmp_path: Path) -> None:
    episode = write_video(tmp_path / "e.mkv", noisy(five_shots(), sigma), codec, **options)

    assert np.flatnonzero(looked_at(episode.stream(LOOKED_WIDTH, LOOKED_HEIGHT)).begins).tolist() == BEGINS


@pytest.mark.parametrize("light", [1.0, 0.25, 0.12])
def test_noise_and_darkness_hide_no_cut_and_make_none(light: float) -> None:
    dark = [(each * light).astype(np.uint8) for each in five_shots()]

    assert begins(dark) == begins(noisy(dark, 12 * light)) == BEGINS


def test_noise_in_black_is_no_cut() -> None:
    """Blotches, as of tape, which shrinking leaves; they are new every 8 frames."""
    noise = np.random.default_rng(0)
    black = np.full(scene(0, 0).shape, 16.0)
    blotches = [np.kron(noise.normal(0, 2.4, (18, 32)), np.ones((10, 10)))[..., None] for _ in range(4)]

    assert begins([(black + blotches[n // 8]).astype(np.uint8) for n in range(32)]) == [0]


def test_a_cut_between_pictures_without_contrast() -> None:
    assert begins([np.full_like(scene(0, 0), 16)] * 9 + [np.full_like(scene(0, 0), 235)] * 9) == [0, 9]


def test_a_cut_to_other_colours_as_bright_is_one() -> None:
    pictures = [scene(3, n) for n in range(20)] + [scene(3, n)[..., [2, 0, 1]] for n in range(20)]
    luma = pictures[20] @ [77, 150, 29] / 256
    assert abs(float(luma.mean() - (pictures[19] @ [77, 150, 29] / 256).mean())) < 40

    assert begins(pictures) == [0, 20]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("level", [0, 255])
def test_a_flash_is_no_cut(length: int, level: int) -> None:
    pictures = [scene(1, n) for n in range(40)]
    for n in range(20, 20 + length):
        pictures[n] = np.full_like(pictures[n], level)

    assert begins(pictures) == [0]


def pan(begin: int, length: int, *, every: int, step: int) -> list[Picture]:
    wide = np.concatenate([scene(begin + seed, 0) for seed in range(12)], 1)
    return [wide[:, step * (n // every) :][:, :WIDTH] for n in range(length)]


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("step", [17, 45])
def test_a_fast_pan_is_no_cut_and_hides_none(every: int, step: int) -> None:
    """Each picture moves on by up to a seventh of its width, which changes it nearly as much as a cut does."""
    one, other = (pan(begin, 36, every=every, step=step) for begin in (0, 20))

    assert begins([*one, *other]) == [0, 36]


@pytest.mark.parametrize("gap", [1, 2, 5])
def test_shots_of_a_few_frames_still_begin_with_cuts(gap: int) -> None:
    """A cut to something short and on to something else; what is shorter than a flash may be taken for one."""
    pictures = [scene(seed, n) for seed, length in ((0, 20), (1, gap), (2, 20)) for n in range(length)]

    assert begins(pictures) == [0, 20, 20 + gap]


def test_each_cut_of_many_close_together_is_found() -> None:
    pictures = [scene(seed, n) for seed in range(8) for n in range(5)]

    assert begins(pictures) == list(range(0, 40, 5))


def test_a_mouth_that_opens_in_a_still_picture_is_no_cut() -> None:
    shut, open_ = scene(1, 0), scene(1, 0)
    open_[100:112, 150:180] = 255 - open_[100:112, 150:180]

    assert begins([*[shut] * 20, *[open_] * 20]) == [0]


def test_one_picture_or_none_is_one_shot_or_none() -> None:
    assert begins([scene(0, 0)]) == [0]
    assert cuts(np.empty((0, 18, 32, 3), np.uint8)) == []
