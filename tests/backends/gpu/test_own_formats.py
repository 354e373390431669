"""The pipeline with frames in formats of their own, on a simulated device with every allowed order of execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.gpu.conversion import draw_planes, load, store
from tests.backends.gpu.random_runs import (
    Parts,
    Reference,
    Step,
    assert_same,
    check,
    open_pipeline,
    read_planes,
    submit,
)
from tests.backends.gpu.simulator import Array, Failures, HashProgram, SimulatedDevice, SimulatedProgram, hash_inputs
from tests.backends.gpu.test_pipeline import FAULTS, fails, windows
from vsanimesr.backends.base import Frame, Planes
from vsanimesr.backends.gpu.convert import Storer
from vsanimesr.backends.gpu.pipeline import Pipeline, _RingSlot, bytes_moved, bytes_needed
from vsanimesr.errors import BackendError, NotFiniteError
from vsanimesr.network.tensors import Tensor, step_tensors
from vsanimesr.pixels import MATRIX_RGB, RGBS, Colours, PixelFormat, Target

WIDTH, HEIGHT = 4, 2
TENSORS = step_tensors(WIDTH, HEIGHT, "fp32")
BT709 = Colours(1, False, 0)
YUV420P8, YUV420P10 = (PixelFormat("yuv", "integer", bits, (1, 1)) for bits in (8, 10))
YUV420PS = PixelFormat("yuv", "float", 32, (1, 1))
COLOURS = (BT709, Colours(6, False, 1), Colours(9, True, 2))
BAD = 5
"""One frame in so many holds infinity."""


def unit_step(inputs: Mapping[str, Array], tensors: Mapping[str, Tensor], *, bad: int = BAD) -> dict[str, Array]:
    """Return outputs as `hash_inputs` does, but the SR frame is between 0 and 1, or has one infinite value."""
    outputs = hash_inputs(inputs, tensors)
    frame = outputs["frame"]
    first = int(frame.flat[0])
    frame *= 2.0**-24
    if first % bad == 0:
        frame.flat[first % frame.size] = np.inf
    return outputs


class UnitProgram(HashProgram):
    def compute(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return unit_step(inputs, self.tensors)


def make_target(format: PixelFormat = YUV420PS, width: int = 4 * WIDTH, height: int = 4 * HEIGHT) -> Target:
    matrix = MATRIX_RGB if format.family == "rgb" else 1
    return Target(format, Colours(matrix, False, 0), width, height)


@dataclass
class OwnFormats(Parts):
    """Parts of a run whose frames have other formats than `RGBS`, and colours that change from frame to frame."""

    program: Any = UnitProgram
    step: Step = lambda inputs: unit_step(inputs, TENSORS)
    tensors: Mapping[str, Tensor] = field(default_factory=lambda: TENSORS)
    source: PixelFormat = YUV420P8
    target: Target = field(default_factory=make_target)

    def open(self, device: SimulatedDevice, *, graphs: bool = True) -> Pipeline:
        program: SimulatedProgram = self.program(device, self.tensors)
        return self.pipeline(
            device, program, backend="simulated", graphs=graphs, source=self.source, target=self.target
        )

    def make_picture(self, number: int) -> Array:
        return load_picture(self.source, number)

    def make_frame(self, number: int) -> Frame:
        return make_frame(self.source, number)

    def make_result(self, frame: Array) -> tuple[Planes, bool]:
        if self.target == make_target(RGBS):  # as it is
            return super().make_result(frame)
        return store(self.target, frame)


def make_frame(source: PixelFormat, number: int) -> Frame:
    colours = Colours(MATRIX_RGB, False, 0) if source.family == "rgb" else COLOURS[number % len(COLOURS)]
    return Frame(number, draw_planes(source, WIDTH, HEIGHT, number), colours)


@lru_cache
def load_picture(source: PixelFormat, number: int) -> Array:
    frame = make_frame(source, number)
    assert frame.colours is not None
    return load(source, frame.planes, frame.colours)


def test_every_order_of_execution_gives_the_same_frames() -> None:
    for seed in range(80):
        check(OwnFormats(), seed)


@st.composite
def formats(draw: st.DrawFn) -> PixelFormat:
    samples: list[tuple[Literal["integer", "float"], int]] = [
        *(("integer", bits) for bits in (8, 10, 16)),
        *(("float", bits) for bits in (16, 32)),
    ]
    families: list[Literal["yuv", "rgb", "gray"]] = ["yuv", "rgb", "gray"]
    sample, family = draw(st.sampled_from(samples)), draw(st.sampled_from(families))
    subsampling = draw(st.sampled_from([(0, 0), (1, 0), (1, 1), (2, 0)])) if family == "yuv" else (0, 0)
    return PixelFormat(family, *sample, subsampling)


@settings(max_examples=60, deadline=None)
@given(
    source=formats(), target=formats(), width=st.sampled_from([4, 8, 16]), seed=st.integers(0, 999), own=st.booleans()
)
def test_every_format_goes_up_and_down(
    source: PixelFormat, target: PixelFormat, width: int, seed: int, own: bool
) -> None:
    """Also if only one end has a format of its own, and scaled."""
    parts = OwnFormats(source=source, target=make_target(target, width))
    check(parts if own else replace(parts, source=RGBS), seed, steps=6)


@pytest.mark.parametrize("fault", [name for name in FAULTS if "_ring" in name or "_sets" in name or "_read" in name])
def test_a_missing_event_is_found(fault: str) -> None:
    parts = OwnFormats(pipeline=FAULTS[fault].pipeline)
    assert any(fails(parts, seed) for seed in range(100))


class LoadEarly(Pipeline):
    """A source frame is converted before the steps that use the slot have read it."""

    def _upload(self, slot: _RingSlot, frame: Frame) -> None:
        wait = self._device.wait
        self._device.wait = lambda stream, event: None  # type: ignore[method-assign]
        super()._upload(slot, frame)
        self._device.wait = wait  # type: ignore[method-assign]


class FirstColours(Pipeline):
    """All frames have the colours of the first one."""

    def _upload(self, slot: _RingSlot, frame: Frame) -> None:
        super()._upload(slot, Frame(frame.number, frame.planes, COLOURS[0]))


class OneStamp(Storer):
    """The flag of a frame stays for later ones."""

    def run(self, source: Any, stamp: int) -> None:
        super().run(source, 1)


class StoreOnCompute(Pipeline):
    """The target's planes are made on another stream than that of the download."""

    def _allocate(self) -> None:
        super()._allocate()
        assert self._storer is not None
        self._storer._stream = self._uploads


class LoadOnCompute(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        assert self._loader is not None
        self._loader._stream = self._compute


class OneReadback(Pipeline):
    def _allocate(self) -> None:
        super()._allocate()
        for readback in self._readbacks:
            readback.pinned = self._readbacks[0].pinned


@pytest.mark.parametrize("pipeline", [LoadEarly, FirstColours, StoreOnCompute, LoadOnCompute, OneReadback])
def test_a_planted_fault_is_found(pipeline: type[Pipeline]) -> None:
    assert any(fails(OwnFormats(pipeline=pipeline), seed) for seed in range(100))


def test_a_stamp_that_never_changes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsanimesr.backends.gpu.pipeline.Storer", OneStamp)
    assert any(fails(OwnFormats(), seed) for seed in range(100))


# NaN and infinity


def test_an_sr_frame_that_is_not_finite_is_an_error_of_that_frame_only() -> None:
    parts = OwnFormats()
    with open_pipeline(parts) as (_, pipeline):
        assert set(run(parts, pipeline, steps=20)) == {True, False}


# Bytes


@pytest.mark.parametrize(
    ("source", "target", "up", "down"),
    [
        (RGBS, None, 4147200, 66355200),
        (YUV420P8, YUV420P10, 518400, 16588804),
        (YUV420P10, YUV420P8, 1036800, 8294404),
        (YUV420P8, PixelFormat("rgb", "float", 16), 518400, 33177604),
    ],
)
def test_bytes_moved_at_720_x_480(source: PixelFormat, target: PixelFormat | None, up: int, down: int) -> None:
    result = None if target is None else Target(target, BT709, 2880, 1920)
    assert bytes_moved(720, 480, source, result) == (up, down)


@pytest.mark.parametrize("source", [RGBS, YUV420P8])
@pytest.mark.parametrize("target", [None, make_target(), make_target(YUV420P10, 8, 8), make_target(RGBS)])
def test_a_frame_moves_so_many_bytes_and_all_memory_is_allocated_before(
    source: PixelFormat, target: Target | None
) -> None:
    class Counting(SimulatedDevice):
        up = down = 0

        def upload(self, target: Any, source: Any, stream: Any) -> None:
            self.up += source.data.size
            super().upload(target, source, stream)

        def download(self, target: Any, source: Any, stream: Any) -> None:
            self.down += target.data.size
            super().download(target, source, stream)

    device = Counting(lag=0.5)
    parts = OwnFormats(source=source)
    program = UnitProgram(device, TENSORS)
    pipeline = Pipeline(device, program, backend="simulated", graphs=True, source=source, target=target)
    assert device.allocated == bytes_needed(WIDTH, HEIGHT, "fp32", source, target)
    before = (device.allocated, device.pinned)
    submit(pipeline, parts, (0, 0, 1), output=False)
    device.up = device.down = 0
    assert submit(pipeline, parts, (0, 1, 2)) is not None

    assert (device.up, device.down) == bytes_moved(WIDTH, HEIGHT, source, target)
    assert (device.allocated, device.pinned) == before
    pipeline.close()


# Errors


@pytest.mark.parametrize("change", ["shape", "type", "count"])
def test_planes_that_do_not_fit_are_refused(change: str) -> None:
    parts = OwnFormats()
    with open_pipeline(parts) as (_, pipeline):
        frame = parts.make_frame(0)
        luma, *chroma = frame.planes
        wrong = {"shape": (luma[:1], *chroma), "type": (luma.astype(np.uint16), *chroma), "count": (luma,)}[change]
        with pytest.raises((TypeError, ValueError)):
            pipeline.submit(Frame(0, wrong, frame.colours), frame, frame, output=False)
        with pytest.raises(BackendError, match="failed at a step"):
            submit(pipeline, parts, (0, 0, 1))
        pipeline.reset()
        assert submit(pipeline, parts, (0, 0, 1)) is not None


def test_after_a_call_that_failed_a_reset_gives_the_same_frames() -> None:
    """Each call of a run fails once."""
    parts = OwnFormats(step=lambda inputs: unit_step(inputs, TENSORS), target=make_target(YUV420P10))
    with open_pipeline(parts) as (device, pipeline):
        first = device.failures.calls
        run(parts, pipeline)
        last = device.failures.calls
    for call in range(first, last):
        failures = Failures(at_call=call)
        with open_pipeline(parts, seed=call, lag=0.9, failures=failures) as (_, pipeline):
            with pytest.raises(BackendError, match="out of luck"):
                run(parts, pipeline)
            pipeline.reset()
            run(parts, pipeline)


def run(parts: OwnFormats, pipeline: Pipeline, *, steps: int = 6) -> list[bool]:
    """Run steps one after the other, check what each gives, and return whether each SR frame is finite."""
    reference, finite = Reference(parts), []
    for numbers in windows(steps):
        planes, is_finite = parts.make_result(reference.step(numbers))
        ticket = submit(pipeline, parts, numbers)
        if is_finite:
            for plane, expected in zip(read_planes(ticket, planes), planes, strict=True):
                assert_same(plane, expected)
        else:
            with pytest.raises(NotFiniteError, match="holds NaN or infinity"):
                read_planes(ticket, planes)
        finite.append(is_finite)
    return finite


def test_everything_is_closed_if_any_call_fails_during_opening() -> None:
    with open_pipeline(OwnFormats()) as (device, _):
        calls = device.failures.calls
    for call in range(calls):
        device = SimulatedDevice(failures=Failures(at_call=call))
        try:
            OwnFormats().open(device).close()
        except BackendError as error:
            assert str(error) == "backend='simulated' cannot be opened: out of luck; try again"  # noqa: PT017
        assert device.closed
