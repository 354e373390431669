"""Softness and amount of HQ, and the zoom that makes HQ softer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from trainer.advice import hq, softness
from trainer.data.clips import Frame
from trainer.data.zoom import zoom_crop
from trainer.errors import ClipError
from trainer.vsr.config import preset
from trainer.vsr.dataset import DegradedClips, Sampling


def drawing(seed: int, side: int = 320) -> Frame:
    """Return a drawing of outlined shapes: nearly crisp at half its size."""
    generator: Generator = np.random.default_rng(seed)
    picture = Image.new("RGB", (2 * side, 2 * side), (200, 190, 170))
    draw = ImageDraw.Draw(picture)
    for _ in range(30):
        x, y, r = generator.uniform(0, 2 * side, 3)
        colour = tuple(int(each) for each in generator.integers(60, 250, 3))
        draw.ellipse((x - r / 6, y - r / 5, x + r / 6, y + r / 5), colour, (20, 20, 30), 12)
    return np.asarray(picture.reduce(2).filter(ImageFilter.GaussianBlur(1.2)), np.uint8)


def pseudo_hq(seed: int, zoom: float) -> Frame:
    frame = drawing(seed)
    side = int(320 * min(zoom, 1)) // 2 * 2
    zoomed = zoom_crop(frame, 160 - side / zoom / 2, 160 - side / zoom / 2, side, zoom)
    return np.asarray(Image.fromarray(zoomed).reduce(2), np.uint8)


@pytest.mark.parametrize("zoom", [0.7, 1.0, 1.5, 2.0, 3.0])
def test_the_zoom_of_other_drawings_is_estimated(zoom: float) -> None:
    found = softness.compare([drawing(n) for n in range(6)], [pseudo_hq(n, zoom) for n in range(10, 22)])

    assert found is not None
    assert found.zoom == pytest.approx(zoom, rel=0.15)
    assert found.fits(zoom)
    assert not found.fits(zoom * 1.8)
    assert not found.fits(zoom / 1.8)


def test_an_edge_is_as_wide_as_its_blur() -> None:
    x = np.arange(400, dtype=np.float32)
    for width in (2.0, 4.0, 8.0):
        row = np.clip((np.abs(x % 80 - 40) - 20) / width + 0.5, 0, 1) * 200
        assert softness.edge_width([np.tile(row, (60, 1))]) == pytest.approx(width, rel=0.05)


def test_flat_pictures_say_nothing() -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)

    assert softness.edge_width([flat[..., 0].astype(np.float32)]) is None
    assert softness.compare([flat], [flat]) is None


def write(folder: Path, frames: list[Frame]) -> None:
    folder.mkdir(parents=True)
    for n, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{n:08}.png")


def test_says_which_zoom_fits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    write(tmp_path / "data" / "clip", [drawing(n) for n in range(6)])
    write(tmp_path / "lbo" / "pairs" / "hq" / "000000", [pseudo_hq(n, 2) for n in range(10, 20)])

    hq.advise_on_hq(tmp_path / "data", [tmp_path / "lbo", tmp_path / "none"], (1, 1))
    (warning,) = [each.getMessage() for each in caplog.records if "too crisp" in each.getMessage()]
    zoom = float(warning.partition("sampling.zoom=[")[2].partition(",")[0])
    assert zoom == pytest.approx(2, rel=0.15)

    caplog.clear()
    hq.advise_on_hq(tmp_path / "data", [tmp_path / "lbo"], (zoom, zoom))
    assert [each.levelname for each in caplog.records] == ["INFO"]
    assert "that fits" in caplog.text


def test_little_hq_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "data" / "clip", [drawing(0, 64)] * 5)
    hq.advise_on_hq(tmp_path / "data", [], (1, 1))

    assert "5 frames of about 1 scenes" in caplog.text


def test_scenes_are_frames_unlike_all_others() -> None:
    light, dark = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64, 3), 60, np.uint8)

    assert hq.count_scenes([light, light, dark, light, dark + 5]) == 2


class OneClip:
    name = "clip"

    def __len__(self) -> int:
        return 6

    def read(self, numbers: list[int]) -> list[Frame]:
        return [drawing(0)] * len(numbers)

    def check(self) -> tuple[int, int]:
        return 320, 320


def samples(**sampling: object) -> DegradedClips:
    settings = Sampling.model_validate({"frames": 3, "strides": (1,), "size": 96, "flip": False, **sampling})
    return DegradedClips([OneClip()], settings, preset("vsr-l1", "paper").degradation, 0)  # type: ignore[list-item]


def test_zoom_enlarges_targets() -> None:
    width = {}
    for zoom in (1.0, 3.0):
        made = samples(zoom=(zoom, zoom))
        targets = [made[0, n].target for n in range(6)]
        assert targets[0].shape == (3, 3, 96, 96)
        pictures = [each[0].permute(1, 2, 0).numpy() @ np.array([0.3, 0.6, 0.1], np.float32) for each in targets]
        width[zoom] = softness.edge_width(pictures)
    assert width[1.0] is not None
    assert width[3.0] is not None
    assert width[3.0] == pytest.approx(3 * width[1.0], rel=0.35)


def test_without_zoom_samples_are_pixels_of_the_clip() -> None:
    sample = samples(reverse=False)[0, 0].target[0].permute(1, 2, 0).numpy()
    clip = drawing(0)
    points = [(0, 0), (95, 95), (40, 60), (95, 0), (0, 95), (60, 20), (20, 30), (75, 75)]
    views = [(clip[y : y + 225, x : x + 225] == sample[y, x]).all(2) for y, x in points]
    places = np.argwhere(np.all(views, 0))

    assert any(np.array_equal(clip[top : top + 96, left : left + 96], sample) for top, left in places)


def test_a_crop_has_to_fit_into_the_zoomed_clip() -> None:
    samples(size=320).check()
    samples(size=320, zoom=(1, 2)).check()
    with pytest.raises(ClipError, match=r"sampling.size=320 at sampling.zoom=0.9 is larger"):
        samples(size=320, zoom=(0.9, 2)).check()
