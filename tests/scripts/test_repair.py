"""The script that shows what operators learn from episodes: what is hidden, who is told what, and its measures."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from trainer.clips import find_clips, open_clip
from trainer.drawn_clips import draw_clips
from trainer.lbo import folder
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.stages import preset as operator_preset
from trainer.settings import changed
from trainer.stages import preset

from .sandbox import load

repair = load("repair")
episodes, factors, hidden, nearness, runs = (
    import_module(f"repairing.{name}") for name in ("episodes", "factors", "hidden", "nearness", "runs")
)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two of each title, of 17 frames of 128x128."""
    path = tmp_path / "train"
    draw_clips(path, clips=2 * len(episodes.TITLES))
    titles = [title for title in sorted(episodes.TITLES) for _ in range(2)]
    for number, title in enumerate(titles):
        (path / f"shapes-{number}").rename(path / f"{title}-{number}")
    return path


def test_every_other_clip_is_known_as_hq_and_the_others_as_an_episode_alone(clips: Path, tmp_path: Path) -> None:
    for _ in range(2):  # what is there is kept
        episodes.share_out(clips, tmp_path / "out")

    known = [clip.name for clip in find_clips(tmp_path / "out" / "hq")]
    assert known == [clip.name for clip in find_clips(clips)][::2]
    for title, degradation in episodes.TITLES.items():
        (other,) = [clip for clip in find_clips(clips) if clip.name.startswith(title) and clip.name not in known]
        episode = open_clip(tmp_path / "out" / "episodes" / f"{degradation.name}.mkv")
        assert episode is not None
        assert np.array_equal(episode.read(range(17)), degradation.lq(episodes.whole(other)))


def test_what_is_hidden_differs_from_every_basic_operator(clips: Path) -> None:
    clip = episodes.whole(find_clips(clips)[0])
    found = [degradation.lq(clip) for degradation in hidden.HIDDEN]

    for one, lq in enumerate(found):
        assert (lq.shape, lq.dtype) == ((17, 32, 32, 3), np.uint8)
        assert np.array_equal(lq, hidden.HIDDEN[one].lq(clip))
        assert all(not np.array_equal(lq, other) for other in found[one + 1 :])
    assert len({degradation.name for degradation in hidden.HIDDEN}) == len(hidden.HIDDEN)


@dataclass
class AsBasic:
    """Hides nothing but a basic operator."""

    basic: object

    def lq(self, hq: Tensor) -> NDArray[np.uint8]:
        half = (255 * nearness.scaled_down(hq.float() / 255, 2, "area")).round() / 255
        pictures = self.basic(half)  # type: ignore[operator]
        return (255 * pictures.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).numpy()  # type: ignore[no-any-return]


def test_the_setting_that_was_hidden_is_the_nearest(clips: Path) -> None:
    tried = [nearness.Basic(blur, "area", 0.0, rate) for blur in (0.4, 1.2, 2.0) for rate in (None, 28.0)]

    def distance(one: Tensor, other: Tensor) -> Tensor:
        return (one - other).abs().mean((1, 2, 3))

    for right in tried:
        shown = nearness.cases(AsBasic(right), find_clips(clips)[:2])
        found = {basic: nearness.nearness(str(basic), basic, shown, distance) for basic in tried}
        assert max(found, key=lambda basic: found[basic].psnr_y) == right
        assert found[right].psnr_y == 100
        assert found[right].lpips == 0


def test_as_many_settings_are_tried_as_it_says() -> None:
    tried = list(nearness.basics())

    assert len(set(tried)) == len(tried) == 11 * 2 * 2 * 5
    assert str(tried[0]) == "blur 0.2, area, noise 0"
    assert str(tried[-1]) == "blur 3, bicubic, noise 4, crf 33"


def test_each_scene_is_measured_against_its_own_hq_frame(clips: Path, tmp_path: Path) -> None:
    """Pseudo-HQ that is HQ at one factor, and something else at the others."""
    shown = find_clips(clips)[:2]
    for first in (3, 20):  # one in each clip
        number = first + factors.FRAMES - 1
        right = episodes.whole(shown[number // 17])[number % 17].float() / 255
        half = nearness.scaled_down(right[None], 2, "area")[0]
        scene = folder.scenes(tmp_path) / f"{first:06}"
        scene.mkdir(parents=True)
        for factor in FACTORS:
            picture = half if factor == 0.5 else 1 - half
            levels = (255 * picture).round().byte().permute(1, 2, 0).contiguous().numpy()
            Image.fromarray(levels).save(scene / f"x{factor:.1f}.png")

    found = factors.factors(tmp_path, shown, lambda one, other: (one - other).abs().mean())

    best = max(found, key=lambda each: each.psnr_y)
    assert best.factor == 0.5
    assert best.psnr_y > 55  # rounded to 8 bits
    assert all(each.psnr_y < 30 for each in found if each is not best)


def test_the_runs_are_those_that_the_trainer_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    base = changed(preset("vsr-l1", "paper"), runs.BASE)
    operator = changed(operator_preset("lbo-l1", "paper"), runs.OPERATOR)

    assert base.degradation == preset("vsr-l1", "paper").degradation  # basic operators only
    assert not base.lbo_pool
    assert operator.operator.halves
    started: list[list[str]] = []
    monkeypatch.setattr(runs, "subprocess", SimpleNamespace(run=lambda command, check: started.append(command[3:])))
    runs.base(tmp_path, runs.QUICK)
    runs.operator(tmp_path, tmp_path / "tape.mkv", ())
    assert [command[0] for command in started] == ["vsr-l1", "lbo", "lbo"]
    assert all(str(tmp_path / "lbo-tape") in command for command in started[1:])
