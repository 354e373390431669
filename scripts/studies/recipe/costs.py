"""How long jobs take on an idle machine of two cores without AVX-512, with the full reductions.

Steps were measured in seconds of one core, on a busy machine; two cores take 0.6 of that. The rest is estimated. The
study corrects all of it by the runs that it has done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .reductions import FULL, Reductions

MULTI_STEP, SINGLE_STEP = 0.25, 0.28
FINAL_STEP, WIDE_FINAL_STEP = 0.95, 1.0
L1_OPERATOR_STEP, GAN_OPERATOR_STEP = 0.04, 0.5
WIDE_L1_OPERATOR_STEP, WIDE_GAN_OPERATOR_STEP = 0.08, 0.55
NN_ONLY_STEP = 0.3
PAIRS, FACTORS, SCORE, START = 60, 240, 60, 20
"""Pairs of an episode with its scenes at each factor; the best factors; the scores of a network; a command itself."""


@dataclass(frozen=True)
class Costs:
    """Seconds that jobs take."""

    reductions: Reductions

    @property
    def final(self) -> float:
        return START + _steps(self.reductions.final) * FINAL_STEP

    @property
    def operator(self) -> float:
        steps = _steps(self.reductions.operator)
        return START + PAIRS + steps * (L1_OPERATOR_STEP + GAN_OPERATOR_STEP)

    @property
    def nn_only(self) -> float:
        return START + self.reductions.nn_only_steps * NN_ONLY_STEP

    @property
    def factors(self) -> float:
        return FACTORS * self.reductions.scenes / FULL.scenes

    @property
    def score(self) -> float:
        return SCORE

    def recipe(self, episodes: int) -> float:
        """Return the time of a recipe with narrow operators."""
        return episodes * self.operator + self.final

    def wide_recipe(self, episodes: int) -> float:
        """Return the time of a recipe with wide operators."""
        operator = PAIRS + _steps(self.reductions.operator) * (WIDE_L1_OPERATOR_STEP + WIDE_GAN_OPERATOR_STEP)
        return START + episodes * operator + _steps(self.reductions.final) * WIDE_FINAL_STEP

    def scale(self, single: bool) -> float:
        """Return the time of a network that is trained by L1 only."""
        return START + _steps(self.reductions.base) * (SINGLE_STEP if single else MULTI_STEP)


def _steps(settings: Sequence[str]) -> int:
    return int(dict(text.split("=", 1) for text in settings)["steps"])
