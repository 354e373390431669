"""Whatever is changed after whatever step, the same recipe ends with the bytes of a run from nothing, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.studies.staleness import CHANGES, STEPS, Outcome, Trial


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(tmp_path_factory.mktemp("trial"))


@settings(max_examples=3, deadline=None)
@given(step=st.sampled_from(STEPS), change=st.sampled_from(sorted(CHANGES)))
def test_nothing_stale_is_kept(trial: Trial, step: str, change: str) -> None:
    assert trial.try_change(step, change).fault(change) == ""


def test_faults_are_told_from_refusals() -> None:
    assert Outcome("", True, ()).fault("nothing") == ""
    assert Outcome("seed was 0, now 1", True, ()).fault("seed") == ""
    assert Outcome("seed was 0, now 1", True, ()).fault("nothing") == "refused: seed was 0, now 1"
    assert Outcome("batch was 0, now 1", True, ()).fault("seed") == "refused: batch was 0, now 1"
    assert Outcome("seed was 0, now 1", False, ()).fault("seed") == "the refusal changed files"
    assert Outcome("", True, ("a", "b", "c")).fault("seed") == "a, b differ"
