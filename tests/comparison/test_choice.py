"""Which frames are measured and shown: properties of both choices for any scenes."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from vsanimesr.comparison.choice import choose_frames, sample_frames

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=12)
counts = st.integers(1, 60)


def starts(lengths: list[int]) -> list[int]:
    """Return the first frames of scenes of these lengths."""
    return [sum(lengths[:index]) for index in range(len(lengths))]


@given(lengths, counts)
def test_samples_are_spread_over_the_scenes(lengths: list[int], count: int) -> None:
    scenes, frames = starts(lengths), sum(lengths)
    samples = sample_frames(scenes, frames, count)
    given_by = Counter(bisect_right(scenes, n) - 1 for n in samples)

    assert len(samples) == min(count, frames)
    assert samples == sorted(set(samples))
    assert 0 <= samples[0] <= samples[-1] < frames
    assert len(given_by) == min(count, len(scenes))
    if count >= len(scenes):  # no scene gets a second frame while another one has frames twice as far apart
        for a, share in given_by.items():
            for b, other in given_by.items():
                assert share == 1 or lengths[a] / (share - 1) >= lengths[b] / other or other == lengths[b]


def test_samples_of_a_scene_are_at_even_distances() -> None:
    assert sample_frames([0], 100, 5) == [10, 30, 50, 70, 90]
    assert sample_frames([0, 80], 100, 5) == [10, 30, 50, 70, 90]
    assert sample_frames([0, 10, 20, 30], 40, 2) == [5, 25]


@given(lengths, counts, st.integers(1, 12), st.randoms(use_true_random=False))
def test_chosen_frames_differ_most_and_come_from_different_scenes(
    lengths: list[int], samples: int, count: int, random: Random
) -> None:
    scenes = starts(lengths)
    differences = {n: random.random() for n in sample_frames(scenes, sum(lengths), samples)}
    chosen = choose_frames(differences, scenes, count)
    of_scene = Counter(bisect_right(scenes, n) for n in differences)
    given_by = Counter(bisect_right(scenes, n) for n in chosen)

    assert len(chosen) == min(count, len(differences))
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= differences.keys()
    assert max(differences, key=lambda n: differences[n]) in chosen
    for scene, number in of_scene.items():  # none gives two while another could still give its first
        assert given_by[scene] in (number, max(given_by.values()), max(given_by.values()) - 1)
    if count <= len(of_scene):  # then each gives its best one, and the best scenes are those chosen
        best = {scene: max(v for n, v in differences.items() if bisect_right(scenes, n) == scene) for scene in of_scene}
        assert sorted(differences[n] for n in chosen) == sorted(best.values())[-count:]


def test_frames_of_one_scene_keep_a_distance() -> None:
    differences = {n: 1 - abs(n - 50) / 100 for n in range(100)}
    chosen = choose_frames(differences, [0], 4)

    assert 50 in chosen
    assert min(b - a for a, b in pairwise(chosen)) >= 12
    assert choose_frames({3: 0.1, 4: 0.1, 5: 0.1}, [0], 3) == [3, 4, 5]  # as near as they have to be
