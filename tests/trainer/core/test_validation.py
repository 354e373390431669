"""Validation: which step is the best, when a run ends, and what a checkpoint keeps of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trainer.core.validation import LPIPS, PSNR, Scores, Validation, Validator
from trainer.origin import Origin


class Planned:
    """A scorer that returns planned scores."""

    def __init__(self, scores: Sequence[float], criterion: str | None = PSNR) -> None:
        self.criterion = criterion
        self._scores = iter(scores)

    def check(self) -> None:
        pass

    def sources(self) -> Origin:
        return {}

    def score(self, network: nn.Module) -> Scores:
        value = next(self._scores)
        return {PSNR: value, LPIPS: value}


def follow(validator: Validator, count: int, first: int = 0) -> int:
    """Score up to `count` steps. Return how many were scored."""
    weights = {"network": {"w": torch.zeros(1)}, "ema": {"w": torch.zeros(1)}}
    for step in range(first, count):
        if validator.ended:
            return step
        weights["ema"]["w"].fill_(step)
        validator.score(step, nn.Identity(), lambda: weights)
    return count


@given(
    scores=st.lists(st.integers(0, 5), min_size=1, max_size=20),
    patience=st.integers(0, 4),
    cut=st.integers(0, 20),
    falling=st.booleans(),
)
def test_the_first_best_step_is_kept_and_a_resume_goes_on_counting(
    scores: list[int], patience: int, cut: int, falling: bool
) -> None:
    criterion = LPIPS if falling else PSNR
    settings = Validation(every=1, patience=patience)
    whole = Validator(settings, Planned(scores, criterion))
    seen = follow(whole, len(scores))

    values = [-each if falling else each for each in scores[:seen]]
    best = values.index(max(values))
    assert (whole.best["step"], whole.best["score"]) == (best, scores[best])
    assert whole.best["ema"]["w"].item() == best
    assert whole.ended == (patience > 0 and seen - 1 - best == patience)
    assert whole.ended or seen == len(scores)

    begun = Validator(settings, Planned(scores, criterion))
    done = follow(begun, min(cut, len(scores)))
    resumed = Validator(settings, Planned(scores[done:], criterion))
    resumed.load_state_dict(copy.deepcopy(begun.state_dict()))
    follow(resumed, len(scores), first=done)
    assert resumed.state_dict() == whole.state_dict()


def test_all_processes_end_with_the_one_that_scores() -> None:
    sent: list[Any] = []

    def share(value: object) -> object:
        sent.append(value)
        return True

    other = Validator(Validation(every=1, patience=1), None, share)

    assert other.score(0, nn.Identity(), dict) == {}
    assert (other.ended, sent, other.best) == (True, [False], {})


def test_without_a_criterion_no_step_is_the_best() -> None:
    validator = Validator(Validation(every=1, patience=1), Planned([3, 2, 1], criterion=None))

    assert follow(validator, 3) == 3
    assert (validator.best, validator.ended) == ({}, False)


@pytest.mark.parametrize(("every", "steps"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4])])
def test_scorings_are_due_at_equal_distances_from_the_start_on(every: int, steps: list[int]) -> None:
    validator = Validator(Validation(every=every), None)

    assert [step for step in range(5) if validator.is_due(step)] == steps
