"""Presets of the training of operators."""

from __future__ import annotations

from trainer.lbo.config import STAGES, OperatorConfig, preset


def test_presets_have_the_numbers_of_the_paper_and_of_the_release() -> None:
    """Section 5.1 of the paper; docs/paper-and-release.md, 3.3."""
    for name in ("paper", "release"):
        first, second = (preset(stage, name) for stage in STAGES)
        assert (first.steps, first.batch, first.size) == (second.steps, second.batch, second.size) == (100_000, 16, 256)
        assert (first.optimiser.rate, second.optimiser.rate, second.optimiser.discriminator_rate) == (2e-4, 1e-4, 1e-4)
        assert (first.losses.l1, first.losses.perceptual.weight, first.losses.gan) == (1, 0, 0)
        assert (second.losses.l1, second.losses.mse, second.losses.perceptual.weight, second.losses.gan) == (1, 0, 1, 1)
    paper, release = (preset("lbo-l1", name) for name in ("paper", "release"))
    assert (paper.losses.mse, release.losses.mse) == (0, 1)
    assert (paper.discriminator.layers, release.discriminator.layers) == ((3, 3, 3), (3,))
    assert (paper.operator.halves, release.operator.halves) == (False, True)
    assert (paper.flip, release.flip) == (False, True)
    assert (paper.ema, release.ema) == (0, 0)
    assert [release.optimiser.rate_factor(step, 100) for step in (0, 49, 50, 99)] == [1, 1, 0.5, 0.5]


def test_the_stage_is_the_first_by_default() -> None:
    assert OperatorConfig().stage == "lbo-l1"
