"""What every engine promises, whatever runs the network: `base` says it in words."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from vsanimesr.engines import engine_class
from vsanimesr.engines.base import Engine, Frame
from vsanimesr.errors import EngineError

from ..setups import setup_for
from .driving import SIZE, Picture, Size, frame, opened, psnr, received, run, step

type Case = tuple[str, ...]
"""An engine's name and its options."""

ON_ANY_MACHINE: list[Case] = [("openvino",), ("onnxruntime", "provider=cpu"), ("torch",)]
ON_A_GPU: list[Case] = [
    ("onnxruntime", "provider=cuda"),
    ("onnxruntime", "provider=tensorrt"),
    ("torch", "graphs=no"),
    ("torch", "compile=tensorrt"),
]


def has_gpu() -> bool:
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def parameters(cases: list[Case], *marks: pytest.MarkDecorator) -> list[Any]:
    return [pytest.param(case, marks=marks, id="-".join(case)) for case in cases]


WITH_NETWORK = [
    *parameters([case for case in ON_ANY_MACHINE if find_spec(case[0])]),
    *parameters(ON_A_GPU, pytest.mark.gpu, pytest.mark.skipif(not has_gpu(), reason="no GPU here")),
]
ALL = [*WITH_NETWORK, *parameters([("null",)])]
STEPS = 5

_straight: dict[Case, list[Picture]] = {}


def straight(case: Case) -> list[Picture]:
    """The frames of the first steps, each waited for before the next step."""
    if case not in _straight:
        _straight[case] = run(*case, steps=STEPS)
    return _straight[case]


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (41, 30)], ids=str)
@pytest.mark.parametrize("model", ["v1", "v2"])
@pytest.mark.parametrize("case", WITH_NETWORK)
def test_all_engines_give_the_same_picture(case: Case, model: str, size: Size) -> None:
    theirs = run("openvino", model=model, size=size)

    assert min(map(psnr, run(*case, model=model, size=size), theirs)) >= 100


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_values_are_clamped_on_the_way_in_and_not_on_the_way_out(case: Case) -> None:
    pixels = np.linspace(-0.5, 1.5, 3 * SIZE[0] * SIZE[1], dtype=np.float32).reshape(3, SIZE[1], SIZE[0])

    def result(picture: Picture) -> Picture:
        still = Frame(0, (picture[0], picture[1], picture[2]))
        with opened(*case) as engine:
            return received(engine.submit(still, still, still, output=True))

    assert np.array_equal(result(pixels), result(pixels.clip(0, 1)))
    assert float(result(pixels).max()) > 1.01


@pytest.mark.parametrize("case", ALL)
def test_the_same_steps_give_the_same_bits(case: Case) -> None:
    with opened(*case) as engine:
        for _ in range(2):
            for n in range(STEPS):
                assert np.array_equal(received(step(engine, n)), straight(case)[n])
            engine.reset()
        step(engine, 0, output=False)
        engine.reset()  # after an odd number of steps too
        for n in range(STEPS):
            assert np.array_equal(received(step(engine, n)), straight(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_state_is_carried_on(case: Case) -> None:
    with opened(*case) as engine:
        for n in (1, 2):
            assert not np.array_equal(received(step(engine, n)), straight(case)[n])


@pytest.mark.parametrize("silent", [{0}, {0, 1, 2}, {1, 3}, {0, 3}], ids=str)
@pytest.mark.parametrize("case", ALL)
def test_a_step_without_output_carries_the_state_on(case: Case, silent: set[int]) -> None:
    with opened(*case) as engine:
        for n in range(STEPS):
            ticket = step(engine, n, output=n not in silent)
            if n in silent:
                assert ticket is None
            else:
                assert np.array_equal(received(ticket), straight(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_two_engines_side_by_side(case: Case) -> None:
    small = (9, 6)
    expected = run(*case, size=small, steps=STEPS)
    with opened(*case) as one, opened(*case, size=small) as other, opened(*case) as third:
        step(third, 7, output=False)
        for n in range(STEPS):
            tickets = step(one, n), step(other, n, size=small), step(third, n)
            assert np.array_equal(received(tickets[0]), straight(case)[n])
            assert np.array_equal(received(tickets[1], small), expected[n])
            assert not np.array_equal(received(tickets[2]), straight(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_as_many_tickets_as_depth_are_kept_and_may_be_waited_for_in_any_order(case: Case) -> None:
    with opened(*case) as engine, ThreadPoolExecutor(1) as elsewhere:
        for _ in range(2):
            tickets = [step(engine, n) for n in range(engine.depth)]
            for n in reversed(range(engine.depth)):
                assert np.array_equal(elsewhere.submit(received, tickets[n]).result(), straight(case)[n])
            engine.reset()


@pytest.mark.parametrize("case", ALL)
def test_tickets_are_waited_for_by_another_thread_while_steps_go_on(case: Case) -> None:
    """Steps too come from threads that change, one at a time."""
    with opened(*case) as engine, ThreadPoolExecutor(2) as waiting:
        for _ in range(3):
            results: list[Future[Picture]] = []
            for n in range(STEPS):
                if n >= engine.depth:
                    results[n - engine.depth].result()
                with ThreadPoolExecutor(1) as submitting:
                    ticket = submitting.submit(step, engine, n).result()
                results.append(waiting.submit(received, ticket))
            assert all(np.array_equal(result.result(), straight(case)[n]) for n, result in enumerate(results))
            engine.reset()


@pytest.mark.parametrize("case", ALL)
def test_rows_may_be_padded_on_both_sides(case: Case) -> None:
    width, height = SIZE

    def strided(n: int) -> Frame:
        rows = np.full((3, height, width + 23), np.nan, np.float32)
        for target, plane in zip(rows, frame(n).planes, strict=True):
            target[:, :width] = plane
        rows.flags.writeable = False
        return Frame(n, (rows[0, :, :width], rows[1, :, :width], rows[2, :, :width]))

    out = np.full((3, 4 * height, 4 * width + 13), -7, np.float32)
    with opened(*case) as engine:
        for n in range(2):
            ticket = engine.submit(strided(max(n - 1, 0)), strided(n), strided(n + 1), output=True)
            assert ticket is not None
            ticket.wait((out[0, :, : 4 * width], out[1, :, : 4 * width], out[2, :, : 4 * width]))
            assert np.array_equal(out[:, :, : 4 * width], straight(case)[n])
            assert (out[:, :, 4 * width :] == -7).all()


@pytest.mark.parametrize("case", ALL)
def test_planes_are_not_looked_at_after_submit(case: Case) -> None:
    with opened(*case) as engine:
        for n in range(3):
            window = [frame(max(n - 1, 0)), frame(n), frame(n + 1)]
            ticket = engine.submit(window[0], window[1], window[2], output=True)
            for lent in window:
                for plane in lent.planes:
                    plane[:] = 0.5
            assert np.array_equal(received(ticket), straight(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_stdout_is_left_alone(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    run(*case, steps=2)

    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("waited_for", [True, False])
@pytest.mark.parametrize("case", ALL)
def test_closing_twice_and_with_tickets_outstanding(case: Case, waited_for: bool) -> None:
    with opened(*case) as engine:
        tickets = [step(engine, n) for n in range(engine.depth)]
        if waited_for:
            for ticket in tickets:
                received(ticket)
        engine.close()
        engine.close()
        del tickets


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_an_engine_that_is_closed_frees_what_it_holds(case: Case) -> None:
    before = threading.active_count()
    for _ in range(3):
        run(*case, steps=1)

    assert threading.active_count() == before


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_a_device_that_does_not_exist(case: Case) -> None:
    setup = dataclasses.replace(setup_for(case[0], *SIZE, options=case[1:]), device=99)

    with pytest.raises(EngineError, match=r"device=99 .*use device=0"):
        engine_class(case[0])(setup)


@pytest.mark.parametrize("case", parameters([("onnxruntime", "provider=cpu", "bf16"), ("torch", "fp16")]))
def test_a_precision_that_is_not_computed(case: Case) -> None:
    pytest.importorskip(case[0])
    if case[0] == "torch" and has_gpu():
        pytest.skip("a GPU computes it")
    engine, *options, precision = case

    with pytest.raises(EngineError, match=rf"precision='{precision}'.*use .*'auto'"):
        engine_class(engine)(setup_for(engine, *SIZE, precision=precision, options=tuple(options)))


@contextmanager
def failing_openvino(engine: Any) -> Iterator[None]:
    slot = type(engine._slots[0])
    start = slot.start

    def start_in_vain(self: Any, window: Any) -> Any:
        started = start(self, window)
        started._request = Failing(started._request, "wait")
        return started

    slot.start = start_in_vain
    yield
    slot.start = start


@contextmanager
def failing_at(engine: Any, attribute: str, method: str) -> Iterator[None]:
    working = getattr(engine, attribute)
    setattr(engine, attribute, Failing(working, method))
    yield
    setattr(engine, attribute, working)


FAILING: dict[str, Callable[[Engine], Any]] = {
    "openvino": failing_openvino,
    "onnxruntime": partial(failing_at, attribute="_session", method="run_with_iobinding"),
    "torch": partial(failing_at, attribute="_recurrence", method="step"),
}


class Failing:
    """Something of a runtime's whose method does its work and then says that it failed."""

    def __init__(self, working: Any, method: str) -> None:
        self._working = working
        self._method = method

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._working, name)
        if name != self._method:
            return attribute

        def fail(*arguments: Any) -> None:
            attribute(*arguments)
            raise RuntimeError("out of luck")

        return fail


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize("case", WITH_NETWORK)
def test_nothing_comes_from_the_state_of_a_step_that_failed(case: Case, output: bool) -> None:
    with opened(*case) as engine:
        received(step(engine, 0))
        with FAILING[case[0]](engine):
            if output:
                with pytest.raises(EngineError, match="failed at a step: out of luck"):
                    received(step(engine, 1))
            else:  # it may be told now or later
                with suppress(EngineError):
                    step(engine, 1, output=False)
        for _ in range(2):
            with pytest.raises(EngineError, match="failed at a step: out of luck"):
                step(engine, 2)
        engine.reset()
        for n in range(2):
            assert np.array_equal(received(step(engine, n)), straight(case)[n])


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_a_failure_takes_no_earlier_frame_with_it(case: Case) -> None:
    with opened(*case) as engine:
        first = step(engine, 0)
        with FAILING[case[0]](engine), suppress(EngineError):
            step(engine, 1)
        assert np.array_equal(received(first), straight(case)[0])


@pytest.mark.parametrize("case", ALL)
def test_availability_says_what_it_runs_on(case: Case) -> None:
    found = engine_class(case[0]).availability()

    assert found.usable
    assert found.what
