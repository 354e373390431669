"""Presets by the paper's and the facts' numbers, and what is refused."""

from __future__ import annotations

import pytest

from trainer.degradation.settings import PRESETS as DEGRADATIONS
from trainer.errors import SettingError
from trainer.settings import changed
from trainer.stages import PRESETS, STAGES, Optimiser, Training, preset


@pytest.mark.parametrize("name", ["paper", "release"])
def test_the_numbers_of_both_stages(name: str) -> None:
    """Facts 4.1."""
    first, second = (preset(stage, name) for stage in STAGES[:2])

    for stage in (first, second):
        assert (stage.steps, stage.batch, stage.seed, stage.average) == (300_000, 4, 0, 0.999)
        assert (stage.sampling.frames, stage.sampling.size, stage.sampling.strides) == (15, 256, (1, 2, 3))
        assert (stage.network.features, stage.network.blocks, stage.network.multi_scale) == (64, (5, 3, 2), True)
        assert (stage.optimiser.betas, stage.optimiser.schedule) == ((0.9, 0.99), "constant")
        assert stage.degradation == DEGRADATIONS[name]
    assert (first.optimiser.rate, second.optimiser.rate, second.optimiser.discriminator_rate) == (2e-4, 1e-4, 1e-4)
    assert (first.losses.l1, first.losses.perceptual.weight, first.losses.gan) == (1, 0, 0)
    assert (second.losses.l1, second.losses.perceptual.weight, second.losses.gan) == (1, 1, 1)
    assert (second.discriminator.features, second.discriminator.layers) == (64, (3, 3, 3))


def test_only_the_release_sharpens_and_only_in_its_first_stage() -> None:
    assert [(stage, name) for stage in STAGES for name in PRESETS if preset(stage, name).losses.sharpened] == [
        ("vsr-l1", "release")
    ]


def test_a_preset_s_near_name_is_told() -> None:
    with pytest.raises(SettingError, match="'papper' is not a preset; did you mean 'paper'"):
        preset("vsr-l1", "papper")
    with pytest.raises(SettingError, match="there are paper, release, debug"):
        preset("vsr-l1", "zzz")


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("optimizer.rate=1", "did you mean 'optimiser'"),
        ("optimiser.rat=1", "did you mean 'optimiser.rate'"),
        ("optimiser.rate=0", "optimiser.rate=0"),
        ("batch=2.5", "batch=2.5"),
        ("batch=two", 'batch="two"'),
        ("precision=bf32", "'fp32', 'bf16' or 'fp16'"),
        ("network.blocks=[2,3,1]", r"use for example \[5, 3, 2\]"),
        ("network.blocks=[2,1]", "network.blocks"),
        ("average=1", "average=1"),
        ("records.keep=0", "records.keep=0"),
    ],
)
def test_what_is_wrong_is_named(assignment: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        changed(preset("vsr-gan", "paper"), [assignment])


def test_frames_too_small_for_a_loss_are_refused_before_training() -> None:
    with pytest.raises(SettingError, match=r"sampling.size=88 is too small for discriminator.layers; set at least 96"):
        changed(preset("vsr-gan", "paper"), ["sampling.size=88"])
    with pytest.raises(SettingError, match=r"sampling.size=24 is too small for losses.sharpened=true"):
        changed(preset("vsr-l1", "release"), ["sampling.size=24"])
    assert changed(preset("vsr-l1", "paper"), ["sampling.size=24"]).sampling.size == 24


def test_a_cosine_goes_from_the_rate_to_nothing() -> None:
    shares = [Optimiser(schedule="cosine").share_at(step, 100) for step in range(101)]

    assert shares[0] == 1
    assert shares[50] == pytest.approx(0.5)
    assert shares[100] == pytest.approx(0)
    assert shares == sorted(shares, reverse=True)
    assert {Optimiser().share_at(step, 100) for step in range(101)} == {1.0}


def test_settings_come_back_from_their_text() -> None:
    settings = changed(preset("vsr-gan", "release"), ["network.features=12", "start=v2"])

    assert Training.model_validate_json(settings.model_dump_json()) == settings
