"""Random runs of a pipeline on a simulated device, held to the same steps run one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vsanimesr.engines.base import Frame, Planes, Ticket
from vsanimesr.engines.pipeline import DEPTH, Pipeline
from vsanimesr.engines.tensors import STATE, WINDOW, Tensor, step_tensors

from .simulator import Array, CheapProgram, Failures, SimulatedDevice, SimulatedProgram, mixed

WIDTH, HEIGHT = 2, 1
TENSORS = step_tensors(WIDTH, HEIGHT, "fp32")
PADDING = 3
"""Samples between two rows of a plane."""
UNTOUCHED = -7.0

type Step = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass
class Kit:
    """What a run is made of. A fault is planted by taking another class for one of these."""

    pipeline: type[Pipeline] = Pipeline
    program: Callable[..., SimulatedProgram] = CheapProgram
    step: Step = lambda inputs: mixed(inputs, TENSORS)
    tensors: Mapping[str, Tensor] = field(default_factory=lambda: TENSORS)

    def open(self, device: SimulatedDevice, *, graphs: bool = True) -> Pipeline:
        program = self.program(device, self.tensors)
        return self.pipeline(device, program, engine="simulated", graphs=graphs)

    def picture(self, number: int) -> Array:
        picture = np.empty(self.tensors["cur"].shape[1:], np.float32)
        return np.random.default_rng(number).random(out=picture, dtype=np.float32)


class Model:
    """The steps, one after the other."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.reset()

    def reset(self) -> None:
        self._state = {name: np.zeros(self._kit.tensors[name].shape, np.float32) for name in STATE}

    def step(self, numbers: tuple[int, int, int]) -> Array:
        window = {name: self._kit.picture(number)[None] for name, number in zip(WINDOW, numbers, strict=True)}
        outputs = self._kit.step({**window, **self._state})
        self._state = {name: outputs[f"{name}_out"] for name in STATE}
        frame: Array = outputs["frame"][0].copy()
        return frame


def check(kit: Kit, seed: int, *, steps: int = 24, helper: Executor | None = None) -> None:
    """Run random steps, resets and waits, in a random order of execution.

    Args:
        kit: what is tried.
        seed: decides all of it, but for the moments at which `helper` gets to run.
        steps: how many.
        helper: has tickets waited for by other threads, while steps are submitted.

    Raises:
        AssertionError: a frame is not what it is when the same steps run one after the other.
    """
    choose = random.Random(seed)
    device = SimulatedDevice(seed, lag=choose.choice((0.2, 0.6, 0.9, 1.0)))
    pipeline, model = kit.open(device, graphs=choose.random() < 0.7), Model(kit)
    try:
        waiting: list[_Waiting] = []
        now = tickets = 0
        for _ in range(steps):
            if choose.random() < 0.1:
                pipeline.reset()
                model.reset()
            now = max(0, now + choose.choice((1, 1, 1, 1, 1, 0, -1, -5, 7)))
            numbers = (max(now - choose.choice((1, 1, 0)), 0), now, now + choose.choice((1, 1, 0)))
            output = choose.random() < 0.6
            while waiting and choose.random() < 0.3:
                waiting.pop(choose.randrange(len(waiting))).finish()
            if output and waiting and waiting[0].number <= tickets - DEPTH:
                waiting.pop(0).finish()
            expected = model.step(numbers)
            ticket = submit(pipeline, kit, numbers, output=output)
            assert (ticket is not None) == output
            if ticket:
                waiting.append(_Waiting(tickets, ticket, expected, helper if choose.random() < 0.5 else None))
                tickets += 1
        for left in waiting:
            left.finish()
    finally:
        pipeline.close()


def submit(pipeline: Pipeline, kit: Kit, numbers: tuple[int, int, int], *, output: bool = True) -> Ticket | None:
    """Submit a step, with planes that hold something else as soon as it is submitted."""
    frames, everything = [], []
    for number in numbers:
        memory, planes = padded_planes(kit.picture(number))
        frames.append(Frame(number, planes))
        everything.append(memory)
    ticket = pipeline.submit(*frames, output=output)
    for memory in everything:
        memory.fill(UNTOUCHED)
    return ticket


def received(ticket: Ticket | None, shape: tuple[int, ...]) -> Array:
    """The frame of a ticket, written to padded rows."""
    assert ticket is not None
    memory, planes = padded_planes(np.zeros(shape, np.float32))
    ticket.wait(planes)
    assert (memory[:, :, shape[-1] :] == UNTOUCHED).all(), "written beyond a row"
    return np.stack(planes)


def padded_planes(picture: Array) -> tuple[Array, Planes]:
    """A picture in rows that are longer than it is wide: all of that memory, and the planes in it."""
    colours, height, width = picture.shape
    memory: NDArray[np.float32] = np.full((colours, height, width + PADDING), UNTOUCHED, np.float32)
    memory[:, :, :width] = picture
    red, green, blue = (plane[:, :width] for plane in memory)
    return memory, (red, green, blue)


def assert_same(found: Array, expected: Array) -> None:
    assert found.tobytes() == expected.tobytes()


@contextmanager
def opened(
    kit: Kit, *, seed: int = 0, lag: float = 0.7, graphs: bool = True, failures: Failures | None = None
) -> Iterator[tuple[SimulatedDevice, Pipeline]]:
    device = SimulatedDevice(seed, lag, failures or Failures())
    pipeline = kit.open(device, graphs=graphs)
    try:
        yield device, pipeline
    finally:
        pipeline.close()


class _Waiting:
    """A ticket and what has to come of it, waited for here or by another thread."""

    def __init__(self, number: int, ticket: Ticket, expected: Array, helper: Executor | None) -> None:
        self.number = number
        self._ticket = ticket
        self._expected = expected
        self._future: Future[Array] | None = helper.submit(received, ticket, expected.shape) if helper else None

    def finish(self) -> None:
        found = self._future.result() if self._future else received(self._ticket, self._expected.shape)
        assert_same(found, self._expected)
