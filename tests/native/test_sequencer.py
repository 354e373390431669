"""The ordering logic alone: whatever the order of requests, frame n is one run from its anchor (design, section 2)."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .driven import Clip, Driven, Request, compile_library


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_library(Path(tmp_path_factory.mktemp("sequencer")))


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    frames = draw(st.integers(1, 40))
    anchors = draw(st.frozensets(st.integers(0, frames - 1), max_size=6))
    return Clip(frames, anchors, preroll=draw(st.integers(0, 3)))


def play(driven: Driven, order: list[int], data: st.DataObject, parallel: int) -> dict[int, set[int]]:
    """Serve requests in `order`, up to `parallel` of them at once, their frames arriving in an order that is drawn.

    Returns every result that each frame was given.
    """
    waiting = list(reversed(order))
    open_: list[Request] = []
    results: dict[int, set[int]] = {}
    turns = 0
    while waiting or open_:
        turns += 1
        assert turns < 100 * (len(order) + 1), "requests keep each other from being served"
        if waiting and len(open_) < parallel and (not open_ or data.draw(st.booleans(), "open another")):
            n = waiting.pop()
            answer = driven.open(n)
            if isinstance(answer, Request):
                open_.append(answer)
            else:
                results.setdefault(n, set()).add(answer)
                driven.end(n)
            continue
        request = open_[data.draw(st.integers(0, len(open_) - 1), "serve")]
        result = driven.serve(request)
        if result is not None:
            results.setdefault(request.n, set()).add(result)
            open_.remove(request)
    return results


@settings(max_examples=1500, deadline=None)
@given(data=st.data(), clip=clips(), learned=st.booleans())
def test_every_order_gives_the_run_from_the_anchor(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, learned: bool
) -> None:
    driven = Driven(
        library,
        clip,
        learned=learned,
        chunk=data.draw(st.integers(1, 9), "chunk"),
        capacity=data.draw(st.integers(0, 8), "capacity"),
    )
    order = data.draw(st.lists(st.integers(0, clip.frames - 1), min_size=1, max_size=30), "order")

    results = play(driven, order, data, parallel=data.draw(st.integers(1, 9), "parallel"))

    assert results == {n: {clip.model(n)} for n in order}
    assert not any(driven.approximate.values())
    driven.close()


@settings(max_examples=300, deadline=None)
@given(data=st.data(), clip=clips())
def test_a_failed_step_costs_its_own_request_only(library: ctypes.CDLL, data: st.DataObject, clip: Clip) -> None:
    driven = Driven(library, clip)
    order = data.draw(st.lists(st.integers(0, clip.frames - 1), min_size=2, max_size=12))
    driven.fail_at = data.draw(st.integers(0, 20))
    failed = 0
    for n in order:
        request = driven.open(n)
        result = request if isinstance(request, int) else None
        try:
            while isinstance(request, Request) and result is None:
                result = driven.serve(request)
        except RuntimeError:
            failed += 1
            driven.end(n)
            continue
        if isinstance(request, int):
            driven.end(n)
        assert result == clip.model(n)
    assert failed <= 1
    driven.close()


@settings(max_examples=500, deadline=None)
@given(data=st.data(), clip=clips(), warmup=st.integers(0, 10))
def test_a_preview_is_a_run_from_warmup_frames_before_or_exact(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, warmup: int
) -> None:
    driven = Driven(library, clip, preview=True, warmup=warmup)
    order = data.draw(st.lists(st.integers(0, clip.frames - 1), min_size=1, max_size=12))

    results = play(driven, order, data, parallel=data.draw(st.integers(1, 4), "parallel"))

    for n, values in results.items():
        anchor = max(a for a in clip.anchors | {0} if a <= n)
        exact = clip.model(n)
        # What was not run from the anchor ran from a frame of the same scene that is far enough back.
        approximate = {clip.model(n, start) for start in range(anchor + 1, n - warmup + 1)}
        assert values <= approximate | {exact}
        if n - anchor <= warmup:
            assert values == {exact}
    for n, marked in driven.approximate.items():
        anchor = max(a for a in clip.anchors | {0} if a <= n)
        assert not (marked and n - anchor <= warmup)
    driven.close()


def test_a_preview_after_a_jump_runs_no_more_than_warmup_frames_before(library: ctypes.CDLL) -> None:
    driven = Driven(library, Clip(1000, preroll=2), preview=True, warmup=8)

    play_one(driven, 700)

    assert driven.steps == 2 + 8 + 1
    assert driven.approximate[700]
    driven.close()


@settings(max_examples=300, deadline=None)
@given(data=st.data(), clip=clips(), parallel=st.integers(1, 16))
def test_a_linear_run_runs_every_step_once(
    library: ctypes.CDLL, data: st.DataObject, clip: Clip, parallel: int
) -> None:
    """Frames are asked for in order, `parallel` at a time, and served in any order: what threads do to a linear run."""
    driven = Driven(library, clip, capacity=parallel)
    open_: list[Request] = []
    coming = iter(range(clip.frames))
    while True:
        while len(open_) < parallel and (n := next(coming, None)) is not None:
            answer = driven.open(n)
            if isinstance(answer, Request):
                open_.append(answer)
            else:
                driven.end(n)
        if not open_:
            break
        request = open_[data.draw(st.integers(0, len(open_) - 1))]
        if driven.serve(request) is not None:
            open_.remove(request)

    assert driven.steps == clip.frames + len(clip.anchors | {0}) * clip.preroll
    driven.close()


def test_a_jump_costs_the_way_from_the_anchor_and_a_step_back_comes_from_the_cache(library: ctypes.CDLL) -> None:
    clip = Clip(500, frozenset({300}), preroll=2)
    driven = Driven(library, clip, capacity=4)

    assert play_one(driven, 420) == clip.model(420)
    assert driven.steps == 2 + 121
    for n in (419, 418, 417):
        assert play_one(driven, n) == clip.model(n)
    assert driven.steps == 2 + 121
    driven.close()


def test_two_seeks_far_apart_both_get_done(library: ctypes.CDLL) -> None:
    """Each would throw the other's state away; taking turns, neither would ever arrive."""
    clip = Clip(400, frozenset({200}), preroll=1)
    driven = Driven(library, clip, chunk=4, capacity=0)
    first, second = driven.open(150), driven.open(390)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    results: dict[int, int] = {}
    for _ in range(400):
        for request in (first, second):
            if request.n not in results and (result := driven.serve(request)) is not None:
                results[request.n] = result

    assert results == {150: clip.model(150), 390: clip.model(390)}
    assert driven.steps <= 2 + 151 + 191
    driven.close()


def test_memory_on_a_long_way_is_bounded(library: ctypes.CDLL) -> None:
    driven = Driven(library, Clip(2000), chunk=8)
    request = driven.open(1999)
    assert isinstance(request, Request)
    most = 0
    while driven.serve(request) is None:
        most = max(most, len(request.held | set(request.pixels)))

    assert most <= 8 + 2 + 3
    driven.close()


def play_one(driven: Driven, n: int) -> int:
    request = driven.open(n)
    if not isinstance(request, Request):
        driven.end(n)
        return request
    while (result := driven.serve(request)) is None:
        pass
    return result
