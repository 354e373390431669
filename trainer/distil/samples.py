"""What a student learns on and is scored on: clips that are degraded in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.random import SeedSequence
from torch import Tensor

from vsanimesr.network.torch_network import AnimeSR

from ..core.validation import TEACHER_PSNR, Scores
from ..data.clips import Clip
from ..data.samples import Position
from ..degradation.settings import PRESETS, Degradation
from ..losses.metrics import psnr
from ..vsr.config import DistilConfig
from ..vsr.dataset import DegradedClips
from ..vsr.recurrence import Recurrence
from ..vsr.scorer import HeldOutScorer

_MIX_KEY = 3
"""Key of the seeds that choose a kind of degradation. Those of samples, operators and scores are others."""


def degradations(settings: DistilConfig) -> dict[str, tuple[float, Degradation]]:
    """Return the kinds of degradation that are used, by name, with their shares."""
    shares = settings.distillation.mix.shares
    total = sum(shares.values())
    kinds = {"own": settings.degradation, **{name: PRESETS[name] for name in shares if name != "own"}}
    return {name: (share / total, kinds[name]) for name, share in shares.items() if share}


class MixedClips(DegradedClips):
    """Samples, each of which is degraded in one of several ways.

    Args:
        settings: of the run.
    """

    def __init__(self, clips: Sequence[Clip], settings: DistilConfig) -> None:
        super().__init__(clips, settings.sampling, settings.degradation, settings.seed)
        self._shares, self._kinds = zip(*degradations(settings).values(), strict=True)

    def _degradation_of(self, position: Position) -> Degradation:
        generator = np.random.default_rng(SeedSequence((self._seed, *position), spawn_key=(_MIX_KEY,)))
        kind: Degradation = self._kinds[int(generator.choice(len(self._kinds), p=self._shares))]
        return kind


class TeacherScorer(HeldOutScorer):
    """Scores a student on held-out clips, also by how near it is to its teacher.

    Windows are degraded in all ways in turn.

    Args:
        teacher: its network.
    """

    def __init__(self, settings: DistilConfig, clips: Sequence[Clip], teacher: AnimeSR) -> None:
        super().__init__(settings, clips, ())
        self._kinds = [kind for _, kind in degradations(settings).values()]
        self._teacher = Recurrence(teacher)

    @cached_property
    def criterion(self) -> str | None:
        """The likeness to the teacher, or what the settings say."""
        return TEACHER_PSNR if self._settings.validation.criterion == "auto" else super().criterion

    def degradation_of(self, number: int) -> Degradation:
        return self._kinds[number % len(self._kinds)]

    def own_scores(self, number: int, sr: Tensor) -> Scores:
        """Return the PSNR of a window to the teacher's frames."""
        return {TEACHER_PSNR: float(psnr(sr.cpu(), self._expected[number].float()).mean())}

    @cached_property
    def _expected(self) -> list[Tensor]:
        """The teacher's frames of each window, float16 in [0, 1]."""
        device = next(self._teacher.parameters()).device
        return [self._teacher(each.lr[None].to(device))[0].clamp(0, 1).half().cpu() for each in self._scenes]
