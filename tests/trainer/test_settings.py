"""Settings: assignments, and errors that name the setting, its value and the remedy."""

from __future__ import annotations

import pytest

from trainer.degradation.settings import PRESETS, Degradation
from trainer.errors import SettingError
from trainer.settings import override

PAPER = PRESETS["paper"]


def test_assignments_change_these_settings_and_no_others() -> None:
    new = override(PAPER, ["noise.sigma=[1,2.5]", "down.factors=[4]", "codec.names.mpeg2=2", "down.lbo_mode=replace"])

    assert (new.noise.sigma, new.down.factors, new.codec.names.mpeg2) == ((1, 2.5), (4,), 2)
    assert new.down.lbo_mode == "replace"
    assert (
        override(new, ["noise.sigma=[0,10]", "down.factors=[2,2]", "codec.names.mpeg2=0", "down.lbo_mode=after_down"])
        == PAPER
    )
    assert override(PAPER, ["noise.grey=1", "noise.grey=0"]).noise.grey == 0  # the last one counts


def test_settings_are_read_back_from_json() -> None:
    for settings in (PRESETS["paper"], PRESETS["release"]):
        assert Degradation.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("noise.sigmma=[0,1]", "'noise.sigmma' is not a setting; did you mean 'noise.sigma'?"),
        ("nois.sigma=[0,1]", "'nois' is not a setting; did you mean 'noise'?"),
        ("codec.names.h265=1", "'codec.names.h265' is not a setting; did you mean 'codec.names.h264'?"),
        ("codec.crf.low=1", "'codec.crf' is not a setting"),
        ("zzz=1", "'zzz' is not a setting; there are blur, noise, down, analogue, codec"),
        ("noise.sigma", "'noise.sigma' is not name=value"),
        ("=3", "'=3' is not name=value"),
        ("noise.grey=2", r"noise\.grey=2 is refused: .*less than or equal to 1"),
        ("noise.grey=often", r'noise\.grey="often" is refused'),
        ("noise.grey=true", r"noise\.grey=true is refused"),
        ("noise.frozen_grey=1", r"noise\.frozen_grey=1 is refused: .*boolean"),
        ("noise.sigma=[5,3]", r"noise\.sigma=\[5, 3\] is refused: .*write the smaller one first"),
        ("noise.sigma=[-1,3]", r"noise\.sigma\.0=-1 is refused"),
        ("noise.sigma=[0,1,2]", r"noise\.sigma=\[0, 1, 2\] is refused"),
        ("noise.sigma=[0,NaN]", r"noise\.sigma\.1=NaN is refused"),
        ("noise.sigma=[0,Infinity]", r"noise\.sigma\.1=Infinity is refused"),
        ("blur.sigma=[0,3]", r"blur\.sigma=\[0, 3\] is refused: .*begin above it"),
        ("down.factors=[2]", r"down\.factors=\[2\] is refused: .*divide by 2, and must divide by 4"),
        ("down.factors=[3]", r"down\.factors\.0=3 is refused"),
        ("down.modes.area=-1", r"down\.modes\.area=-1 is refused"),
        ("blur=1", "blur=1 is refused"),
        ("down.lbo_mode=before", r'down\.lbo_mode="before" is refused: .*after_down'),
    ],
)
def test_wrong_assignments_are_refused(assignment: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        override(PAPER, [assignment])


def test_alternatives_cannot_all_have_a_share_of_0() -> None:
    with pytest.raises(SettingError, match=r"down\.modes=.* is refused: .*all of them are 0; give one more"):
        override(PAPER, [f"down.modes.{name}=0" for name in ("area", "bilinear", "bicubic")])


def test_an_operator_that_replaces_a_stage_needs_factors_of_2() -> None:
    with pytest.raises(SettingError, match=r"down=.* is refused: .*divides by 2: set down\.factors=\[2,2\]"):
        override(PRESETS["release"], ["down.lbo=0.5"])
    assert override(PRESETS["release"], ["down.lbo=0.5", "down.factors=[2,2]"]).down.lbo == 0.5


def test_the_presets_have_the_numbers_of_the_paper_and_the_release() -> None:
    """docs/paper-and-release.md, 2.2 and 2.3."""
    for settings in (PRESETS["paper"], PRESETS["release"]):
        blur, noise, codec = settings.blur, settings.noise, settings.codec
        assert (blur.isotropic, blur.sigma, blur.sigma_x, blur.sigma_y) == (0.7, (0.2, 4), (0.2, 4), (0.8, 3))
        assert (noise.sigma, noise.grey, noise.frozen_grey) == ((0, 10), 0.5, False)
        assert (codec.crf, codec.profiles.shares) == ((18, 35), {"baseline": 0.1, "main": 0.2, "high": 0.7})
        assert codec.names.shares == {"h264": 1, "mpeg2": 0, "mpeg4": 0}
        assert not codec.swapped
        assert settings.down.lbo == 0
        analogue = settings.analogue
        assert analogue.chroma_bleed == analogue.dot_crawl == analogue.halo == analogue.interlace == 0
    paper, release = PRESETS["paper"].down, PRESETS["release"].down
    assert (paper.factors, len(set(paper.modes.shares.values()))) == ((2, 2), 1)
    assert (release.factors, release.modes.shares) == ((4,), {"area": 0.3, "bilinear": 0.3, "bicubic": 0.4})
    assert (PRESETS["paper"].codec.truncated, PRESETS["release"].codec.truncated) == (False, True)
