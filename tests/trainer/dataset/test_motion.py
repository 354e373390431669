"""How far pictures move, on drawings that are held, that move slowly, and under grain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.trainer.dataset.shows import FRAMES, build
from tests.trainer.lbo.episodes import draw_scene, write_video
from trainer.dataset.candidates import SLOW_FLOW
from trainer.dataset.motion import MotionMeter

DRAWN = Path(__file__).parents[3] / ".data" / "drawn"
HEIGHT, WIDTH = 720, 1280
SMALL = 256, 144
PAIRS = 5
"""Frames that are compared with the one before."""
GRAINS = [(0, 0), (1, 0), (3, 0), (2, 1), (4, 1.5)]
"""Standard deviation of grain in grey levels, and the size of its grains."""

type Picture = NDArray[np.uint8]


@cache
def drawing() -> Picture:
    """Return shapes of one shade each: on these, flow follows the faintest grain."""
    return np.asarray(cv2.resize(draw_scene(50, 0), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST), np.uint8)


def pan(step: float, picture: Picture | None = None) -> list[Picture]:
    """Return frames that move to the left, by a number of pixels a frame."""
    source = drawing() if picture is None else picture
    return [
        np.asarray(cv2.warpAffine(source, np.array([[1.0, 0, -step * n], [0, 1, 0]]), (WIDTH, HEIGHT)), np.uint8)
        for n in range(PAIRS + 1)
    ]


def add_grain(frames: Sequence[Picture], strength: float, size: float) -> list[Picture]:
    random = np.random.default_rng(1)
    grainy = []
    for frame in frames:
        grain = random.normal(0, 1, frame.shape[:2]).astype(np.float32)
        if size:
            grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), size), np.float32)
        grain *= strength / grain.std()
        grainy.append(np.clip(np.round(frame + grain[..., None]), 0, 255).astype(np.uint8))
    return grainy


def measure(frames: Sequence[Picture], change: Callable[[Picture], object] = lambda grey: None) -> tuple[float, float]:
    """Return the motion of frames as they are measured: of the pixels that move most, and of all."""
    meter, greys = MotionMeter(SMALL[1], SMALL[0]), list[Picture]()
    for frame in frames:
        small = cv2.resize(frame, SMALL, interpolation=cv2.INTER_AREA)
        greys.append(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8))
        change(greys[-1])
    largest, mean = np.mean([meter.measure(one, other) for one, other in pairwise(greys)], 0)
    return float(largest), float(mean)


@pytest.mark.parametrize(("strength", "size"), [*GRAINS, (9, 1.5)])
def test_a_held_drawing_with_grain_does_not_move(strength: float, size: float) -> None:
    largest, mean = measure(add_grain([drawing()] * (PAIRS + 1), strength, size))

    assert mean == 0
    assert largest < 0.3


def test_bars_without_grain_do_not_hide_it() -> None:
    def add_bars(grey: Picture) -> None:
        grey[:, : SMALL[0] // 8] = grey[:, -SMALL[0] // 8 :] = 16

    largest, mean = measure(add_grain([drawing()] * (PAIRS + 1), 4, 1.5), add_bars)

    assert mean == 0
    assert largest < 0.3


@pytest.mark.parametrize(("strength", "size"), GRAINS[:4])
def test_a_slow_pan_moves_under_grain(strength: float, size: float) -> None:
    for step in (1, 3):
        largest, mean = measure(add_grain(pan(step), strength, size))

        assert mean >= SLOW_FLOW
        assert largest >= step / HEIGHT * 100


def test_pans_of_half_a_pixel_are_as_before() -> None:
    assert measure(pan(0.5))[1] >= SLOW_FLOW / 2
    assert measure(add_grain(pan(0.5), 1, 0))[1] >= SLOW_FLOW / 2


@pytest.mark.parametrize(("strength", "size"), GRAINS)
def test_a_part_that_moves_counts_under_grain(strength: float, size: float) -> None:
    frames = [drawing().copy() for _ in range(PAIRS + 1)]
    for n, frame in enumerate(frames):
        cv2.rectangle(frame, (600 + 16 * n, 300), (760 + 16 * n, 480), (10, 200, 250), -1)

    clean, _ = measure(frames)
    largest, _ = measure(add_grain(frames, strength, size))

    assert clean > 0.5
    assert largest == pytest.approx(clean, rel=0.3)


@pytest.mark.skipif(not DRAWN.is_dir(), reason="needs python -m scripts.studies.drawing")
@pytest.mark.parametrize(
    "name",
    [
        "train/school-7-rooftop-pan",
        "train/green-2-club-push-in",
        "train/school-1-classroom-talk",
        "held-out/city-4-card",
    ],
)
def test_drawn_clips_move_as_far_with_grain_as_without(name: str) -> None:
    files = sorted((DRAWN / name).glob("*.png"))[: PAIRS + 1]
    frames = [np.asarray(Image.open(file).convert("RGB").resize((WIDTH, HEIGHT))) for file in files]
    plain = measure(frames)

    assert plain[1] > SLOW_FLOW
    for strength, size in GRAINS[1:]:
        assert measure(add_grain(frames, strength, size)) == pytest.approx(plain, rel=0.3)


@pytest.mark.skipif(not DRAWN.is_dir(), reason="needs python -m scripts.studies.drawing")
@pytest.mark.parametrize("name", ["train/school-7-rooftop-pan", "held-out/blue-2-meadow-close"])
def test_a_drawn_picture_pans_slowly_and_is_held(name: str) -> None:
    file = sorted((DRAWN / name).glob("*.png"))[0]
    picture = np.asarray(Image.open(file).convert("RGB").resize((WIDTH, HEIGHT)))
    for strength, size in GRAINS:
        assert measure(add_grain(pan(1, picture), strength, size))[1] >= SLOW_FLOW
        assert measure(add_grain(pan(0, picture), strength, size))[1] == 0


def test_a_held_drawing_with_grain_is_left_out(tmp_path: Path) -> None:
    """By a codec, on a small picture, where grain is strongest."""
    moving = [draw_scene(52, n) for n in range(2 * FRAMES)]
    frames = add_grain([*[draw_scene(50, 0)] * 60, *moving], 2, 0)
    write_video(tmp_path / "a.mkv", frames, "libx264", crf="16", preset="medium")

    manifest = build([tmp_path / "a.mkv"], tmp_path / "avc", clips=9)

    assert manifest.videos[0].faults == {"still": 59}
    assert manifest.clips
    assert all(clip.first >= 60 for clip in manifest.clips)
