"""The contract of `base`, for every backend."""

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

from scripts.studies.colours.correction import block_means
from scripts.studies.psnr import compute_psnr
from tests.backends.runner import (
    SIZE,
    TILED,
    Picture,
    Size,
    assert_source_is_added,
    make_frame,
    make_setup,
    read_frame,
    run_steps,
    start_backend,
    submit_step,
)
from vsanimesr.backends import backend_class
from vsanimesr.backends.base import Backend, Frame
from vsanimesr.backends.gpu.device import Device, DeviceError, Program
from vsanimesr.backends.onnxruntime import import_onnxruntime
from vsanimesr.errors import BackendError
from vsanimesr.network.colour import Colour
from vsanimesr.network.graph import GraphPrecision
from vsanimesr.network.tensors import STATE, step_tensors

type Case = tuple[str, ...]
"""Name of a backend, and its options."""

CPU_CASES: list[Case] = [("openvino",), ("onnxruntime", "provider=cpu"), ("torch",)]
GPU_CASES: list[Case] = [
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


def find_obstacle(case: Case) -> str:
    """Return why a case on a GPU cannot run here, or nothing."""
    provider = {"provider=cuda": "CUDAExecutionProvider", "provider=tensorrt": "TensorrtExecutionProvider"}.get(case[1])
    if not has_gpu():
        return "no GPU here"
    if provider:
        if find_spec("onnxruntime") is None:
            return "onnxruntime is not installed"
        if provider not in import_onnxruntime().get_available_providers():
            return "onnxruntime-gpu is not installed"
    if case[1] == "compile=tensorrt" and find_spec("torch_tensorrt") is None:
        return "torch_tensorrt is not installed"
    return ""


def parameters(cases: list[Case]) -> list[Any]:
    return [pytest.param(case, id="-".join(case)) for case in cases]


def gpu_parameter(case: Case) -> Any:
    obstacle = find_obstacle(case)
    marks = [pytest.mark.gpu, *([pytest.mark.skip(obstacle)] if obstacle else [])]
    return pytest.param(case, marks=marks, id="-".join(case))


WITH_NETWORK = [
    *parameters([case for case in CPU_CASES if find_spec(case[0])]),
    *map(gpu_parameter, GPU_CASES),
]
ALL = [*WITH_NETWORK, *parameters([("null",), ("null", TILED)])]
STEPS = 5
COLOURS: tuple[Colour, Colour] = ("network", "source")

_references: dict[Case, list[Picture]] = {}


def reference(case: Case) -> list[Picture]:
    """Return the frames of the first steps of a backend, each waited for before the next step."""
    if case not in _references:
        _references[case] = run_steps(*case, steps=STEPS)
    return _references[case]


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino, which they are compared with, is not installed")
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (41, 30)], ids=str)
@pytest.mark.parametrize("model", ["v1", "v2"])
@pytest.mark.parametrize("case", WITH_NETWORK)
def test_all_backends_give_the_same_picture(case: Case, model: str, size: Size) -> None:
    expected = run_steps("openvino", model=model, size=size)

    assert min(map(compute_psnr, run_steps(*case, model=model, size=size), expected)) >= 100


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_inputs_are_clamped_and_outputs_are_not(case: Case) -> None:
    pixels = np.linspace(-0.5, 1.5, 3 * SIZE[0] * SIZE[1], dtype=np.float32).reshape(3, SIZE[1], SIZE[0])

    def upscale(picture: Picture) -> Picture:
        still = Frame(0, (picture[0], picture[1], picture[2]))
        with start_backend(*case) as backend:
            return read_frame(backend.submit(still, still, still, output=True))

    assert np.array_equal(upscale(pixels), upscale(pixels.clip(0, 1)))
    assert float(upscale(pixels).max()) > 1.01


@pytest.mark.parametrize("size", [(1, 1), (9, 7), SIZE], ids=str)
@pytest.mark.parametrize("case", WITH_NETWORK)
def test_colours_of_the_source_are_added_after_the_network(case: Case, size: Size) -> None:
    """What a step adds does not reach the next one: that one would differ."""
    assert_source_is_added(*case, size=size)


@pytest.mark.parametrize("model", ["v1", "v2"])
@pytest.mark.parametrize("case", WITH_NETWORK)
def test_grey_stays_grey_with_the_colours_of_the_source(case: Case, model: str) -> None:
    """Without them, v2 makes 131.6 of 128. Single pixels vary by 2 or 3, because the networks add texture."""
    grey = np.full((SIZE[1], SIZE[0]), 128 / 255, np.float32)
    still = Frame(0, (grey, grey, grey))
    with start_backend(*case, colour="source", model=model) as backend:
        for _ in range(STEPS):
            frame = read_frame(backend.submit(still, still, still, output=True))

    assert np.abs(255 * frame.mean((1, 2)) - 128).max() < 0.05
    assert np.abs(255 * block_means(frame, 16) - 128).max() < 0.3


@pytest.mark.parametrize("case", ALL)
def test_the_same_steps_give_the_same_bits(case: Case) -> None:
    with start_backend(*case) as backend:
        for _ in range(2):
            for n in range(STEPS):
                assert np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])
            backend.reset()
        submit_step(backend, 0, output=False)
        backend.reset()  # also after an odd number of steps
        for n in range(STEPS):
            assert np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_frames_depend_on_the_state(case: Case) -> None:
    with start_backend(*case) as backend:
        for n in (1, 2):
            assert not np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])


@pytest.mark.parametrize("silent", [{0}, {0, 1, 2}, {1, 3}, {0, 3}], ids=str)
@pytest.mark.parametrize("case", ALL)
def test_a_step_without_output_updates_the_state(case: Case, silent: set[int]) -> None:
    with start_backend(*case) as backend:
        for n in range(STEPS):
            ticket = submit_step(backend, n, output=n not in silent)
            if n in silent:
                assert ticket is None
            else:
                assert np.array_equal(read_frame(ticket), reference(case)[n])


@pytest.mark.parametrize("later", [1, 2])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("case", ALL)
def test_a_run_continues_from_a_snapshot_with_the_same_bits(case: Case, at: int, later: int) -> None:
    """`at` steps, the snapshot, `later` steps of other frames, and the run from the snapshot on. All of it twice."""
    with start_backend(*case) as backend:
        for n in range(at):
            submit_step(backend, n, output=False)
        state = backend.save_state()
        for _ in range(2):
            for n in range(later):
                submit_step(backend, n + 7, output=False)
            backend.load_state(state)
            for n in range(at, at + 2):
                assert np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_a_snapshot_does_not_disturb_the_run(case: Case) -> None:
    """Each snapshot is taken while the step may still run, and before its frame is read."""
    with start_backend(*case) as backend:
        states = [backend.save_state()]
        for n in range(STEPS):
            ticket = submit_step(backend, n)
            states.append(backend.save_state())
            assert np.array_equal(read_frame(ticket), reference(case)[n])
        for n in reversed(range(STEPS)):
            backend.load_state(states[n])
            assert np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_two_runs_on_one_backend_take_turns(case: Case) -> None:
    with start_backend(*case) as backend:
        first = second = backend.save_state()
        for n in range(3):
            backend.load_state(first)
            ticket = submit_step(backend, n)
            first = backend.save_state()
            backend.load_state(second)
            submit_step(backend, n + 5, output=False)
            second = backend.save_state()
            assert np.array_equal(read_frame(ticket), reference(case)[n])


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_a_snapshot_is_arrays_that_can_be_put_together(case: Case) -> None:
    """A state that was cut and put together is the same state."""
    expected = step_tensors(*SIZE, "fp32")
    with start_backend(*case) as backend:
        submit_step(backend, 0, output=False)
        state = backend.save_state()
        parts = [np.concatenate([array[:, :9], array[:, 9:]], 1) for array in state]
        backend.load_state(tuple(np.ascontiguousarray(array) for array in parts))
        for part in parts:
            part.view(np.int32)[:] = -1
        assert np.array_equal(read_frame(submit_step(backend, 1)), reference(case)[1])
        assert [array.shape for array in state] == [expected[name].shape[1:] for name in STATE]


@pytest.mark.parametrize("case", ALL)
def test_a_reset_after_a_snapshot_was_loaded(case: Case) -> None:
    with start_backend(*case) as backend:
        submit_step(backend, 0, output=False)
        backend.load_state(backend.save_state())
        backend.reset()
        for n in range(2):
            assert np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])


@pytest.mark.parametrize(
    "case", [*ALL, *parameters([(*case, "fp16") for case in CPU_CASES[1:2] if find_spec(case[0])])]
)
def test_the_size_of_a_snapshot_is_known(case: Case) -> None:
    precision: GraphPrecision = "fp16" if "fp16" in case else "fp32"
    expected = step_tensors(*SIZE, precision)
    with start_backend(*(each for each in case if each != precision), precision=precision) as backend:
        state = backend.save_state()
        assert backend.state_bytes == (4 if case == ("null",) else sum(array.nbytes for array in state))
        if case[0] != "null":
            assert [array.nbytes for array in state] == [expected[name].bytes for name in STATE]


@pytest.mark.parametrize("case", ALL)
def test_backends_that_are_open_together_are_independent(case: Case) -> None:
    small = (9, 6)
    expected = run_steps(*case, size=small, steps=STEPS)
    with start_backend(*case) as first, start_backend(*case, size=small) as second, start_backend(*case) as third:
        submit_step(third, 7, output=False)
        for n in range(STEPS):
            tickets = submit_step(first, n), submit_step(second, n, size=small), submit_step(third, n)
            assert np.array_equal(read_frame(tickets[0]), reference(case)[n])
            assert np.array_equal(read_frame(tickets[1], small), expected[n])
            assert not np.array_equal(read_frame(tickets[2]), reference(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_depth_tickets_stay_valid_and_may_be_waited_for_in_any_order(case: Case) -> None:
    with start_backend(*case) as backend, ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            tickets = [submit_step(backend, n) for n in range(backend.depth)]
            for n in reversed(range(backend.depth)):
                assert np.array_equal(pool.submit(read_frame, tickets[n]).result(), reference(case)[n])
            backend.reset()


@pytest.mark.parametrize("case", ALL)
def test_other_threads_wait_for_tickets_while_steps_are_submitted(case: Case) -> None:
    """Each step is submitted by another thread, one at a time."""
    with start_backend(*case) as backend, ThreadPoolExecutor(2) as waiters:
        for _ in range(3):
            frames: list[Future[Picture]] = []
            for n in range(STEPS):
                if n >= backend.depth:
                    frames[n - backend.depth].result()
                with ThreadPoolExecutor(1) as submitter:
                    ticket = submitter.submit(submit_step, backend, n).result()
                frames.append(waiters.submit(read_frame, ticket))
            assert all(np.array_equal(frame.result(), reference(case)[n]) for n, frame in enumerate(frames))
            backend.reset()


@pytest.mark.parametrize("case", ALL)
def test_rows_of_lr_and_sr_frames_may_be_padded(case: Case) -> None:
    width, height = SIZE

    def make_strided_frame(n: int) -> Frame:
        rows = np.full((3, height, width + 23), np.nan, np.float32)
        for target, plane in zip(rows, make_frame(n).planes, strict=True):
            target[:, :width] = plane
        rows.flags.writeable = False
        return Frame(n, (rows[0, :, :width], rows[1, :, :width], rows[2, :, :width]))

    out = np.full((3, 4 * height, 4 * width + 13), -7, np.float32)
    with start_backend(*case) as backend:
        for n in range(2):
            window = (make_strided_frame(max(n - 1, 0)), make_strided_frame(n), make_strided_frame(n + 1))
            ticket = backend.submit(*window, output=True)
            assert ticket is not None
            ticket.wait((out[0, :, : 4 * width], out[1, :, : 4 * width], out[2, :, : 4 * width]))
            assert np.array_equal(out[:, :, : 4 * width], reference(case)[n])
            assert (out[:, :, 4 * width :] == -7).all()


@pytest.mark.parametrize("case", ALL)
def test_planes_are_not_read_after_submit(case: Case) -> None:
    with start_backend(*case) as backend:
        for n in range(3):
            window = [make_frame(max(n - 1, 0)), make_frame(n), make_frame(n + 1)]
            ticket = backend.submit(window[0], window[1], window[2], output=True)
            for frame in window:
                for plane in frame.planes:
                    plane[:] = 0.5
            assert np.array_equal(read_frame(ticket), reference(case)[n])


@pytest.mark.parametrize("case", ALL)
def test_nothing_is_written_to_stdout(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    run_steps(*case, steps=2)

    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("case", ALL)
def test_closing_twice_and_with_outstanding_tickets(case: Case, wait: bool) -> None:
    with start_backend(*case) as backend:
        tickets = [submit_step(backend, n) for n in range(backend.depth)]
        if wait:
            for ticket in tickets:
                read_frame(ticket)
        backend.close()
        backend.close()
        del tickets


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_a_closed_backend_leaves_no_threads(case: Case) -> None:
    before = threading.active_count()
    for _ in range(3):
        run_steps(*case, steps=1)

    assert threading.active_count() == before


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_a_device_that_does_not_exist(case: Case) -> None:
    setup = dataclasses.replace(make_setup(case[0], *SIZE, options=case[1:]), device=99)

    with pytest.raises(BackendError, match=r"device=99 .*use device=0"):
        backend_class(case[0])(setup)


@pytest.mark.parametrize(
    "case",
    parameters(
        [
            ("onnxruntime", "provider=cpu", "bf16"),
            ("onnxruntime", "provider=cpu", "fp8"),
            ("openvino", "fp8"),
            ("openvino", "fp16"),
            ("torch", "fp8"),
            ("torch", "fp16"),
        ]
    ),
)
def test_a_precision_that_is_not_computed(case: Case) -> None:
    if find_spec(case[0]) is None:
        pytest.skip(f"{case[0]} is not installed")
    if case == ("torch", "fp16") and has_gpu():
        pytest.skip("a GPU computes it")
    backend, *options, precision = case

    with pytest.raises(BackendError, match=rf"precision='{precision}'.*use .*'auto'"):
        backend_class(backend)(make_setup(backend, *SIZE, precision=precision, options=tuple(options)))


class Failing:
    """A runtime's object with one method that does its work and then raises an error."""

    def __init__(self, target: Any, method: str) -> None:
        self._target = target
        self._method = method
        self._error = DeviceError if isinstance(target, Device | Program) else RuntimeError

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        if name != self._method:
            return attribute

        def fail(*arguments: Any) -> None:
            attribute(*arguments)
            raise self._error("out of luck")

        return fail


@contextmanager
def fail_openvino(backend: Any) -> Iterator[None]:
    request = type(backend._requests[0])
    start = request.start

    def start_failing_step(self: Any, window: Any) -> Any:
        step = start(self, window)
        step._request = Failing(step._request, "wait")
        return step

    request.start = start_failing_step
    yield
    request.start = start


def runs_in_the_pipeline(backend: Any) -> bool:
    return hasattr(backend, "_steps") and hasattr(backend._steps, "_program")


@contextmanager
def fail_method(backend: Any, attribute: str, method: str) -> Iterator[None]:
    target = getattr(backend, attribute)
    setattr(backend, attribute, Failing(target, method))
    yield
    setattr(backend, attribute, target)


@contextmanager
def fail_torch(backend: Any) -> Iterator[None]:
    if runs_in_the_pipeline(backend):  # a step is a graph, or it is queued
        with fail_method(backend._steps, "_program", "enqueue"), fail_method(backend._steps, "_device", "launch"):
            yield
    else:
        with fail_method(backend._steps, "_recurrence", "step"):
            yield


FAIL: dict[str, Callable[[Backend], Any]] = {
    "openvino": fail_openvino,
    "onnxruntime": partial(fail_method, attribute="_session", method="run_with_iobinding"),
    "torch": fail_torch,
}
"""For each backend, a context in which its steps fail."""


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize("case", WITH_NETWORK)
def test_after_a_failure_no_frame_is_computed_until_the_reset(case: Case, output: bool) -> None:
    with start_backend(*case) as backend:
        read_frame(submit_step(backend, 0))
        with FAIL[case[0]](backend):
            if output:
                with pytest.raises(BackendError, match="failed at a step: out of luck"):
                    read_frame(submit_step(backend, 1))
            else:  # the failure may be raised now or later
                with suppress(BackendError):
                    submit_step(backend, 1, output=False)
        for _ in range(2):
            with pytest.raises(BackendError, match="failed at a step: out of luck"):
                submit_step(backend, 2)
            with pytest.raises(BackendError, match="failed at a step: out of luck"):
                backend.save_state()
        backend.reset()
        for n in range(2):
            assert np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_a_snapshot_overcomes_a_failure(case: Case) -> None:
    with start_backend(*case) as backend:
        submit_step(backend, 0, output=False)
        state = backend.save_state()
        with FAIL[case[0]](backend), suppress(BackendError):
            submit_step(backend, 1, output=False)
        backend.load_state(state)
        for n in (1, 2):
            assert np.array_equal(read_frame(submit_step(backend, n)), reference(case)[n])


@pytest.mark.parametrize("case", WITH_NETWORK)
def test_a_failure_keeps_earlier_frames(case: Case) -> None:
    with start_backend(*case) as backend:
        if runs_in_the_pipeline(backend):
            pytest.skip("a failure on a device loses the frames that have not been read")
        first = submit_step(backend, 0)
        with FAIL[case[0]](backend), suppress(BackendError):
            submit_step(backend, 1)
        assert np.array_equal(read_frame(first), reference(case)[0])


@pytest.mark.parametrize("case", ALL)
def test_availability_names_the_device(case: Case) -> None:
    found = backend_class(case[0]).availability()

    assert found.usable
    assert found.detail
