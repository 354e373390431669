"""The sequencer alone: in any order of requests, a frame is the run that docs/design.md, 2 defines."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.driver import Clip, FilterDriver, Request, SourceError, compile_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(Path(tmp_path_factory.mktemp("sequencer")))


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    frames = draw(st.integers(1, 40))
    segment = draw(st.sampled_from([0, 0, 1, 2, 3, 7, 12, 30]))
    skip = draw(st.booleans())
    return Clip(
        frames,
        draw(st.frozensets(st.integers(0, frames - 1), max_size=6)),
        preroll=draw(st.integers(0, 3)),
        segment=segment,
        warmup=draw(st.integers(0, max(0, segment - 1))),
        skip_held=skip,
        longest_hold=draw(st.integers(1, 6)),
        pictures=tuple(draw(st.lists(st.integers(0, 3), min_size=frames, max_size=frames))) if skip else (),
    )


def make_driver(library: ctypes.CDLL, data: st.DataObject, clip: Clip, **arguments: object) -> FilterDriver:
    return FilterDriver(
        library,
        clip,
        chunk=data.draw(st.integers(1, 9), "chunk"),
        reach=data.draw(st.integers(1, 5), "reach"),
        checkpoints=data.draw(st.integers(0, 4), "checkpoints"),
        capacity=data.draw(st.integers(0, 8), "capacity"),
        **arguments,  # type: ignore[arg-type]
    )


def play(driver: FilterDriver, order: list[int], data: st.DataObject) -> dict[int, set[int | None]]:
    """Serve requests in `order`, some of them at a time; their frames arrive, and they have their turns, in any order.

    Returns:
        All results of each frame; None if a source frame that it asked for is broken.
    """
    parallel = data.draw(st.integers(1, 9), "parallel")
    waiting = list(reversed(order))
    open_: list[Request] = []
    results: dict[int, set[int | None]] = {}
    rounds = 0
    while waiting or open_:
        rounds += 1
        assert rounds < 300 * (len(order) + 1), "requests block each other"
        if waiting and len(open_) < parallel and (not open_ or data.draw(st.booleans(), "open another")):
            open_.append(driver.open_request(waiting.pop()))
            continue
        request = open_[data.draw(st.integers(0, len(open_) - 1), "serve")]
        try:
            result = driver.serve(request, turns=data.draw(st.sampled_from([1, 2, 100]), "turns"))
        except SourceError:
            driver.close_request(request.n)
            results.setdefault(request.n, set()).add(None)
            open_.remove(request)
            continue
        if result is not None:
            results.setdefault(request.n, set()).add(result)
            open_.remove(request)
    return results


def orders(clip: Clip, most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, clip.frames - 1), min_size=1, max_size=most)


@settings(max_examples=600, deadline=None)
@given(data=st.data(), clip=clips(), props=st.booleans())
def test_every_order_gives_the_run_that_is_defined(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, props: bool
) -> None:
    driver = make_driver(library, data, clip, props=props)
    order = data.draw(orders(clip, 30), "order")

    results = play(driver, order, data)

    assert results == {n: {clip.expected_result(n)} for n in order}
    assert not any(driver.approximate.values())
    driver.close()


@settings(max_examples=500, deadline=None)
@given(data=st.data(), clip=clips(), props=st.booleans())
def test_a_frame_fails_exactly_if_a_frame_that_it_needs_is_broken(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, props: bool
) -> None:
    broken = data.draw(st.frozensets(st.integers(0, clip.frames - 1), min_size=1, max_size=3), "broken")
    driver = make_driver(library, data, clip, props=props, broken=broken)
    order = data.draw(orders(clip, 20), "order")

    results = play(driver, order, data)

    for n in order:
        expected = None if broken & clip.needs(n, props=props) else clip.expected_result(n)
        assert results[n] == {expected}, f"frame {n}"
    driver.close()


@settings(max_examples=300, deadline=None)
@given(data=st.data(), clip=clips())
def test_a_failed_step_fails_its_own_request_only(library: ctypes.CDLL, data: st.DataObject, clip: Clip) -> None:
    driver = make_driver(library, data, clip)
    driver.fail_at = data.draw(st.integers(0, 20))
    failed = 0
    for n in data.draw(orders(clip, 12)):
        request = driver.open_request(n)
        result = None
        try:
            while result is None:
                result = driver.serve(request)
        except RuntimeError:
            failed += 1
            driver.close_request(n)
            continue
        assert result == clip.expected_result(n)
    assert failed <= 1
    driver.close()


@settings(max_examples=300, deadline=None)
@given(data=st.data(), clip=clips(), reach=st.integers(0, 10), props=st.booleans())
def test_a_preview_is_a_run_from_some_frames_before_or_exact(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, reach: int, props: bool
) -> None:
    driver = make_driver(library, data, clip, preview=reach, props=props)
    order = data.draw(orders(clip, 12), "order")

    results = play(driver, order, data)

    for n, values in results.items():
        first = clip.find_run(n).first
        anchor = max(k for k in range(n + 1) if clip.is_anchor(k))
        exact = clip.expected_result(n)
        # A run that does not start where the exact one does starts at least `reach` frames before the frame that it
        # shows, in the same scene. That is n, or the frame that n repeats.
        approximate = {
            clip.expected_preview(shown, k)
            for shown in {n, clip.find_kept(n)}
            for k in range(anchor + 1, shown - reach + 1)
        }
        assert values <= approximate | {exact}
        if clip.find_run(n).at_anchor and n - first <= reach:
            assert values == {exact}
    driver.close()


def count_steps(driver: FilterDriver, order: Iterable[int]) -> list[int]:
    """Return the number of steps that each request takes, one after the other."""
    counts = []
    for n in order:
        before = driver.steps
        request = driver.open_request(n)
        while driver.serve(request) is None:
            pass
        counts.append(driver.steps - before)
    return counts


@pytest.mark.parametrize(("reach", "checkpoints", "most"), [(16, 8, 3), (4, 4, 6)])
def test_steps_back_are_short_with_little_memory(
    library: ctypes.CDLL, reach: int, checkpoints: int, most: float
) -> None:
    clip = Clip(2000, preroll=4, segment=240, warmup=8)
    driver = FilterDriver(library, clip, reach=reach, capacity=reach, checkpoints=checkpoints)

    _, *back = count_steps(driver, range(1675, 1435, -1))  # through a segment and its start

    assert sum(back) / len(back) <= most
    assert driver.most_saved <= checkpoints
    driver.close()


def test_no_state_is_saved_twice(library: ctypes.CDLL) -> None:
    driver = FilterDriver(library, Clip(200, preroll=4), props=False, reach=4, capacity=4, checkpoints=64)

    count_steps(driver, [*range(100), *range(99, 40, -1)])

    states = driver.saved_states()
    assert len(states) > 3
    assert len(states) == len(set(states))
    driver.close()


def test_a_jump_forwards_after_a_jump_back_finds_a_state_ahead(library: ctypes.CDLL) -> None:
    """Of the states ahead, the nearest ones stay: they serve all frames behind them."""
    driver = FilterDriver(library, Clip(600, preroll=4), props=False, reach=1, capacity=1, checkpoints=8)

    *_, forwards = count_steps(driver, [320, 10, 130])

    assert forwards <= 10
    driver.close()


@pytest.mark.parametrize(("reach", "checkpoints", "most"), [(16, 8, 3), (2, 8, 5), (1, 0, 13)])
def test_previews_of_steps_back_are_short(library: ctypes.CDLL, reach: int, checkpoints: int, most: float) -> None:
    driver = FilterDriver(
        library, Clip(2000, preroll=4), preview=8, reach=reach, capacity=reach, checkpoints=checkpoints
    )

    jump, *back = count_steps(driver, range(1675, 1475, -1))

    assert jump == 4 + 8 + 1
    assert sum(back) / len(back) <= most
    assert max(back) <= 4 + 8 + 8 + 1
    driver.close()


def test_a_preview_goes_on_forwards_and_starts_anew_after_a_jump(library: ctypes.CDLL) -> None:
    driver = FilterDriver(library, Clip(2000, preroll=4), preview=8, reach=4, checkpoints=4)

    jump, *forwards = count_steps(driver, range(1000, 1040))

    assert jump == 4 + 8 + 1
    assert set(forwards) == {1}
    assert count_steps(driver, [1100]) == [4 + 8 + 1]
    driver.close()


@pytest.mark.parametrize("turns", [1, 8])
@pytest.mark.parametrize(
    ("requests", "checkpoints", "most"), [(2, 0, 1.5), (2, 2, 1), (3, 0, 5), (5, 4, 1), (4, 2, 4), (8, 0, 19)]
)
def test_distant_requests_in_turn_all_come_to_their_end(
    library: ctypes.CDLL, requests: int, checkpoints: int, most: float, turns: int
) -> None:
    """Each state needs room. A request whose state is dropped starts anew, but the one that is furthest never does."""
    clip = Clip(2000, frozenset(range(0, 2000, 240)), preroll=4)
    driver = FilterDriver(library, clip, checkpoints=checkpoints)
    open_ = [driver.open_request(240 * i + 150 + 8 * i) for i in range(requests)]
    steps = sum(request.n % 240 + 1 + clip.preroll for request in open_)

    while open_:
        for request in list(open_):
            begin, result = driver.steps, None
            while result is None and driver.steps - begin < turns:
                result = driver.serve(request, turns=turns - (driver.steps - begin))
            if result is not None:
                assert result == clip.expected_result(request.n)
                open_.remove(request)
            assert driver.steps <= most * steps

    assert driver.most_saved <= max(1, checkpoints)
    driver.close()


def test_a_request_near_the_present_state_is_the_nearest(library: ctypes.CDLL) -> None:
    driver = FilterDriver(library, Clip(600, preroll=4), props=False)
    count_steps(driver, [100])

    assert driver.distance(101) == 1
    assert driver.distance(101) < driver.distance(104) < driver.distance(2) < driver.distance(200)
    driver.close()


@pytest.mark.parametrize(("skip", "broken"), [(True, 3), (False, 4)])
@pytest.mark.parametrize("chunk", [1, 8])
def test_no_frame_behind_the_window_is_asked_for(library: ctypes.CDLL, chunk: int, skip: bool, broken: int) -> None:
    clip = Clip(6, frozenset({3}) if skip else frozenset(), skip_held=skip, pictures=(0,) * 6)
    driver = FilterDriver(library, clip, props=False, chunk=chunk, broken=frozenset({broken}))
    request = driver.open_request(2)

    while (result := driver.serve(request)) is None:
        pass

    assert result == clip.expected_result(2)
    driver.close()
