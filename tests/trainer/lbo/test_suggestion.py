"""The suggested factor: waves beside edges, and how sure a suggestion is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scripts.studies.repairing.synthetic_faults import add_ringing
from trainer.data.uint8 import to_float, to_uint8
from trainer.degradation.blur import blur
from trainer.lbo.factor import Suggestion
from trainer.lbo.rescaling import FACTORS
from trainer.lbo.scenes import Scene
from trainer.lbo.suggestion import decide, measure_waves, suggest_factor

type MakeScene = Callable[..., Scene]


def shapes(seed: int, *, softness: float = 0.5, ringing: float = 0.0) -> Image.Image:
    """Draw an LQ picture of flat rectangles, blur it, and add waves to the right of edges."""
    generator = np.random.default_rng(seed)
    picture = np.full((96, 128, 3), 120, np.uint8)
    for n in range(10):
        x, y = generator.integers(0, (110, 80))
        width, height = generator.integers(15, 40, 2)
        picture[y : y + height, x : x + width] = (20, 230)[n % 2]
    clip = add_ringing(blur(to_float(picture[None]), softness, softness, 0), ringing, period=3.0)
    return Image.fromarray(to_uint8(clip)[0])


def rescaled(seed: int, ringing: float = 0.0) -> dict[float, Image.Image]:
    """Draw pseudo-HQ at each factor: the smaller it is, the softer. Waves are in the larger half only."""
    pictures = {f: shapes(seed, softness=0.4 / f, ringing=ringing if f > 0.65 else 0) for f in FACTORS}
    return {f: picture.resize((256, 192), Image.Resampling.LANCZOS) for f, picture in pictures.items()}


@pytest.fixture
def make_scene(tmp_path: Path) -> MakeScene:
    def make(seed: int, *, softness: float = 0.5, ringing: float = 0.0) -> Scene:
        name = f"{seed}-{softness}-{ringing}"
        scene = Scene(name, tmp_path / f"{name}.png", {f: tmp_path / f"{name}-{f}.png" for f in FACTORS})
        shapes(seed, softness=softness).save(scene.lq)
        for factor, picture in rescaled(seed, ringing).items():
            picture.save(scene.pseudo_hq[factor])
        return scene

    return make


def test_what_fades_beside_edges_is_a_wave() -> None:
    plain = [measure_waves(rescaled(seed)) or 0 for seed in range(4)]
    waves = [measure_waves(rescaled(seed, 2.0)) or 0 for seed in range(4)]

    assert max(plain) < 0.35 < 0.9 < min(waves)
    assert measure_waves(dict.fromkeys(FACTORS, Image.new("RGB", (64, 64), "grey"))) is None


def test_without_edges_nothing_is_sure(tmp_path: Path, make_scene: MakeScene) -> None:
    file = tmp_path / "grey.png"
    Image.new("RGB", (64, 64), "grey").save(file)
    grey = Scene("grey", file, dict.fromkeys(FACTORS, file))

    unsure = Suggestion(factor=0.8, confidence="low", runner_up=0.6, about_as_good=(0.6, 1.0))
    assert suggest_factor([grey, grey]) == suggest_factor([grey, make_scene(0)]) == unsure
    assert suggest_factor([grey, make_scene(0), make_scene(3)]).confidence == "high"


def test_waves_need_a_small_factor_and_nothing_else_does(make_scene: MakeScene) -> None:
    plain = suggest_factor([make_scene(seed) for seed in range(4)])
    waves = suggest_factor([make_scene(seed, ringing=2.0) for seed in range(4)])

    assert plain == Suggestion(factor=1, confidence="high", runner_up=0.9, about_as_good=(1, 1))
    assert waves == Suggestion(factor=0.6, confidence="high", runner_up=0.7, about_as_good=(0.6, 0.6))


def test_scenes_that_disagree_lower_the_confidence(make_scene: MakeScene) -> None:
    plain, waves = ([make_scene(seed, ringing=ringing) for seed in range(4)] for ringing in (0.0, 2.0))
    mixed = [suggest_factor([*waves[:count], *plain[count:]]) for count in range(5)]

    assert (mixed[0].confidence, mixed[-1].confidence) == ("high", "high")
    assert {"medium", "low"} & {each.confidence for each in mixed[1:-1]}
    assert mixed[2].factor == 0.6  # half of the scenes are enough: detail hides waves in others
    assert [each.factor for each in mixed] == sorted((each.factor for each in mixed), reverse=True)
    assert suggest_factor([*plain[:2], *waves[2:]]) == suggest_factor([*plain[:2], *waves[2:]])  # the same every time


@given(st.floats(0, 1))
def test_a_suggestion_lies_within_what_may_be_as_good(waves: float) -> None:
    suggestion = decide(waves)

    low, high = suggestion.about_as_good
    assert {suggestion.factor, suggestion.runner_up, low, high} <= set(FACTORS)
    assert low <= suggestion.factor <= high
    assert (suggestion.confidence == "high") == (low == high)
    assert suggestion.runner_up != suggestion.factor


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_waves_never_raise_the_factor(a: float, b: float) -> None:
    assert decide(max(a, b)).factor <= decide(min(a, b)).factor
