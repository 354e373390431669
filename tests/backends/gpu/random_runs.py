"""Random runs of a pipeline on a simulated device, compared with the same steps run one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.backends.gpu.simulator import Array, Failures, HashProgram, SimulatedDevice, SimulatedProgram, hash_inputs
from vsanimesr.backends.base import Frame, Planes, State, Ticket
from vsanimesr.backends.gpu.pipeline import DEPTH, Pipeline
from vsanimesr.errors import NotFiniteError
from vsanimesr.network.tensors import STATE, WINDOW, Tensor, step_tensors

WIDTH, HEIGHT = 2, 1
TENSORS = step_tensors(WIDTH, HEIGHT, "fp32")
PADDING = 3
"""Samples between two rows of a plane."""
UNTOUCHED = 77

type Step = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass
class Parts:
    """Parts of a run. A test plants a fault by replacing one of them."""

    pipeline: type[Pipeline] = Pipeline
    program: Callable[..., SimulatedProgram] = HashProgram
    step: Step = lambda inputs: hash_inputs(inputs, TENSORS)
    """The same step as the program's, for the reference."""
    tensors: Mapping[str, Tensor] = field(default_factory=lambda: TENSORS)

    def open(self, device: SimulatedDevice, *, graphs: bool = True) -> Pipeline:
        program = self.program(device, self.tensors)
        return self.pipeline(device, program, backend="simulated", graphs=graphs)

    def make_picture(self, number: int) -> Array:
        """Return the random picture with a number."""
        picture = np.empty(self.tensors["cur"].shape[1:], np.float32)
        return np.random.default_rng(number).random(out=picture, dtype=np.float32)

    def make_frame(self, number: int) -> Frame:
        """Return the picture as it is submitted."""
        return Frame(number, tuple(self.make_picture(number)))

    def make_result(self, frame: Array) -> tuple[Planes, bool]:
        """Return what a ticket gives for an SR frame, and whether it is without an error."""
        return tuple(frame), True


class Reference:
    """The same steps without a pipeline, one after the other."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.reset()

    def reset(self) -> None:
        self._state = {name: np.zeros(self._parts.tensors[name].shape, np.float32) for name in STATE}

    def save_state(self) -> dict[str, Array]:
        return {name: array.copy() for name, array in self._state.items()}

    def load_state(self, state: dict[str, Array]) -> None:
        self._state = state

    def step(self, numbers: tuple[int, int, int]) -> Array:
        """Run a step on the pictures with these numbers and return its SR frame."""
        pictures = (self._parts.make_picture(number)[None] for number in numbers)
        window = dict(zip(WINDOW, pictures, strict=True))
        outputs = self._parts.step({**window, **self._state})
        self._state = {name: outputs[f"{name}_out"] for name in STATE}
        frame: Array = outputs["frame"][0].copy()
        return frame


def check(parts: Parts, seed: int, *, steps: int = 24, helper: Executor | None = None) -> None:
    """Run random steps, resets, snapshots and waits, in a random order of execution.

    Args:
        parts: what to test.
        seed: decides everything except when the threads of `helper` run.
        steps: number of steps.
        helper: threads that wait for some of the tickets while steps are submitted.

    Raises:
        AssertionError: a frame differs from that of the reference.
    """
    choose = random.Random(seed)
    device = SimulatedDevice(seed, lag=choose.choice((0.2, 0.6, 0.9, 1.0)))
    pipeline, reference = parts.open(device, graphs=choose.random() < 0.7), Reference(parts)
    try:
        pending: list[_PendingTicket] = []
        states: list[tuple[State, dict[str, Array]]] = []
        now = tickets = 0
        for _ in range(steps):
            if choose.random() < 0.1:
                pipeline.reset()
                reference.reset()
            if choose.random() < 0.2:
                states.append((pipeline.save_state(), reference.save_state()))
            while states and choose.random() < 0.3:
                state, expected_state = choose.choice(states)
                pipeline.load_state(state)
                reference.load_state(expected_state)
            now = max(0, now + choose.choice((1, 1, 1, 1, 1, 0, -1, -5, 7)))
            numbers = (max(now - choose.choice((1, 1, 0)), 0), now, now + choose.choice((1, 1, 0)))
            output = choose.random() < 0.6
            while pending and choose.random() < 0.3:
                pending.pop(choose.randrange(len(pending))).check()
            if output and pending and pending[0].number <= tickets - DEPTH:
                pending.pop(0).check()
            expected = reference.step(numbers)
            ticket = submit(pipeline, parts, numbers, output=output)
            assert (ticket is not None) == output
            if ticket:
                result = parts.make_result(expected)
                pending.append(_PendingTicket(tickets, ticket, result, helper if choose.random() < 0.5 else None))
                tickets += 1
        for last in pending:
            last.check()
    finally:
        pipeline.close()


def submit(pipeline: Pipeline, parts: Parts, numbers: tuple[int, int, int], *, output: bool = True) -> Ticket | None:
    """Submit a step on the pictures with these numbers, and overwrite their planes afterwards."""
    frames, memories = [], []
    for number in numbers:
        frame = parts.make_frame(number)
        padded = [pad_rows(plane) for plane in frame.planes]
        frames.append(Frame(number, tuple(plane for _, plane in padded), frame.colours))
        memories += [memory for memory, _ in padded]
    ticket = pipeline.submit(*frames, output=output)
    for memory in memories:
        memory.fill(UNTOUCHED)
    return ticket


def read_frame(ticket: Ticket | None, shape: tuple[int, ...]) -> Array:
    """Wait for a ticket, with padded rows, and return its frame."""
    return np.stack(read_planes(ticket, tuple(np.zeros(shape, np.float32))))


def read_planes(ticket: Ticket | None, like: Planes) -> Planes:
    """Wait for a ticket, with padded rows, and return planes of these shapes and types."""
    assert ticket is not None
    padded = [pad_rows(np.zeros_like(plane)) for plane in like]
    planes = tuple(plane for _, plane in padded)
    try:
        ticket.wait(planes)
    finally:
        for memory, plane in padded:
            padding = memory[:, plane.shape[1] :]
            assert (padding == np.full_like(padding, UNTOUCHED)).all(), "the padding of a row was written"
    return planes


def pad_rows(plane: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Copy a plane into memory with padding between the rows. Return that memory, and the plane in it."""
    height, width = plane.shape
    memory = np.full((height, width + PADDING), UNTOUCHED, plane.dtype)
    memory[:, :width] = plane
    return memory, memory[:, :width]


def assert_same(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.tobytes() == expected.tobytes()


@contextmanager
def open_pipeline(
    parts: Parts, *, seed: int = 0, lag: float = 0.7, graphs: bool = True, failures: Failures | None = None
) -> Iterator[tuple[SimulatedDevice, Pipeline]]:
    device = SimulatedDevice(seed, lag, failures or Failures())
    pipeline = parts.open(device, graphs=graphs)
    try:
        yield device, pipeline
    finally:
        pipeline.close()


class _PendingTicket:
    """A ticket and its expected result. This thread waits for it, or a thread of `helper`."""

    def __init__(self, number: int, ticket: Ticket, result: tuple[Planes, bool], helper: Executor | None) -> None:
        self.number = number
        self._ticket = ticket
        self._expected, self._is_finite = result
        self._future: Future[Planes] | None = helper.submit(self._read) if helper else None

    def check(self) -> None:
        found = self._future.result() if self._future else self._read()
        for plane, expected in zip(found, self._expected, strict=True):
            assert_same(plane, expected)

    def _read(self) -> Planes:
        try:
            planes, is_finite = read_planes(self._ticket, self._expected), True
        except NotFiniteError:
            planes, is_finite = self._expected, False
        assert is_finite == self._is_finite
        return planes
