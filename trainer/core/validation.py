"""Validation: scores of the network while it trains, its best step, and an end when it no longer improves."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field
from torch import nn

from ..origin import Origin
from ..settings import Settings
from .checkpoints import State
from .config import Count

_log = logging.getLogger(__name__)

type Scores = dict[str, float]

PSNR, LPIPS, FLICKER, TEACHER_PSNR = "val_psnr_y", "val_lpips", "val_flicker", "val_teacher_psnr"
"""Names of scores, in metrics.csv too. The last is the PSNR of R, G, B to a teacher's frames."""
RISING = {PSNR, TEACHER_PSNR}
"""Scores of which a higher one is better."""


class Validation(Settings):
    """Scores on a held-out part of the HQ clips, which is never trained on: PSNR-Y, LPIPS and flicker.

    The part is degraded once, like samples. `metrics.csv` has the scores, before the first step too. The weights of the
    best step are kept, and are what a run's folder stands for: for export, evaluation and start=.
    """

    every: Annotated[int, Field(ge=0)] = 0
    """Steps between two scorings. They divide `steps`. 0: nothing is held out, and nothing is scored."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Number of scorings in a row that are no better than the best one, after which the run ends. 0: it has all its
    steps."""
    criterion: Literal["auto", "psnr_y", "lpips"] = "auto"
    """The score that decides. `auto`: LPIPS with a perceptual or GAN loss, else PSNR-Y; of a student, the PSNR to its
    teacher's frames."""
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Share of the clips to hold out. Of less than five clips, the end of each is held out instead."""
    windows: Count = 8
    """Number of windows that are scored, spread over the held-out part."""
    frames: Annotated[int, Field(ge=2, le=1000)] = 12
    """Largest number of frames of a window."""
    size: Annotated[int, Field(ge=64, multiple_of=16)] = 384
    """Largest height and width of a window in HQ pixels."""


class Scorer(Protocol):
    """Scores a network on what it does not learn from."""

    @property
    def criterion(self) -> str | None:
        """Name of the score that decides; None if none should."""
        ...

    def check(self) -> None:
        """Check that everything for scores is there.

        Raises:
            TrainerError: something is missing, or cannot be used.
        """
        ...

    def sources(self) -> Origin:
        """Return what scores are made of, by content."""
        ...

    def score(self, network: nn.Module) -> Scores:
        """Score a network for clips, (batch, frames, 3, height, width). No random number is drawn from a generator that
        training uses."""
        ...


class Validator:
    """Scores when it is due, remembers the best step with its weights, and says when the run has to end.

    Args:
        scorer: the scorer of the process that writes; None in the others.
        share: hands a value of the process that writes to all of them.
    """

    def __init__(
        self, settings: Validation, scorer: Scorer | None, share: Callable[[Any], Any] = lambda value: value
    ) -> None:
        self.ended = False
        self.best: State = {}
        """Step, score, `network` and `ema` of the best step; empty before the first scoring or without a criterion."""
        self._settings = settings
        self._scorer = scorer
        self._share = share
        self._misses = 0

    def is_due(self, step: int) -> bool:
        """Return whether a step is scored."""
        return step % self._settings.every == 0

    def score(self, step: int, network: nn.Module, weights: Callable[[], State]) -> Scores:
        """Score a step. All processes call it at the same step.

        Args:
            network: the network for clips.
            weights: returns `network` and `ema`, which are copied if this is the best step.
        """
        scores: Scores = {}
        if self._scorer:
            scores = self._scorer.score(network)
            self._note(step, scores, self._scorer.criterion, weights)
        self.ended = self._share(self.ended)
        return scores

    def _note(self, step: int, scores: Scores, criterion: str | None, weights: Callable[[], State]) -> None:
        if criterion is None:
            return
        sign = 1 if criterion in RISING else -1
        score = scores[criterion]
        if not self.best or sign * score > sign * self.best["score"]:
            self.best = {"step": step, "score": score, **copy.deepcopy(weights())}
            self._misses = 0
            return
        self._misses += 1
        self.ended = 0 < self._settings.patience <= self._misses
        if self.ended:
            _log.info(
                "no better %s since step %d (%.4g), in %d scorings: the run ends after step %d",
                *(criterion, self.best["step"], self.best["score"], self._misses, step),
            )

    def state_dict(self) -> State:
        return {"best": self.best, "misses": self._misses, "ended": self.ended}

    def load_state_dict(self, state: State) -> None:
        self.best, self._misses, self.ended = state["best"], state["misses"], state["ended"]
