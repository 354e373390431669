"""The study of cut detectors: the events are where the pictures change, and scores count them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cv2")
pytest.importorskip("vapoursynth")

from scripts.studies.scenes import episodes
from scripts.studies.scenes.episodes import CUTS, SLOW, STYLES, Episode, Event, Source, make_episode
from scripts.studies.scenes.scores import Score


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Three scenes of flat colours, two of the same show."""
    found = []
    for name, colour in (("a-1", (200, 40, 40)), ("a-2", (40, 200, 40)), ("b-1", (40, 40, 200))):
        folder = tmp_path_factory.mktemp(name)
        for n in range(3):
            Image.new("RGB", (96, 54), colour).save(folder / f"{n}.png")
        found.append(Source(name[0], folder))
    return found


def changes(episode: Episode) -> set[int]:
    """Return the frames that differ from the frame before."""
    pairs = zip(episode.pictures[1:], episode.pictures[:-1], strict=True)
    return {n for n, (one, other) in enumerate(pairs, 1) if not np.array_equal(one, other)}


def expected_changes(events: Collection[Event], kinds: Collection[str]) -> set[int]:
    return {n for event in events if event.kind in kinds for n in range(event.first, event.last + 1)}


def test_an_episode_changes_only_at_its_events(sources: list[Source]) -> None:
    episode = make_episode(STYLES[0], sources, 400, seed=2)
    everything = {event.kind for event in episode.events}

    assert {"hard", *SLOW} <= everything
    assert changes(episode) <= expected_changes(episode.events, everything)
    # Two views of one scene of a single colour look the same.
    assert expected_changes(episode.events, {"hard"}) <= changes(episode)


def test_a_telecined_episode_has_its_events_where_a_field_changes(sources: list[Source]) -> None:
    telecined = next(style for style in STYLES if style.telecined)
    episode = make_episode(telecined, sources, 300, seed=3)

    # A dissolve within a woven frame changes in the frame after it too.
    slow = [Event(e.kind, e.first, e.last + 1) for e in episode.events if e.kind in SLOW]
    cuts = [event for event in episode.events if event.kind not in SLOW]
    assert changes(episode) <= expected_changes([*slow, *cuts], {event.kind for event in episode.events})
    assert all(event.last - event.first <= 1 for event in cuts)
    assert any(event.last > event.first for event in cuts)


def test_the_same_seed_makes_the_same_episode(sources: list[Source]) -> None:
    one, other = (make_episode(STYLES[3], sources, 60, seed=4) for _ in range(2))

    assert one.events == other.events
    assert all(map(np.array_equal, one.pictures, other.pictures))


def test_a_film_is_cut_in_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "_read_video", lambda path: range(11))
    halves = [episodes.find_sources(tmp_path, Path("film"), half)[-1].frames for half in (0, 1)]

    assert [*halves[0], *halves[1]] == list(range(11))


def test_scores() -> None:
    events = [Event("hard", 10, 10), Event("hard", 20, 21), Event("flash of 1", 30, 30), Event("fade", 40, 60)]
    score = Score()
    score.count({10, 20, 21, 31, 41, 42, 60, 99}, [*events, Event("hard", 60, 60)], 1440)

    assert score.recall(CUTS) == 1
    assert score.recall(["flash of 1"]) == 0
    assert score.slow == {"fade": [2]}
    assert score.false_per_minute == 2  # 31 and 99
    assert score.precision == 3 / 5

    score.count(set(), events, 1440)
    assert score.recall(CUTS) == 3 / 5
    total = Score()
    total.add(score)
    total.add(score)
    assert (total.frames, total.false, total.recall(CUTS)) == (5760, 4, 3 / 5)
