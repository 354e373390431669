"""Frames that an earlier video has shown."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.typing import NDArray

from trainer.dataset.repeats import (
    INDEX_EVERY,
    LEAST_RUN,
    LEAST_SHARE,
    MOST_ALIKE,
    Hashes,
    Repeats,
    distance,
    find_runs,
    hash_picture,
    shared,
)


def random_hashes(random: Generator, frames: int) -> Hashes:
    return random.integers(0, 1 << 64, (frames, 2), np.uint64)


def flip(random: Generator, hashes: Hashes, bits: int) -> Hashes:
    """Return hashes with some bits changed, as other encoding does."""
    changed = np.unpackbits(hashes.view(np.uint8).reshape(len(hashes), 16), axis=1)
    for row in changed:
        row[random.permutation(128)[:bits]] ^= 1
    return np.packbits(changed, axis=1).view(np.uint64)


def all_of(hashes: Hashes) -> NDArray[np.bool_]:
    return np.ones(len(hashes), np.bool_)


@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(LEAST_RUN, 80),
    before=st.integers(0, 60),
    here=st.integers(0, 60),
    bits=st.integers(0, 8),
    rate=st.sampled_from([24.0, 25.0]),
)
def test_a_repeat_is_found_wherever_it_is(
    seed: int, length: int, before: int, here: int, bits: int, rate: float
) -> None:
    random = np.random.default_rng(seed)
    opening = random_hashes(random, length)
    first = np.concatenate([random_hashes(random, before), opening, random_hashes(random, 20)])
    second = np.concatenate([random_hashes(random, here), flip(random, opening, bits), random_hashes(random, 15)])
    repeats = Repeats()
    assert (repeats.find(first, all_of(first), 24) == -1).all()
    repeats.add(random_hashes(random, 50), np.ones(50, np.bool_), 24)
    repeats.add(first, all_of(first), 24)

    shown = repeats.find(second, all_of(second), rate)

    assert np.flatnonzero(shown == 1).tolist() == list(range(here, here + length))
    assert (shown[shown != 1] == -1).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    rates=st.sampled_from([(24, 30), (30, 24), (24, 60), (60, 24), (25, 50), (50, 25), (24000 / 1001, 30000 / 1001)]),
    seconds=st.floats(3, 6),
    before=st.floats(0, 4),
    here=st.floats(0, 4),
    bits=st.integers(0, 6),
)
def test_a_repeat_at_another_rate_is_found_to_a_few_frames(
    seed: int, rates: tuple[float, float], seconds: float, before: float, here: float, bits: int
) -> None:
    """Drawings of film, each shown for as long as the rate needs."""
    random = np.random.default_rng(seed)
    drawings = random_hashes(random, 24 * 20)

    def show(rate: float, start: float) -> Hashes:
        """Return an episode with the same opening, `start` seconds after its begin."""
        frames = np.arange(int(rate * (start + seconds + 2))) / rate - start + 1e-9  # no drawing is lost to rounding
        own = random_hashes(random, 24 * 12)
        inside = (frames >= 0) & (frames < seconds)
        found: Hashes = np.where(
            inside[:, None], drawings[(frames * 24).astype(int)], own[(24 * (frames + 4)).astype(int)]
        )
        return found

    first, second = show(rates[0], before), flip(random, show(rates[1], here), bits)
    repeats = Repeats()
    repeats.add(first, all_of(first), rates[0])

    shown = repeats.find(second, all_of(second), rates[1]) == 0

    begin, end = int(here * rates[1]), int((here + seconds) * rates[1])
    assert shown[begin + 4 : end - 4].all()
    assert not shown[: max(begin - 4, 0)].any()
    assert not shown[end + 4 :].any()


def test_an_opening_is_found_in_every_episode() -> None:
    """Also when more episodes show it than the index looks at, and when other frames share a part of their hashes."""
    random = np.random.default_rng(4)
    opening = random_hashes(random, 48)
    repeats = Repeats()
    for number in range(MOST_ALIKE + 10):
        letterboxed = random_hashes(random, 40)
        letterboxed.view(np.uint16)[:, 0] = 0
        episode = np.concatenate([letterboxed[:20], opening, letterboxed[20:]])

        shown = repeats.add(episode, all_of(episode), 24)

        assert (shown[20:68] == (0 if number else -1)).all()
        assert (shown == 0).sum() == (48 if number else 0)


def test_new_videos_are_known_however_many_there_are() -> None:
    """Frames that have a part of their hashes in common with many others are found by the last ones of them."""
    random = np.random.default_rng(5)
    frames = random_hashes(random, 2 * MOST_ALIKE * INDEX_EVERY)
    frames.view(np.uint16)[:] = 7
    frames.view(np.uint16)[:, :4] = random.integers(0, 1 << 16, (len(frames), 4))  # the other half is that of all
    repeats = Repeats()
    repeats.add(frames, all_of(frames), 24)
    last = frames[-60:].copy()
    last.view(np.uint16)[:, :4] ^= 1  # as other encoding does

    assert (repeats.find(last, all_of(last), 24) == 0).all()


def test_short_likenesses_and_frames_that_show_nothing_are_no_repeats() -> None:
    random = np.random.default_rng(1)
    first, black = random_hashes(random, 100), np.zeros((60, 2), np.uint64)
    repeats = Repeats()
    repeats.add(np.concatenate([first, black]), np.arange(160) < 100, 24)
    alike = first[10 : 10 + LEAST_RUN - 4]
    second = np.concatenate([random_hashes(random, 40), alike, random_hashes(random, 40), black])

    assert (repeats.find(second, np.arange(len(second)) < len(second) - 60, 50) == -1).all()


@given(st.lists(st.booleans(), max_size=120))
def test_runs_are_dense_and_none_is_missed(matches: list[bool]) -> None:
    found = np.array(matches, np.bool_)
    runs = find_runs(found)
    inside = np.zeros(len(found), np.bool_)
    for start, end in runs:
        assert found[start]
        assert found[end - 1]
        assert not inside[start:end].any()
        inside[start:end] = True
        assert found[start:end].mean() >= LEAST_SHARE - 3 / LEAST_RUN
    for start in range(len(found) - LEAST_RUN + 1):
        if found[start : start + LEAST_RUN].all():
            assert inside[start : start + LEAST_RUN].all()


def test_hashes_know_a_picture_again_and_tell_others() -> None:
    random = np.random.default_rng(2)
    y, x = np.mgrid[:144, :256]
    one, other = (
        (128 + 60 * np.sin(x / a) + 60 * np.cos(y / b)).astype(np.uint8) for a, b in ((23.0, 31.0), (41.0, 17.0))
    )
    noisy = np.clip(one[:, ::2] + random.normal(0, 3, (144, 128)), 0, 255).astype(np.uint8)

    assert distance(hash_picture(one), hash_picture(noisy)) <= 6
    assert distance(hash_picture(one), hash_picture(other)) > 30


def test_shared_frames_count_at_any_time() -> None:
    random = np.random.default_rng(3)
    one = random_hashes(random, 20)
    other = np.concatenate([random_hashes(random, 10), one[5:15]])

    assert shared(one, other) == 0.5
    assert shared(one, other[:0]) == 0
