"""The arithmetic of the study of scaling. Its cluster is that of tests/episode/test_cluster.py."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.studies import scaling
from vsanimesr.options import Options


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.integers(1, 16))
def test_no_worker_waits_while_there_are_chunks(steps: list[int], workers: int) -> None:
    steps.sort(reverse=True)
    end = scaling.makespan(steps, workers)

    assert max(steps) <= end <= sum(steps)
    assert end * workers >= sum(steps)
    assert (end - max(steps)) * workers <= sum(steps)  # before the last chunk began, all workers were busy


def test_an_episode_is_drawn_by_its_seed() -> None:
    scenes = scaling.draw_scenes(1)

    assert scenes == scaling.draw_scenes(1) != scaling.draw_scenes(2)
    assert scenes[0] == 0
    assert scenes[-1] < scaling.FRAMES == 34525
    assert all(12 <= there - here <= 1440 for here, there in pairwise(scenes))


@pytest.mark.parametrize("frames", [2157, scaling.FRAMES])
def test_chunks_have_all_frames_and_the_longest_come_first(frames: int) -> None:
    scenes = scaling.draw_scenes(1)
    steps = scaling.chunk_steps(scenes, frames, 240)
    begun = sum(scene < frames for scene in scenes)
    preroll, (_, warmup) = Options().preroll, Options().segment

    # Each scene has a pre-roll, and each further segment a pre-roll and a warm-up.
    assert (sum(steps) - frames - begun * preroll) % (preroll + warmup) == 0
    assert sum(steps) >= frames + begun * preroll
    assert steps[0] > steps[-1]
