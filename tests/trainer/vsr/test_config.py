"""Presets have the numbers of docs/paper-and-release.md, and wrong settings are refused."""

from __future__ import annotations

import pytest

from trainer.core.config import PRESETS, SHORT_RUN, Optimiser, lasting
from trainer.degradation.settings import PRESETS as DEGRADATIONS
from trainer.errors import SettingError
from trainer.settings import override
from trainer.vsr.config import STAGES, VSRConfig, configure, distil_preset, preset


@pytest.mark.parametrize("name", ["paper", "release"])
def test_both_stages_have_the_numbers_of_the_paper(name: str) -> None:
    """docs/paper-and-release.md, 4.1."""
    first, second = (preset(stage, name) for stage in STAGES[:2])

    for stage in (first, second):
        assert (stage.steps, stage.batch, stage.seed, stage.ema) == (300_000, 4, 0, 0.999)
        assert (stage.sampling.frames, stage.sampling.size, stage.sampling.strides) == (15, 256, (1, 2, 3))
        assert (stage.network.features, stage.network.blocks, stage.network.multi_scale) == (64, (5, 3, 2), True)
        assert (stage.optimiser.betas, stage.optimiser.schedule) == ((0.9, 0.99), "constant")
        assert stage.degradation == DEGRADATIONS[name]
    assert (first.optimiser.rate, second.optimiser.rate, second.optimiser.discriminator_rate) == (2e-4, 1e-4, 1e-4)
    assert (first.losses.l1, first.losses.perceptual.weight, first.losses.gan) == (1, 0, 0)
    assert (second.losses.l1, second.losses.perceptual.weight, second.losses.gan) == (1, 1, 1)
    assert (second.discriminator.features, second.discriminator.layers) == (64, (3, 3, 3))


@pytest.mark.parametrize(
    ("name", "stage", "assignments", "weights"),
    [
        ("paper", "vsr-gan", (), (1, 1)),
        ("finetune", "vsr-final", (), (0.02, 0.1)),
        ("paper", "vsr-gan", (f"steps={SHORT_RUN}",), (0.02, 0.1)),
        ("finetune", "vsr-gan", (f"steps={SHORT_RUN + 500}",), (1, 1)),
        ("paper", "vsr-gan", ("steps=500", "losses.gan=1"), (0.02, 1)),
        ("paper", "vsr-gan", ("losses.perceptual.weight=0.02", "steps=500"), (0.02, 0.1)),
        ("release", "vsr-final", ("losses.perceptual.weight=0.5", "losses.gan=0.6", "steps=500"), (0.5, 0.6)),
        ("paper", "vsr-l1", ("steps=500",), (0, 0)),
        ("finetune", "vsr-l1", (), (0, 0)),
        ("debug", "vsr-gan", (), (0, 1)),
    ],
)
def test_short_runs_have_their_own_weights_unless_the_user_gives_some(
    name: str, stage: str, assignments: tuple[str, ...], weights: tuple[float, float], caplog: pytest.LogCaptureFixture
) -> None:
    """docs/reports/learning.md."""
    with caplog.at_level("INFO"):
        settings = configure(preset(stage, name), assignments)

    assert (settings.losses.perceptual.weight, settings.losses.gan) == weights
    names = {"losses.perceptual.weight", "losses.gan"} if all(weights) else set()
    for each in names:
        assert (f"{each}=" in caplog.text) != any(text.startswith(each) for text in assignments)


def test_the_settings_of_a_preset_that_is_printed_are_those_that_are_taken() -> None:
    for stage in STAGES:
        for name in PRESETS:
            assert configure(preset(stage, name), ()) == preset(stage, name)


def test_only_the_release_sharpens_and_only_in_its_first_stage() -> None:
    assert [(stage, name) for stage in STAGES for name in PRESETS if preset(stage, name).losses.sharpen] == [
        ("vsr-l1", "release")
    ]


def test_a_misspelt_preset_gets_a_suggestion() -> None:
    with pytest.raises(SettingError, match="'papper' is not a preset; did you mean 'paper'"):
        preset("vsr-l1", "papper")
    with pytest.raises(SettingError, match="there are finetune, paper, release, debug"):
        preset("vsr-l1", "zzz")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("optimizer.rate=1", "did you mean 'optimiser'"),
        ("optimiser.rat=1", "did you mean 'optimiser.rate'"),
        ("optimiser.rate=0", "optimiser.rate=0"),
        ("batch=2.5", "batch=2.5"),
        ("batch=two", 'batch="two"'),
        ("precision=bf32", "'fp32', 'bf16' or 'fp16'"),
        ("network.blocks=[2,3,1]", r"use for example \[5, 3, 2\]"),
        ("network.blocks=[2,1]", "network.blocks"),
        ("network.fusion=0", "network.fusion"),
        ("network.fusion=1.5", "network.fusion"),
        ("ema=1", "ema=1"),
        ("records.keep=0", "records.keep=0"),
    ],
)
def test_wrong_assignments_are_refused(assignment: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        override(preset("vsr-gan", "paper"), [assignment])


def test_frames_too_small_for_a_loss_are_refused_before_training() -> None:
    with pytest.raises(SettingError, match=r"sampling.size=88 is too small for discriminator.layers; set at least 96"):
        override(preset("vsr-gan", "paper"), ["sampling.size=88"])
    with pytest.raises(SettingError, match=r"sampling.size=24 is too small for losses.sharpen=true"):
        override(preset("vsr-l1", "release"), ["sampling.size=24"])
    assert override(preset("vsr-l1", "paper"), ["sampling.size=24"]).sampling.size == 24


def test_a_cosine_goes_from_the_full_rate_to_zero() -> None:
    shares = [Optimiser(schedule="cosine").rate_factor(step, 100) for step in range(101)]

    assert shares[0] == 1
    assert shares[50] == pytest.approx(0.5)
    assert shares[100] == pytest.approx(0)
    assert shares == sorted(shares, reverse=True)
    assert {Optimiser().rate_factor(step, 100) for step in range(101)} == {1.0}


def test_the_rate_rises_in_the_warm_up_and_then_follows_the_schedule() -> None:
    def rates(**values: object) -> list[float]:
        return [Optimiser.model_validate(values).rate_factor(step, 8) for step in range(8)]

    assert rates(warm_up=3) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert rates(warm_up=3, schedule="halved") == [0.25, 0.5, 0.75, 1, 0.5, 0.5, 0.5, 0.5]
    assert rates(warm_up=3, schedule="cosine")[3:] == rates(schedule="cosine")[3:]


def test_settings_are_read_back_from_json() -> None:
    settings = override(preset("vsr-gan", "release"), ["network.features=12", "start=v2"])

    assert VSRConfig.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("assignment", "data"),
    [
        ("data=2024", "2024"),
        ("data=true", "true"),
        ("data=[1,2]", "[1,2]"),
        ('data="2024"', "2024"),
        ("data=a=b", "a=b"),
        ("data=", ""),
    ],
)
def test_a_text_setting_keeps_its_text(assignment: str, data: str) -> None:
    assert override(preset("vsr-l1", "paper"), [assignment]).data == data


@pytest.mark.parametrize(
    ("name", "advised"), [("paper", "1, which fits .*=after_down"), ("release", "0.5, .*=replace")]
)
def test_the_advised_share_of_a_pool_fits_its_mode(name: str, advised: str) -> None:
    with pytest.raises(SettingError, match=rf"degradation\.down\.lbo=0 never uses it; set that to {advised}"):
        override(preset("vsr-l1", name), ["lbo_pool=[a]"])


def test_workers_are_a_number_or_auto() -> None:
    for name in ("paper", "debug"):  # the one has text as default, the other a number
        for value in (0, 12, "auto"):
            settings = override(preset("vsr-l1", name), [f"workers={value}"])
            assert settings.workers == value
            assert VSRConfig.model_validate_json(settings.model_dump_json()) == settings
        for wrong in ("-1", "257", "1.5", "all", "true"):
            with pytest.raises(SettingError, match=r"workers=.* is refused: .*write auto, or a number from 0 to 256"):
                override(preset("vsr-l1", name), [f"workers={wrong}"])


def test_the_width_of_the_fusion_is_part_of_the_network_and_of_what_a_run_names() -> None:
    base = override(preset("vsr-l1", "paper"), ["network.features=12"])
    narrow, usual = (override(base, [f"network.fusion={count}"]) for count in (20, 120))

    assert narrow.build_network().recurrent_cell.fusion[0].out_channels == 20
    assert lasting(narrow)["network.fusion"] == "20"
    assert lasting(narrow) != lasting(base)
    assert (usual, lasting(usual)["network.fusion"]) == (base, "null")  # the same network, so the same run


SWITCHES = ("sampling.sharpen_lines=true", "degradation.codec.intra.probability=0.5")
"""What research since the paper has added."""


def test_switches_are_off_in_all_presets() -> None:
    for stage in STAGES:
        for name in PRESETS:
            settings = preset(stage, name)
            assert not settings.sampling.sharpen_lines
            assert settings.degradation.codec.intra.probability == 0
    assert all(each.codec.intra.probability == 0 for each in DEGRADATIONS.values())


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_run_does_not_go_on_with_a_switch_turned(switch: str) -> None:
    off, on = lasting(preset("vsr-l1", "paper")), lasting(override(preset("vsr-l1", "paper"), [switch]))

    assert [name for name in on if on[name] != off[name]] == [switch.partition("=")[0]]


def test_a_student_takes_no_sharpened_lines() -> None:
    with pytest.raises(SettingError, match=r"set losses.gan=0 losses.sharpen=false sampling.sharpen_lines=false"):
        override(distil_preset("v2", "fast"), ["sampling.sharpen_lines=true"])
