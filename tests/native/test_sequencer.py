"""The sequencer alone: in any order of requests, frame n is one run from its anchor (docs/design.md, 2)."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.native.driver import Clip, FilterDriver, Request, compile_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(Path(tmp_path_factory.mktemp("sequencer")))


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    frames = draw(st.integers(1, 40))
    anchors = draw(st.frozensets(st.integers(0, frames - 1), max_size=6))
    return Clip(frames, anchors, preroll=draw(st.integers(0, 3)))


def play(driver: FilterDriver, order: list[int], data: st.DataObject, parallel: int) -> dict[int, set[int]]:
    """Serve requests in `order`, up to `parallel` at a time; their frames arrive in random order.

    Returns:
        All results of each frame.
    """
    waiting = list(reversed(order))
    open_: list[Request] = []
    results: dict[int, set[int]] = {}
    rounds = 0
    while waiting or open_:
        rounds += 1
        assert rounds < 100 * (len(order) + 1), "requests block each other"
        if waiting and len(open_) < parallel and (not open_ or data.draw(st.booleans(), "open another")):
            n = waiting.pop()
            answer = driver.open_request(n)
            if isinstance(answer, Request):
                open_.append(answer)
            else:
                results.setdefault(n, set()).add(answer)
                driver.close_request(n)
            continue
        request = open_[data.draw(st.integers(0, len(open_) - 1), "serve")]
        result = driver.serve(request)
        if result is not None:
            results.setdefault(request.n, set()).add(result)
            open_.remove(request)
    return results


@settings(max_examples=1500, deadline=None)
@given(data=st.data(), clip=clips(), props=st.booleans())
def test_every_order_gives_the_run_from_the_anchor(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, props: bool
) -> None:
    driver = FilterDriver(
        library,
        clip,
        props=props,
        chunk=data.draw(st.integers(1, 9), "chunk"),
        capacity=data.draw(st.integers(0, 8), "capacity"),
    )
    order = data.draw(st.lists(st.integers(0, clip.frames - 1), min_size=1, max_size=30), "order")

    results = play(driver, order, data, parallel=data.draw(st.integers(1, 9), "parallel"))

    assert results == {n: {clip.expected_result(n)} for n in order}
    assert not any(driver.approximate.values())
    driver.close()


@settings(max_examples=300, deadline=None)
@given(data=st.data(), clip=clips())
def test_a_failed_step_fails_its_own_request_only(library: ctypes.CDLL, data: st.DataObject, clip: Clip) -> None:
    driver = FilterDriver(library, clip)
    order = data.draw(st.lists(st.integers(0, clip.frames - 1), min_size=2, max_size=12))
    driver.fail_at = data.draw(st.integers(0, 20))
    failed = 0
    for n in order:
        request = driver.open_request(n)
        result = request if isinstance(request, int) else None
        try:
            while isinstance(request, Request) and result is None:
                result = driver.serve(request)
        except RuntimeError:
            failed += 1
            driver.close_request(n)
            continue
        if isinstance(request, int):
            driver.close_request(n)
        assert result == clip.expected_result(n)
    assert failed <= 1
    driver.close()


@settings(max_examples=500, deadline=None)
@given(data=st.data(), clip=clips(), warmup=st.integers(0, 10))
def test_a_preview_is_a_run_from_warmup_frames_before_or_exact(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, warmup: int
) -> None:
    driver = FilterDriver(library, clip, preview=True, warmup=warmup)
    order = data.draw(st.lists(st.integers(0, clip.frames - 1), min_size=1, max_size=12))

    results = play(driver, order, data, parallel=data.draw(st.integers(1, 4), "parallel"))

    for n, values in results.items():
        anchor = max(a for a in clip.anchors | {0} if a <= n)
        exact = clip.expected_result(n)
        # A run that does not start at the anchor starts at least `warmup` frames before n, in the same scene.
        approximate = {clip.expected_result(n, start) for start in range(anchor + 1, n - warmup + 1)}
        assert values <= approximate | {exact}
        if n - anchor <= warmup:
            assert values == {exact}
    for n, is_marked in driver.approximate.items():
        anchor = max(a for a in clip.anchors | {0} if a <= n)
        assert not (is_marked and n - anchor <= warmup)
    driver.close()


def test_a_preview_after_a_jump_runs_no_more_than_warmup_frames_before(library: ctypes.CDLL) -> None:
    driver = FilterDriver(library, Clip(1000, preroll=2), preview=True, warmup=8)

    play_one(driver, 700)

    assert driver.steps == 2 + 8 + 1
    assert driver.approximate[700]
    driver.close()


@settings(max_examples=300, deadline=None)
@given(data=st.data(), clip=clips(), parallel=st.integers(1, 16))
def test_a_linear_run_runs_every_step_once(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, parallel: int
) -> None:
    """Frames are requested in order, `parallel` at a time, and served in any order, as by VapourSynth's threads."""
    driver = FilterDriver(library, clip, capacity=parallel)
    open_: list[Request] = []
    frames = iter(range(clip.frames))
    while True:
        while len(open_) < parallel and (n := next(frames, None)) is not None:
            answer = driver.open_request(n)
            if isinstance(answer, Request):
                open_.append(answer)
            else:
                driver.close_request(n)
        if not open_:
            break
        request = open_[data.draw(st.integers(0, len(open_) - 1))]
        if driver.serve(request) is not None:
            open_.remove(request)

    assert driver.steps == clip.frames + len(clip.anchors | {0}) * clip.preroll
    driver.close()


def test_a_jump_runs_from_the_anchor_and_a_step_back_comes_from_the_cache(library: ctypes.CDLL) -> None:
    clip = Clip(500, frozenset({300}), preroll=2)
    driver = FilterDriver(library, clip, capacity=4)

    assert play_one(driver, 420) == clip.expected_result(420)
    assert driver.steps == 2 + 121
    for n in (419, 418, 417):
        assert play_one(driver, n) == clip.expected_result(n)
    assert driver.steps == 2 + 121
    driver.close()


def test_two_requests_far_apart_are_both_served(library: ctypes.CDLL) -> None:
    """Each needs a reset. If they alternated, neither would reach its frame."""
    clip = Clip(400, frozenset({200}), preroll=1)
    driver = FilterDriver(library, clip, chunk=4, capacity=0)
    first, second = driver.open_request(150), driver.open_request(390)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    results: dict[int, int] = {}
    for _ in range(400):
        for request in (first, second):
            if request.n not in results and (result := driver.serve(request)) is not None:
                results[request.n] = result

    assert results == {150: clip.expected_result(150), 390: clip.expected_result(390)}
    assert driver.steps <= 2 + 151 + 191
    driver.close()


def test_a_long_run_holds_few_frames(library: ctypes.CDLL) -> None:
    driver = FilterDriver(library, Clip(2000), chunk=8)
    request = driver.open_request(1999)
    assert isinstance(request, Request)
    most = 0
    while driver.serve(request) is None:
        most = max(most, len(request.frames | set(request.pixels)))

    assert most <= 8 + 2 + 3
    driver.close()


def play_one(driver: FilterDriver, n: int) -> int:
    request = driver.open_request(n)
    if not isinstance(request, Request):
        driver.close_request(n)
        return request
    while (result := driver.serve(request)) is None:
        pass
    return result
