"""`python -m trainer settings`: every setting has a text, and what is printed can be typed."""

from __future__ import annotations

import pytest

from trainer.cli import main
from trainer.core.config import PRESETS
from trainer.lbo import config as lbo_config
from trainer.settings import Settings, describe, override
from trainer.vsr import config as vsr_config

STAGES = [
    *((vsr_config, stage, preset) for stage in vsr_config.STAGES for preset in PRESETS),
    *((lbo_config, stage, preset) for stage in lbo_config.STAGES for preset in PRESETS),
]


@pytest.fixture(params=STAGES, ids=lambda each: f"{each[1]} {each[2]}")
def settings(request: pytest.FixtureRequest) -> Settings:
    module, stage, preset = request.param
    found: Settings = module.preset(stage, preset)
    return found


def test_every_setting_and_every_group_has_a_text(settings: Settings) -> None:
    for each in describe(settings):
        assert each.text.endswith("."), each.name
        assert each.group.endswith("."), each.name


def test_what_is_printed_can_be_typed(settings: Settings) -> None:
    assert override(settings, [f"{each.name}={each.value}" for each in describe(settings)]) == settings


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["settings", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def names(lines: list[str]) -> list[str]:
    return [line.strip().partition("=")[0] for line in lines if line.startswith("    ") and line[4] != " "]


def test_all_settings_are_listed_with_the_values_of_the_preset(capsys: pytest.CaptureFixture[str]) -> None:
    for preset in PRESETS:
        for stage in ("vsr-final", "lbo-l1"):
            module = vsr_config if stage == "vsr-final" else lbo_config
            described = list(describe(module.preset(stage, preset)))

            lines = printed(capsys, preset, "--stage", stage)

            assert lines[0] == f"Settings of {stage}, preset {preset}"
            assert names(lines) == [each.name for each in described]
            assert {f"    {each.name}={each.value}" for each in described} <= set(lines)


def test_the_stage_is_vsr_l1_and_the_preset_paper_unless_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "    losses.sharpen=false" in printed(capsys)
    assert "    losses.sharpen=true" in printed(capsys, "release", "sharpen")


def test_a_pattern_is_part_of_a_name_or_of_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert names(printed(capsys, "sampling")) == [
        f"sampling.{name}" for name in ("frames", "strides", "size", "zoom", "reverse", "flip", "sharpen_lines")
    ]
    assert names(printed(capsys, "torch.COMPILE")) == ["compile"]
    assert "One of: fp32, bf16, fp16." in " ".join(" ".join(printed(capsys, "precision")).split())


def test_a_pattern_without_a_match_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["optimser"], "no setting of vsr-l1 contains 'optimser'; did you mean 'optimiser'?"),
        (["papper"], "no setting of vsr-l1 contains 'papper'; did you mean 'paper'?"),
        (["zzzzz"], "no setting of vsr-l1 contains 'zzzzz'; leave the pattern out to list all settings"),
        (["papper", "rate"], "'papper' is not a preset; did you mean 'paper'?"),
    ):
        assert main(["settings", *arguments]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = printed(capsys)

    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) > width - 10


@pytest.mark.parametrize("command", [[], ["vsr-l1"], ["vsr-gan"], ["vsr-final"], ["lbo", "train"], ["recipe"]])
def test_help_names_the_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--help"])

    assert "trainer settings" in " ".join(capsys.readouterr().out.split())
