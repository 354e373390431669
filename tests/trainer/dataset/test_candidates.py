"""Which frames are usable, and which clips are taken of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.dataset.shows import make_measures
from trainer.dataset.candidates import (
    BLACK_FRAME,
    DAMAGED,
    FLAT,
    LOW_QUALITY,
    REPEATED,
    RESIZED,
    STILL,
    STILL_FRAMES,
    TELECINED,
    USABLE,
    Rules,
    fill_quality,
    find_candidates,
    find_faults,
)

NONE_SHOWN = np.zeros(200, np.bool_)


@given(
    faults=st.lists(st.sampled_from([USABLE] * 9 + [FLAT]), min_size=1, max_size=120),
    starts=st.sets(st.integers(0, 119)),
    frames=st.integers(2, 20),
    weight=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_clips_are_whole_lie_in_one_shot_and_do_not_overlap(
    faults: list[int], starts: set[int], frames: int, weight: float
) -> None:
    measures = make_measures(len(faults), sorted(each for each in starts if each < len(faults)))
    rules = Rules(frames=frames, motion_weight=weight)
    codes = np.array(faults, np.uint8)

    candidates, dropped = find_candidates(measures, codes, rules)

    used = [n for each in candidates for n in range(each.first, each.first + frames)]
    assert len(used) == len(set(used))
    assert all(faults[n] == USABLE for n in used)
    for each in candidates:
        assert not measures.shot_starts[each.first + 1 : each.first + frames].any()
        assert 0 <= each.score <= 100
    assert [each.score for each in candidates] == sorted((each.score for each in candidates), reverse=True)
    # Every shot either has a clip, or is told why not: and then it has no run that is long enough.
    bounds = [*np.flatnonzero(measures.shot_starts).tolist(), len(faults)]
    shots = {n: range(a, b) for n, (a, b) in enumerate(pairwise(bounds))}
    without = {each.first for each in dropped}
    for number, shot in shots.items():
        places = shot[: max(len(shot) - frames + 1, 0)]
        fits = any(all(faults[n] == USABLE for n in range(first, first + frames)) for first in places)
        assert fits == (number in {each.shot for each in candidates})
        assert fits != (shot[0] in without)


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_the_first_candidate_has_the_highest_score_of_all_places(seed: int, frames: int) -> None:
    measures = make_measures(60, [25], seed=seed)
    rules = Rules(frames=frames, motion_weight=0.3)
    candidates, _ = find_candidates(measures, np.zeros(60, np.uint8), rules)
    quality = fill_quality(measures).astype(np.float64)
    each = 0.7 * quality + 0.3 * 100 * np.minimum(measures.flow, 3) / 3
    places = [*range(max(25 - frames + 1, 0)), *range(25, 60 - frames + 1)]

    assert np.isclose(candidates[0].score, max(each[a : a + frames].mean() for a in places), rtol=1e-5)


def test_each_fault_is_found() -> None:
    measures = make_measures(200)
    measures.flat_share[:10] = 0.95
    measures.brightness[:5] = 16
    measures.combed[20:30] = True
    measures.resized[40:50] = True
    measures.damaged[52:55] = True
    measures.quality[60:70] = 10
    shown = NONE_SHOWN.copy()
    shown[80:90] = True
    measures.is_new[101 : 100 + STILL_FRAMES] = False
    measures.mean_flow[101 : 100 + STILL_FRAMES] = 0.01
    measures.is_new[141 : 140 + STILL_FRAMES - 1] = False  # one frame less
    measures.mean_flow[141 : 140 + STILL_FRAMES - 1] = 0.01

    faults = find_faults(measures, Rules(least_quality=20), shown)

    expected = np.zeros(200, np.uint8)
    expected[:5], expected[5:10], expected[20:30], expected[40:50] = BLACK_FRAME, FLAT, TELECINED, RESIZED
    expected[52:55] = DAMAGED
    expected[60:70], expected[80:90], expected[101 : 100 + STILL_FRAMES] = LOW_QUALITY, REPEATED, STILL
    assert faults.tolist() == expected.tolist()


def test_a_slow_pan_is_not_still() -> None:
    measures = make_measures(200)
    measures.is_new[:] = False
    measures.mean_flow[:] = 0.1

    assert not find_faults(measures, Rules(), NONE_SHOWN).any()


def test_quality_between_measured_frames_does_not_reach_over_a_cut() -> None:
    measures = make_measures(30, [10, 20])
    quality = np.full(30, np.nan, np.float32)
    quality[[2, 6, 12]] = 40, 80, 20

    filled = fill_quality(replace(measures, quality=quality))

    assert filled[:10].tolist() == [40, 40, 40, 50, 60, 70, 80, 80, 80, 80]
    assert set(filled[10:].tolist()) == {20}  # the last shot shows too little: it has the lowest
    unknown = replace(measures, quality=np.full(30, np.nan, np.float32))
    assert not fill_quality(unknown).any()
    assert not find_faults(unknown, Rules(least_quality=20), np.zeros(30, np.bool_)).any()  # unknown is not low
