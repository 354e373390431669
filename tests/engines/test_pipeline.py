"""The run path of GPUs, on a device that runs what is queued in every order that is allowed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from vsanimesr.engines.base import Frame
from vsanimesr.engines.device import DeviceError, Event, Graph, Stream
from vsanimesr.engines.pipeline import Pipeline, _Side, _Slot, bytes_needed
from vsanimesr.engines.tensors import step_tensors
from vsanimesr.errors import EngineError
from vsanimesr.graph import build_graph
from vsanimesr.weights import load_weights

from .schedules import HEIGHT, WIDTH, Kit, Model, assert_same, check, opened, received, submit
from .simulator import CheapProgram, Failures, NetworkProgram, SimulatedDevice

SR = (3, 4 * HEIGHT, 4 * WIDTH)


@pytest.fixture(scope="module")
def helper() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.mark.parametrize("part", range(8))
def test_every_order_of_execution_gives_the_same_frames(part: int) -> None:
    for seed in range(250 * part, 250 * (part + 1)):
        check(Kit(), seed)


def test_tickets_are_waited_for_by_other_threads_while_steps_are_submitted(helper: ThreadPoolExecutor) -> None:
    for seed in range(300):
        check(Kit(), seed, helper=helper)


def test_the_network_gives_what_it_gives_step_by_step(helper: ThreadPoolExecutor) -> None:
    kit = network_kit(6, 5)

    for seed in range(40):
        check(kit, seed, steps=10, helper=helper)


def network_kit(width: int, height: int) -> Kit:
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    graph = build_graph(load_weights("v2"), (width, height)).SerializeToString()
    session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    tensors = step_tensors(width, height, "fp32")
    names = ["frame", "sr_out", "hidden_out"]
    return Kit(
        program=partial(NetworkProgram, session=session),
        step=lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True)),
        tensors=tensors,
    )


def linear(count: int) -> list[tuple[int, int, int]]:
    return [(max(n - 1, 0), n, n + 1) for n in range(count)]


def run(pipeline: Pipeline, count: int) -> None:
    for numbers in linear(count):
        received(submit(pipeline, Kit(), numbers), SR)


@pytest.mark.parametrize("graphs", [True, False])
def test_a_source_frame_is_uploaded_once(graphs: bool) -> None:
    with opened(Kit(), graphs=graphs) as (device, pipeline):
        run(pipeline, 20)

        assert [kind for kind, _ in device.log].count("upload") == 21
        assert [kind for kind, _ in device.log].count("download") == 20


def test_nothing_is_downloaded_that_is_not_wanted() -> None:
    with opened(Kit()) as (device, pipeline):
        for numbers in linear(5):
            assert submit(pipeline, Kit(), numbers, output=False) is None
        received(submit(pipeline, Kit(), (4, 5, 6)), SR)

        assert [kind for kind, _ in device.log].count("download") == 1


def test_submitting_does_not_wait_for_the_device() -> None:
    with opened(Kit(), lag=1) as (device, pipeline):
        before = len(device.log)
        tickets = [submit(pipeline, Kit(), numbers) for numbers in linear(2)]

        assert len(device.log) == before
        for ticket in tickets:
            received(ticket, SR)


def test_copies_go_on_beside_the_network() -> None:
    """Step n + 1 may run before frame n is downloaded; frame n + 2, of step n + 1, may be uploaded before step n."""
    seen = set()
    for seed in range(200):
        with opened(Kit(), seed=seed, lag=1) as (device, pipeline):
            before = len(device.log)
            for ticket in [submit(pipeline, Kit(), numbers) for numbers in linear(2)]:
                received(ticket, SR)
            order = [kind for kind, _ in device.log[before:]]
        steps, uploads = positions(order, "step"), positions(order, "upload")
        if steps[1] < positions(order, "download")[0]:
            seen.add("download beside the next step")
        if uploads[2] < steps[0]:
            seen.add("upload beside the step before")

    assert seen == {"download beside the next step", "upload beside the step before"}


def positions(order: list[str], kind: str) -> list[int]:
    return [position for position, found in enumerate(order) if found == kind]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (41, 30)])
def test_memory_is_what_was_foretold_and_all_of_it_there_before_the_first_step(size: tuple[int, int]) -> None:
    kit = Kit(tensors=step_tensors(*size, "fp32"))
    with opened(kit) as (device, pipeline):
        at_first = (device.allocated, device.pinned)
        submit(pipeline, kit, (0, 0, 1), output=False)

        assert (device.allocated, device.pinned) == at_first
        assert device.allocated == bytes_needed(*size, "fp32")
    assert bytes_needed(*size, "fp16") < bytes_needed(*size, "fp32")


# What can go wrong


@pytest.mark.parametrize("graphs", [True, False])
def test_after_a_call_that_failed_nothing_works_until_the_reset(graphs: bool) -> None:
    """Whichever call it is that fails, once."""
    trial(Kit(), graphs, seeds=4)


def trial(kit: Kit, graphs: bool, seeds: int) -> None:
    with opened(kit, graphs=graphs) as (device, pipeline):
        first = device.failures.calls
        run(pipeline, 4)
        last = device.failures.calls
    for seed in range(seeds):
        for call in range(first, last):
            fail_at_and_go_on(kit, graphs, seed, call)


def fail_at_and_go_on(kit: Kit, graphs: bool, seed: int, call: int) -> None:
    with opened(kit, seed=seed, lag=0.9, graphs=graphs, failures=Failures(at_call=call)) as (_, pipeline):
        with pytest.raises(EngineError, match="engine='simulated' failed at a step: out of luck; try again"):
            run(pipeline, 6)
        for _ in range(2):
            with pytest.raises(EngineError, match="out of luck"):
                submit(pipeline, kit, (0, 0, 1), output=False)
        pipeline.reset()
        model = Model(kit)
        for numbers in [*linear(6), (9, 8, 0)] if seed % 2 else [(9, 8, 0), (8, 0, 7), *linear(6)]:
            expected = model.step(numbers)
            assert_same(received(submit(pipeline, kit, numbers), SR), expected)


def test_a_ticket_from_before_a_failure_is_void_and_harms_nothing() -> None:
    kit = Kit()
    with opened(kit, failures=Failures()) as (device, pipeline):
        old = submit(pipeline, kit, (0, 0, 1))
        device.failures.at_call = device.failures.calls + 1
        with pytest.raises(EngineError, match="out of luck"):
            submit(pipeline, kit, (0, 1, 2))
        with pytest.raises(EngineError, match="out of luck"):
            received(old, SR)
        pipeline.reset()
        with pytest.raises(EngineError, match="lost this frame when a step failed; ask for it again"):
            received(old, SR)
        assert_same(received(submit(pipeline, kit, (3, 4, 5)), SR), Model(kit).step((3, 4, 5)))


@pytest.mark.parametrize("graphs", [True, False])
def test_a_device_that_is_lost_stays_so(graphs: bool) -> None:
    with opened(Kit(), graphs=graphs) as (device, pipeline):
        first = device.failures.operations
        run(pipeline, 3)
        last = device.failures.operations - 3  # the last are done by nobody's order
    for operation in range(first, last):
        failures = Failures(at_operation=operation)
        with opened(Kit(), seed=operation, graphs=graphs, failures=failures) as (device, pipeline):
            with pytest.raises(EngineError, match="gone; restart the program"):
                run(pipeline, 6)
            for _ in range(2):
                with pytest.raises(EngineError, match="gone; restart the program"):
                    pipeline.reset()
                with pytest.raises(EngineError, match="gone; restart the program"):
                    submit(pipeline, Kit(), (0, 0, 1))
        assert device.closed


def test_whatever_fails_while_it_opens_everything_is_closed() -> None:
    with opened(Kit()) as (device, _):
        calls = device.failures.calls
    for call in range(calls):
        device = SimulatedDevice(failures=Failures(at_call=call))
        program = CheapProgram(device, Kit().tensors)
        try:
            Pipeline(device, program, engine="simulated", graphs=True).close()
        except EngineError as error:
            assert str(error) == "engine='simulated' cannot be opened: out of luck; try again"  # noqa: PT017
        assert device.closed
        assert program.closed


class NoGraphs(SimulatedDevice):
    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        raise DeviceError("this cannot be captured")


def test_where_no_graph_can_be_made_it_runs_without(caplog: pytest.LogCaptureFixture) -> None:
    kit, device = Kit(), NoGraphs()
    with caplog.at_level(logging.WARNING):
        pipeline = kit.open(device)
    assert [record.getMessage() for record in caplog.records] == [
        "engine='simulated' runs without graphs, since none can be made: this cannot be captured"
    ]
    model = Model(kit)
    for numbers in linear(4):
        assert_same(received(submit(pipeline, kit, numbers), SR), model.step(numbers))
    pipeline.close()


@pytest.mark.parametrize("wanted", [True, False])
def test_graphs_are_not_made_where_they_are_not_wanted_or_not_possible(wanted: bool) -> None:
    device = NoGraphs()  # would complain
    program = CheapProgram(device, Kit().tensors, graphs=not wanted)
    pipeline = Pipeline(device, program, engine="simulated", graphs=wanted)
    received(submit(pipeline, Kit(), (0, 0, 1)), SR)
    pipeline.close()


def test_after_closing_tickets_are_void_and_closing_again_does_no_harm() -> None:
    with opened(Kit()) as (_, pipeline):
        ticket = submit(pipeline, Kit(), (0, 0, 1))
    pipeline.close()

    with pytest.raises(EngineError, match="has been closed; open it again"):
        received(ticket, SR)
    with pytest.raises(EngineError, match="has been closed"):
        submit(pipeline, Kit(), (0, 0, 1))
    with pytest.raises(EngineError, match="has been closed"):
        pipeline.reset()


def test_an_interrupt_in_the_middle_of_a_step_counts_as_a_failure() -> None:
    class Interrupted(CheapProgram):
        on = False

        def enqueue(self, stream: Stream) -> None:
            if self.on:
                raise KeyboardInterrupt
            super().enqueue(stream)

    kit = Kit(program=Interrupted)
    with opened(kit, graphs=False) as (_, pipeline):
        Interrupted.on = True
        with pytest.raises(KeyboardInterrupt):
            submit(pipeline, kit, (0, 0, 1))
        Interrupted.on = False
        with pytest.raises(EngineError, match="KeyboardInterrupt"):
            submit(pipeline, kit, (0, 0, 1))
        pipeline.reset()
        assert_same(received(submit(pipeline, kit, (0, 0, 1)), SR), Model(kit).step((0, 0, 1)))


# Faults, each of which the random runs have to find


def without(method: str, role: str) -> Kit:
    """A pipeline that leaves one kind of call out: what it does to one kind of event."""

    class Faulty(Pipeline):
        def _allocate(self) -> None:
            super()._allocate()
            owners = [*self._ring, *self._sides, *self._landings]
            events: set[Event] = {getattr(owner, role) for owner in owners if hasattr(owner, role)}
            assert events
            call = getattr(self._device, method)

            def left_out(*arguments: int) -> None:
                if not events.intersection(arguments):
                    call(*arguments)

            setattr(self._device, method, left_out)

    return Kit(pipeline=Faulty)


class OneStaging(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        for slot in self._ring:
            slot.staging = self._ring[0].staging


class OneLanding(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        self._landings[1].pinned = self._landings[0].pinned


class OneFrame(Pipeline):
    """The frame of a step is written over that of the step before, which may not have been downloaded."""

    def _allocate(self) -> None:
        super()._allocate()
        self._sides[1].frame = self._sides[0].frame


class OneState(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        self._sides[1].state = self._sides[0].state


class OtherSidesGraphs(Pipeline):
    def _warm_up(self, graphs: bool) -> None:
        super()._warm_up(graphs)
        even, odd = self._sides
        even.graph, odd.graph = odd.graph, even.graph


class OneGraph(Pipeline):
    def _warm_up(self, graphs: bool) -> None:
        super()._warm_up(graphs)
        self._sides[1].graph = self._sides[0].graph


class BoundOnce(Pipeline):
    def _bind(self, side: _Side) -> None:
        if not (self._steps or self._tickets):
            super()._bind(side)


class NoReset(Pipeline):
    def reset(self) -> None:
        pass


class ResetsTheOtherSide(Pipeline):
    def _clear_state(self) -> None:
        self._steps += 1
        super()._clear_state()
        self._steps -= 1


class ResetsHalf(Pipeline):
    def _clear_state(self) -> None:
        self._device.zero(self._sides[self._steps % 2].state["sr"], self._compute)


class ResetsOutOfOrder(Pipeline):
    def _clear_state(self) -> None:
        for buffer in self._sides[self._steps % 2].state.values():
            self._device.zero(buffer, self._uploads)


class SkipsUploads(Pipeline):
    def _upload(self, slot: _Slot, frame: Frame) -> None:
        if slot.number is None:
            super()._upload(slot, frame)


class ForgetsNumbers(Pipeline):
    """A slot keeps the number of the frame that it held first."""

    def _upload(self, slot: _Slot, frame: Frame) -> None:
        number = slot.number
        super()._upload(slot, frame)
        slot.number = slot.number if number is None else number


class CountsOutputsOnly(Pipeline):
    def _run(self, side: _Side) -> None:
        super()._run(side)
        self._steps -= self._tickets % 2


class ClosesAtOnce(Pipeline):
    def _drain(self) -> None:
        if not self._steps:
            super()._drain()


FAULTS: dict[str, Kit] = {
    **{f"no wait: {role}": without("wait", role) for role in ("read", "uploaded", "computed", "left")},
    **{f"no synchronise: {role}": without("synchronise", role) for role in ("uploaded", "landed")},
    **{f"no record: {role}": without("record", role) for role in ("read", "uploaded", "computed", "left", "landed")},
    **{
        pipeline.__name__: Kit(pipeline=pipeline)
        for pipeline in (
            OneStaging,
            OneLanding,
            OneFrame,
            OneState,
            OtherSidesGraphs,
            OneGraph,
            BoundOnce,
            NoReset,
            ResetsTheOtherSide,
            ResetsHalf,
            ResetsOutOfOrder,
            SkipsUploads,
            ForgetsNumbers,
            CountsOutputsOnly,
            ClosesAtOnce,
        )
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    assert any(fails(FAULTS[fault], seed) for seed in range(250))


def fails(kit: Kit, seed: int) -> bool:
    try:
        check(kit, seed)
    except (AssertionError, EngineError):
        return True
    return False


class KeepsBrokenSlots(Pipeline):
    """Takes a slot for uploaded although that failed."""

    def _upload(self, slot: _Slot, frame: Frame) -> None:
        try:
            super()._upload(slot, frame)
        finally:
            slot.number = frame.number

    def _recover(self) -> None:
        numbers = [slot.number for slot in self._ring]
        super()._recover()
        for slot, number in zip(self._ring, numbers, strict=True):
            slot.number = number


class KeepsCounting(Pipeline):
    """Takes the slots of a step that failed for those of the one that comes."""

    def _recover(self) -> None:
        used = [slot.used for slot in self._ring]
        super()._recover()
        for slot, step in zip(self._ring, used, strict=True):
            slot.used = step


@pytest.mark.parametrize("pipeline", [KeepsBrokenSlots, KeepsCounting])
def test_a_fault_in_overcoming_failures_is_found(pipeline: type[Pipeline]) -> None:
    with pytest.raises(AssertionError):
        trial(Kit(pipeline=pipeline), graphs=True, seeds=20)


def test_memory_is_poisoned_before_it_is_written_and_gone_after() -> None:
    device = SimulatedDevice()
    device.attach()
    buffer = device.allocate(4)
    assert np.isnan(device.at(buffer.address).view(np.float32)).all()
    device.close()
    with pytest.raises(AssertionError, match="freed"):
        device.at(buffer.address)
