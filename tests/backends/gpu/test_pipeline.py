"""The pipeline of GPU backends, on a simulated device with every allowed order of execution."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest

from tests.backends.gpu.random_runs import (
    HEIGHT,
    WIDTH,
    Parts,
    Reference,
    assert_same,
    check,
    open_pipeline,
    read_frame,
    submit,
)
from tests.backends.gpu.simulator import Failures, HashProgram, NetworkProgram, SimulatedDevice
from tests.backends.runner import import_onnxruntime_or_skip
from vsanimesr.backends.base import Frame, State
from vsanimesr.backends.gpu.device import DeviceError, Event, Graph, Stream
from vsanimesr.backends.gpu.pipeline import Pipeline, _RingSlot, _StepBuffers, bytes_needed
from vsanimesr.errors import BackendError
from vsanimesr.network.graph import build_graph
from vsanimesr.network.tensors import STATE, step_tensors
from vsanimesr.weights.load import load_weights

SR = (3, 4 * HEIGHT, 4 * WIDTH)


@pytest.fixture(scope="module")
def helper() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("part", range(8))
def test_every_order_of_execution_gives_the_same_frames(part: int) -> None:
    for seed in range(100 * part, 100 * (part + 1)):
        check(Parts(), seed)


def test_other_threads_wait_for_tickets_while_steps_are_submitted(helper: ThreadPoolExecutor) -> None:
    for seed in range(100):
        check(Parts(), seed, helper=helper)


def test_the_network_gives_the_same_frames_as_step_by_step(helper: ThreadPoolExecutor) -> None:
    parts = network_parts(6, 5)

    for seed in range(40):
        check(parts, seed, steps=10, helper=helper)


def network_parts(width: int, height: int) -> Parts:
    """Return the parts of a run of the network on the CPU."""
    runtime = import_onnxruntime_or_skip()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = build_graph(load_weights("v2"), (width, height)).SerializeToString()
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    tensors = step_tensors(width, height, "fp32")
    names = ["frame", "sr_out", "hidden_out"]
    return Parts(
        program=partial(NetworkProgram, session=session),
        step=lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True)),
        tensors=tensors,
    )


def windows(count: int) -> list[tuple[int, int, int]]:
    """Return the windows of the first steps of a clip, as frame numbers."""
    return [(max(n - 1, 0), n, n + 1) for n in range(count)]


def run(pipeline: Pipeline, count: int) -> None:
    for numbers in windows(count):
        read_frame(submit(pipeline, Parts(), numbers), SR)


@pytest.mark.parametrize("graphs", [True, False])
def test_a_source_frame_is_uploaded_once(graphs: bool) -> None:
    with open_pipeline(Parts(), graphs=graphs) as (device, pipeline):
        run(pipeline, 20)

        assert [kind for kind, _ in device.log].count("upload") == 21
        assert [kind for kind, _ in device.log].count("download") == 20


def test_a_step_without_output_downloads_nothing() -> None:
    with open_pipeline(Parts()) as (device, pipeline):
        for numbers in windows(5):
            assert submit(pipeline, Parts(), numbers, output=False) is None
        read_frame(submit(pipeline, Parts(), (4, 5, 6)), SR)

        assert [kind for kind, _ in device.log].count("download") == 1


def test_submit_does_not_wait_for_the_device() -> None:
    with open_pipeline(Parts(), lag=1) as (device, pipeline):
        before = len(device.log)
        tickets = [submit(pipeline, Parts(), numbers) for numbers in windows(2)]

        assert len(device.log) == before
        for ticket in tickets:
            read_frame(ticket, SR)


def test_copies_overlap_with_the_network() -> None:
    """Step n + 1 may run before the download of frame n; the upload of frame n + 2, for step n + 1, before step n."""
    seen = set()
    for seed in range(200):
        with open_pipeline(Parts(), seed=seed, lag=1) as (device, pipeline):
            before = len(device.log)
            for ticket in [submit(pipeline, Parts(), numbers) for numbers in windows(2)]:
                read_frame(ticket, SR)
            order = [kind for kind, _ in device.log[before:]]
        steps, uploads = positions(order, "step"), positions(order, "upload")
        if steps[1] < positions(order, "download")[0]:
            seen.add("download after the next step")
        if uploads[2] < steps[0]:
            seen.add("upload before the previous step")

    assert seen == {"download after the next step", "upload before the previous step"}


def positions(order: list[str], kind: str) -> list[int]:
    return [position for position, found in enumerate(order) if found == kind]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (41, 30)])
def test_all_memory_is_allocated_before_the_first_step_as_computed(size: tuple[int, int]) -> None:
    parts = Parts(tensors=step_tensors(*size, "fp32"))
    with open_pipeline(parts) as (device, pipeline):
        before = (device.allocated, device.pinned)
        submit(pipeline, parts, (0, 0, 1), output=False)

        assert (device.allocated, device.pinned) == before
        assert device.allocated == bytes_needed(*size, "fp32")
    assert bytes_needed(*size, "fp16") < bytes_needed(*size, "fp32")


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_snapshot_has_the_same_axes_whatever_the_layout_on_the_device(channels_last: bool) -> None:
    tensors = step_tensors(6, 5, "fp32", channels_last=channels_last)
    state: State = tuple(
        np.arange(tensors[name].bytes // 4, dtype=np.float32).reshape(tensors[name].shape[1:]) for name in STATE
    )
    with open_pipeline(Parts(tensors=tensors)) as (device, pipeline):
        pipeline.load_state(state)
        for saved, array in zip(pipeline.save_state(), state, strict=True):
            np.testing.assert_array_equal(saved, array)
        for name, array in zip(STATE, state, strict=True):
            memory = device.at(pipeline._state_buffers()[name].address).view(np.float32)
            np.testing.assert_array_equal(memory, (array.transpose(1, 2, 0) if channels_last else array).reshape(-1))


# Failures


@pytest.mark.parametrize("graphs", [True, False])
def test_after_a_call_that_failed_nothing_works_until_the_reset(graphs: bool) -> None:
    """Each call of a run fails once."""
    check_recovery(Parts(), graphs, seeds=4)


def check_recovery(parts: Parts, graphs: bool, seeds: int) -> None:
    with open_pipeline(parts, graphs=graphs) as (device, pipeline):
        first = device.failures.calls
        run(pipeline, 4)
        last = device.failures.calls
    for seed in range(seeds):
        for call in range(first, last):
            fail_and_recover(parts, graphs, seed, call)


def fail_and_recover(parts: Parts, graphs: bool, seed: int, call: int) -> None:
    failures = Failures(at_call=call)
    with open_pipeline(parts, seed=seed, lag=0.9, graphs=graphs, failures=failures) as (_, pipeline):
        with pytest.raises(BackendError, match="backend='simulated' failed at a step: out of luck; try again"):
            run(pipeline, 6)
        for _ in range(2):
            with pytest.raises(BackendError, match="out of luck"):
                submit(pipeline, parts, (0, 0, 1), output=False)
            with pytest.raises(BackendError, match="out of luck"):
                pipeline.save_state()
        if seed // 2 % 2:
            pipeline.load_state(tuple(np.zeros(parts.tensors[name].shape[1:], np.float32) for name in STATE))
        else:
            pipeline.reset()
        reference = Reference(parts)
        for numbers in [*windows(6), (9, 8, 0)] if seed % 2 else [(9, 8, 0), (8, 0, 7), *windows(6)]:
            expected = reference.step(numbers)
            assert_same(read_frame(submit(pipeline, parts, numbers), SR), expected)


def test_a_ticket_from_before_a_failure_is_invalid_and_does_not_affect_later_steps() -> None:
    parts = Parts()
    with open_pipeline(parts, failures=Failures()) as (device, pipeline):
        old = submit(pipeline, parts, (0, 0, 1))
        device.failures.at_call = device.failures.calls + 1
        with pytest.raises(BackendError, match="out of luck"):
            submit(pipeline, parts, (0, 1, 2))
        with pytest.raises(BackendError, match="out of luck"):
            read_frame(old, SR)
        pipeline.reset()
        with pytest.raises(BackendError, match="lost this frame when a step failed; request it again"):
            read_frame(old, SR)
        assert_same(read_frame(submit(pipeline, parts, (3, 4, 5)), SR), Reference(parts).step((3, 4, 5)))


@pytest.mark.parametrize("graphs", [True, False])
def test_a_fatal_error_cannot_be_reset(graphs: bool) -> None:
    with open_pipeline(Parts(), graphs=graphs) as (device, pipeline):
        first = device.failures.operations
        run(pipeline, 3)
        last = device.failures.operations - 3  # no ticket waits for the last operations
    for operation in range(first, last):
        failures = Failures(at_operation=operation)
        with open_pipeline(Parts(), seed=operation, graphs=graphs, failures=failures) as (device, pipeline):
            with pytest.raises(BackendError, match="gone; restart the program"):
                run(pipeline, 6)
            for _ in range(2):
                with pytest.raises(BackendError, match="gone; restart the program"):
                    pipeline.reset()
                with pytest.raises(BackendError, match="gone; restart the program"):
                    pipeline.save_state()
                with pytest.raises(BackendError, match="gone; restart the program"):
                    pipeline.load_state(())
                with pytest.raises(BackendError, match="gone; restart the program"):
                    submit(pipeline, Parts(), (0, 0, 1))
        assert device.closed


@pytest.mark.parametrize("method", ["save", "load"])
def test_a_snapshot_that_fails_is_a_failure_which_another_one_overcomes(method: str) -> None:
    parts = Parts()
    for call in range(4):
        with open_pipeline(parts, seed=call) as (device, pipeline):
            reference = Reference(parts)
            reference.step((0, 0, 1))
            submit(pipeline, parts, (0, 0, 1), output=False)
            state = pipeline.save_state()
            device.failures.at_call = device.failures.calls + call
            with pytest.raises(BackendError, match="out of luck"):
                pipeline.save_state() if method == "save" else pipeline.load_state(state)
            with pytest.raises(BackendError, match="out of luck"):
                submit(pipeline, parts, (0, 1, 2))
            pipeline.load_state(state)
            assert_same(read_frame(submit(pipeline, parts, (0, 1, 2)), SR), reference.step((0, 1, 2)))


def test_everything_is_closed_if_any_call_fails_during_opening() -> None:
    with open_pipeline(Parts()) as (device, _):
        calls = device.failures.calls
    for call in range(calls):
        device = SimulatedDevice(failures=Failures(at_call=call))
        program = HashProgram(device, Parts().tensors)
        try:
            Pipeline(device, program, backend="simulated", graphs=True).close()
        except BackendError as error:
            assert str(error) == "backend='simulated' cannot be opened: out of luck; try again"  # noqa: PT017
        assert device.closed
        assert program.closed


class NoGraphs(SimulatedDevice):
    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        raise DeviceError("this cannot be captured")


def test_a_pipeline_runs_without_graphs_if_none_can_be_captured(caplog: pytest.LogCaptureFixture) -> None:
    parts, device = Parts(), NoGraphs()
    with caplog.at_level(logging.WARNING):
        pipeline = parts.open(device)
    assert [record.getMessage() for record in caplog.records] == [
        "backend='simulated' runs without graphs, because none can be captured: this cannot be captured"
    ]
    reference = Reference(parts)
    for numbers in windows(4):
        assert_same(read_frame(submit(pipeline, parts, numbers), SR), reference.step(numbers))
    pipeline.close()


@pytest.mark.parametrize(("asked", "possible"), [(True, True), (True, False), (False, True)])
def test_graphs_are_captured_if_requested_and_possible_and_the_log_says_once_why_not(
    asked: bool, possible: bool, caplog: pytest.LogCaptureFixture
) -> None:
    device = SimulatedDevice()
    program = HashProgram(device, Parts().tensors, graphs=possible)
    with caplog.at_level(logging.WARNING):
        pipeline = Pipeline(device, program, backend="simulated", graphs=asked)
        read_frame(submit(pipeline, Parts(), (0, 0, 1)), SR)

    assert device.graphs == (2 if asked and possible else 0)
    expected = "backend='simulated' runs without graphs, because none can be captured: this program has none"
    assert [record.getMessage() for record in caplog.records] == [expected] * (asked and not possible)
    pipeline.close()


def test_graphs_are_destroyed_before_the_program_closes() -> None:
    """Graphs hold addresses of the execution context; TensorRT frees it with the program."""
    graphs: list[int] = []

    class Watching(HashProgram):
        def close(self) -> None:
            graphs.append(device.graphs)

    device = SimulatedDevice()
    pipeline = Pipeline(device, Watching(device, Parts().tensors), backend="simulated", graphs=True)
    assert device.graphs == 2
    pipeline.close()

    assert graphs == [0]


def test_a_thread_keeps_its_own_device(helper: ThreadPoolExecutor) -> None:
    """Other plugins work on VapourSynth's threads too."""
    with open_pipeline(Parts()) as (device, pipeline):
        calls: list[Callable[[], object]] = [
            lambda: read_frame(submit(pipeline, Parts(), (0, 0, 1)), SR),
            pipeline.save_state,
            lambda: pipeline.load_state(pipeline.save_state()),
            pipeline.reset,
        ]
        for call in calls:
            for attached in (False, True):
                assert helper.submit(call_attached, device, call, attached).result() is attached
                assert call_attached(device, call, attached) is attached
        device.failures.at_call = device.failures.calls + 1
        with pytest.raises(BackendError, match="out of luck"):
            submit(pipeline, Parts(), (5, 6, 7))
        assert not device.is_attached
    assert not device.is_attached


def call_attached(device: SimulatedDevice, call: Callable[[], object], attached: bool) -> bool:
    """Return whether the device is that of this thread after a call, if it was before or not."""
    with device.attached() if attached else nullcontext():
        call()
        return device.is_attached


def test_after_closing_tickets_are_invalid_and_a_second_close_does_nothing() -> None:
    with open_pipeline(Parts()) as (_, pipeline):
        ticket = submit(pipeline, Parts(), (0, 0, 1))
    pipeline.close()

    with pytest.raises(BackendError, match="has been closed; open it again"):
        read_frame(ticket, SR)
    with pytest.raises(BackendError, match="has been closed"):
        submit(pipeline, Parts(), (0, 0, 1))
    with pytest.raises(BackendError, match="has been closed"):
        pipeline.reset()
    with pytest.raises(BackendError, match="has been closed"):
        pipeline.save_state()
    with pytest.raises(BackendError, match="has been closed"):
        pipeline.load_state(())


def test_an_interrupt_during_a_step_is_a_failure() -> None:
    class Interrupt(HashProgram):
        on = False

        def enqueue(self, stream: Stream) -> None:
            if self.on:
                raise KeyboardInterrupt
            super().enqueue(stream)

    parts = Parts(program=Interrupt)
    with open_pipeline(parts, graphs=False) as (_, pipeline):
        Interrupt.on = True
        with pytest.raises(KeyboardInterrupt):
            submit(pipeline, parts, (0, 0, 1))
        Interrupt.on = False
        with pytest.raises(BackendError, match="KeyboardInterrupt"):
            submit(pipeline, parts, (0, 0, 1))
        pipeline.reset()
        assert_same(read_frame(submit(pipeline, parts, (0, 0, 1)), SR), Reference(parts).step((0, 0, 1)))


# Planted faults: the random runs must find each of them


def skip_calls(method: str, owner: str, event: str) -> Parts:
    """Plant a fault: the pipeline skips the calls of a device's method with one kind of event.

    Args:
        owner: attribute of the pipeline with the object, or the list of objects, that have the event.
        event: attribute of those objects.
    """

    class Faulty(Pipeline):
        def _allocate(self) -> None:
            super()._allocate()
            owners = getattr(self, owner)
            events: set[Event] = {getattr(each, event) for each in (owners if isinstance(owners, list) else [owners])}
            assert events
            call = getattr(self._device, method)

            def call_or_skip(*arguments: int) -> None:
                if not events.intersection(arguments):
                    call(*arguments)

            setattr(self._device, method, call_or_skip)

    return Parts(pipeline=Faulty)


class OneStagingBuffer(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        for slot in self._ring:
            slot.staging = self._ring[0].staging


class OneReadback(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        self._readbacks[1].pinned = self._readbacks[0].pinned


class OneFrame(Pipeline):
    """A step overwrites the frame of the previous step, which may not be downloaded yet."""

    def _allocate(self) -> None:
        super()._allocate()
        self._buffer_sets[1].frame = self._buffer_sets[0].frame


class OneState(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        self._buffer_sets[1].state = self._buffer_sets[0].state


class SwapGraphs(Pipeline):
    def _warm_up(self, graphs: bool) -> None:
        super()._warm_up(graphs)
        even, odd = self._buffer_sets
        even.graph, odd.graph = odd.graph, even.graph


class OneGraph(Pipeline):
    def _warm_up(self, graphs: bool) -> None:
        super()._warm_up(graphs)
        even, odd = self._buffer_sets
        if odd.graph is not None:
            self._device.destroy(odd.graph)
        odd.graph = even.graph


class BindOnce(Pipeline):
    def _bind(self, buffers: _StepBuffers) -> None:
        if not (self._steps or self._tickets):
            super()._bind(buffers)


class NoReset(Pipeline):
    def reset(self) -> None:
        pass


class ResetOtherBuffers(Pipeline):
    def _clear_state(self) -> None:
        self._steps += 1
        super()._clear_state()
        self._steps -= 1


class ResetSrOnly(Pipeline):
    def _clear_state(self) -> None:
        self._device.zero(self._buffer_sets[self._steps % 2].state["sr"], self._compute)


class ResetOutOfOrder(Pipeline):
    def _clear_state(self) -> None:
        for buffer in self._buffer_sets[self._steps % 2].state.values():
            self._device.zero(buffer, self._uploads)


class SaveOtherBuffers(Pipeline):
    def save_state(self) -> State:
        self._steps += 1
        try:
            return super().save_state()
        finally:
            self._steps -= 1


class LoadOtherBuffers(Pipeline):
    def load_state(self, state: State) -> None:
        self._steps += 1
        super().load_state(state)
        self._steps -= 1


class LoadSrOnly(Pipeline):
    def load_state(self, state: State) -> None:
        _, hidden = self.save_state()
        super().load_state((state[0], hidden))


class SaveStaging(Pipeline):
    """A snapshot is the staging buffer itself, which the next snapshot overwrites."""

    def save_state(self) -> State:
        super().save_state()
        return tuple(self._state_array(name) for name in STATE)


class SaveOutOfOrder(Pipeline):
    def save_state(self) -> State:
        compute, self._compute = self._compute, self._downloads
        try:
            return super().save_state()
        finally:
            self._compute = compute


class LoadOutOfOrder(Pipeline):
    def load_state(self, state: State) -> None:
        compute, self._compute = self._compute, self._uploads
        super().load_state(state)
        self._compute = compute


class SkipUploads(Pipeline):
    def _upload(self, slot: _RingSlot, frame: Frame) -> None:
        if slot.number is None:
            super()._upload(slot, frame)


class KeepNumbers(Pipeline):
    """A slot keeps the number of its first frame."""

    def _upload(self, slot: _RingSlot, frame: Frame) -> None:
        number = slot.number
        super()._upload(slot, frame)
        slot.number = slot.number if number is None else number


class CountOutputsOnly(Pipeline):
    def _run(self, buffers: _StepBuffers) -> None:
        super()._run(buffers)
        self._steps -= self._tickets % 2


class CloseAtOnce(Pipeline):
    def _drain(self) -> None:
        if not self._steps:
            super()._drain()


EVENTS = (
    ("_ring", "ready"),
    ("_ring", "consumed"),
    ("_buffer_sets", "ready"),
    ("_buffer_sets", "consumed"),
    ("_readbacks", "ready"),
)
CALLS = [
    *(("wait", *event) for event in EVENTS if event[0] != "_readbacks"),
    ("synchronise", "_ring", "ready"),
    ("synchronise", "_readbacks", "ready"),
    *(("record", *event) for event in EVENTS),
    ("synchronise", "_state_staging", "copied"),
    ("record", "_state_staging", "copied"),
]
FAULTS: dict[str, Parts] = {
    **{f"no {method}: {owner}.{event}": skip_calls(method, owner, event) for method, owner, event in CALLS},
    **{
        pipeline.__name__: Parts(pipeline=pipeline)
        for pipeline in (
            OneStagingBuffer,
            OneReadback,
            OneFrame,
            OneState,
            SwapGraphs,
            OneGraph,
            BindOnce,
            NoReset,
            ResetOtherBuffers,
            ResetSrOnly,
            ResetOutOfOrder,
            SaveOtherBuffers,
            LoadOtherBuffers,
            LoadSrOnly,
            SaveStaging,
            SaveOutOfOrder,
            LoadOutOfOrder,
            SkipUploads,
            KeepNumbers,
            CountOutputsOnly,
            CloseAtOnce,
        )
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    assert any(fails(FAULTS[fault], seed) for seed in range(250))


def fails(parts: Parts, seed: int) -> bool:
    try:
        check(parts, seed)
    except (AssertionError, BackendError):
        return True
    return False


class KeepFailedUploads(Pipeline):
    """A slot counts as uploaded although its upload failed."""

    def _upload(self, slot: _RingSlot, frame: Frame) -> None:
        try:
            super()._upload(slot, frame)
        finally:
            slot.number = frame.number

    def _recover(self) -> None:
        numbers = [slot.number for slot in self._ring]
        super()._recover()
        for slot, number in zip(self._ring, numbers, strict=True):
            slot.number = number


class KeepLastSteps(Pipeline):
    """Slots of a step that failed count as slots of the next step."""

    def _recover(self) -> None:
        last_steps = [slot.last_step for slot in self._ring]
        super()._recover()
        for slot, step in zip(self._ring, last_steps, strict=True):
            slot.last_step = step


@pytest.mark.parametrize("pipeline", [KeepFailedUploads, KeepLastSteps])
def test_a_fault_in_the_recovery_is_found(pipeline: type[Pipeline]) -> None:
    with pytest.raises(AssertionError):
        check_recovery(Parts(pipeline=pipeline), graphs=True, seeds=20)


def test_new_memory_holds_nan_and_freed_memory_cannot_be_used() -> None:
    device = SimulatedDevice()
    with device.attached():
        buffer = device.allocate(4)
    assert np.isnan(device.at(buffer.address).view(np.float32)).all()
    device.close()
    with pytest.raises(AssertionError, match="freed"):
        device.at(buffer.address)
