"""Pipeline of the GPU backends: copies overlap with computation, and a source frame is uploaded once.

There are three streams. *Uploads* copies source frames into a ring of slots on the device, each frame once: when a clip
is processed in order, one new frame is uploaded per step. *Compute* copies three slots into the window, runs the
network and updates the state. *Downloads* copies SR frames back. Events order the streams where they use the same
memory, and nowhere else, so the upload for step n + 1 and the download of step n - 1 overlap with step n.

Frames may go up and down in formats of their own. *Uploads* then also makes R, G and B, and *downloads* makes the
target's planes before it copies them. There the conversions, which wait for memory, overlap with the network, which
waits for arithmetic; and no step waits for them. The packed frames need one buffer each, because only one stream uses
it. What a conversion depends on may change from frame to frame, so it is in no graph.

Even and odd steps use two sets of buffers. A step writes its state into the other set, because no runtime defines what
happens if it reads and writes the same buffer; and one set's SR frame is downloaded while the other set computes. So
the network has two sets of bindings, and two graphs serve all steps. For the same reason the window is filled by copies
instead of binding the slots: bound slots would need a graph for every combination of slots. The copies take about a
thousandth of a step, and release a slot as soon as they end.

All memory is allocated before the first step.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, NotFiniteError
from ...network.graph import GraphPrecision
from ...network.tensors import STATE, WINDOW, step_tensors
from ...pixels import RGBS, PixelFormat, Target, sr_target
from ..base import Frame, Planes, State, Ticket
from .convert import Loader, Storer, is_plain, load_kernels, loader_bytes, read_flag, stored_bytes, storer_bytes
from .device import Buffer, Device, DeviceError, Event, Graph, PinnedBuffer, Program

_log = logging.getLogger(__name__)

RING_SLOTS = 4
"""Source frames on the device: three of a window, and one that is uploaded in the meantime."""

DEPTH = 4
"""Tickets that may be unfinished at once, as in `Backend.depth`. While the host copies one frame, the device has two
more steps to run, and one that is downloaded."""

BUFFER_SETS = 2


def bytes_needed(
    width: int,
    height: int,
    precision: GraphPrecision,
    source: PixelFormat = RGBS,
    target: Target | None = None,
) -> int:
    """Return the bytes of device memory that a pipeline allocates for LR frames of a size in pixels.

    The network needs more: its weights, and its intermediate results.

    Args:
        source: as in `Pipeline`, with `target`.
    """
    tensors = step_tensors(width, height, precision)
    size = {name: tensor.bytes for name, tensor in tensors.items()}
    window = sum(size[name] for name in WINDOW)
    conversions = 0 if source == RGBS else loader_bytes(source, width, height)
    if target and not is_plain(target, tensors["frame"]):
        conversions += storer_bytes(target, tensors["frame"])
    steps = BUFFER_SETS * (sum(size[name] for name in STATE) + size["frame"])
    return RING_SLOTS * size["cur"] + window + steps + conversions


def bytes_moved(width: int, height: int, source: PixelFormat = RGBS, target: Target | None = None) -> tuple[int, int]:
    """Return the bytes that go up and down for each frame of a clip of a size in pixels, processed in order."""
    frame = step_tensors(width, height, "fp32")["frame"]
    plain = target is None or is_plain(target, frame)
    return source.bytes(width, height), frame.bytes if plain or target is None else stored_bytes(target)


@dataclass
class _RingSlot:
    """Place of a source frame: a staging buffer on the host, and a buffer on the device."""

    staging: PinnedBuffer
    """Source frame in its own format."""
    buffer: Buffer
    """Its R, G and B planes."""
    ready: Event
    """End of the last upload. The staging buffer may then be written, and the buffer read."""
    consumed: Event
    """End of the last copy into the window. The buffer may then be written."""
    number: int | None = None
    """Number of the frame in the slot."""
    last_step: int = -1
    """Last step that used the slot; -1 if none did since the start or a failure."""


@dataclass
class _StepBuffers:
    """Buffers of the even steps, or of the odd steps."""

    state: dict[str, Buffer]
    """State that these steps read. They write that of the other set."""
    frame: Buffer
    ready: Event
    """End of the last step. The frame may then be read."""
    consumed: Event
    """End of the last download, or conversion, of the frame. It may then be written."""
    graph: Graph | None = None


@dataclass
class _Readback:
    """Buffer on the host for an SR frame. Tickets alternate between the readbacks."""

    pinned: PinnedBuffer
    ready: Event
    """End of the last download. The buffer may then be read."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by a reader, so that the buffer is not freed in the meantime."""


@dataclass
class _StateStaging:
    """Buffers on the host, through which a snapshot of the state is copied."""

    pinned: dict[str, PinnedBuffer]
    copied: Event
    """End of the last copy from or to the buffers. They may then be read and written."""


class Pipeline:
    """Runs the steps of one program. It owns the device and the program and closes both, even if it fails to open.

    One thread at a time calls `submit`, `reset`, `save_state`, `load_state` and `close`; any thread may wait for a
    ticket. After a step that failed, the state and all tickets that have not been waited for are lost: nothing can be
    submitted until the state is set again.

    Args:
        backend: name of the backend, for error messages.
        graphs: whether steps are replayed as graphs, if the program allows it.
        source: format of the frames that are submitted. With another one than `RGBS`, they have colours.
        target: what tickets give; by default the SR frame as it is. With another one, a ticket raises NotFiniteError if
            the SR frame holds NaN or infinity; else the caller looks for them.

    Raises:
        BackendError: the device has too little memory, or the first steps fail.
        MissingDependencyError: a conversion needs a compiler that is not installed.
    """

    depth = DEPTH

    def __init__(
        self,
        device: Device,
        program: Program,
        *,
        backend: str,
        graphs: bool,
        source: PixelFormat = RGBS,
        target: Target | None = None,
    ) -> None:
        self._device = device
        self._program = program
        self._backend = backend
        self._failure: BackendError | None = None
        self._fatal = False
        self._generation = 0  # incremented by the recovery from a failure, which makes earlier tickets invalid
        self._failure_lock = threading.Lock()
        self._steps = 0
        self._tickets = 0
        self._closed = False
        self._drain_event: Event | None = None
        self._readbacks: list[_Readback] = []
        self._source = source
        *_, height, width = program.tensors["frame"].shape
        self._target = target or sr_target(width, height)
        self._loader: Loader | None = None
        self._storer: Storer | None = None
        self._buffer_sets: list[_StepBuffers] = []
        self.state_bytes = sum(program.tensors[name].bytes for name in STATE)
        self.own_formats = source != RGBS or target is not None
        """As in `Backend`."""
        try:
            with device.attached():
                self._allocate()
                self._warm_up(graphs)
                self._clear_state()
        except BaseException as error:
            self.close()
            if isinstance(error, DeviceError):
                raise BackendError(f"backend={backend!r} cannot be opened: {error}") from error
            raise

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        """Run one step, as `Backend.submit` does."""
        window = (prev, cur, next)
        with self._guard("failed at a step", self._generation):
            slots = [self._load_frame(frame) for frame in window]
            self._fill_window(slots)
            buffers = self._buffer_sets[self._steps % BUFFER_SETS]
            self._device.wait(self._compute, buffers.consumed)
            self._run(buffers)
            ticket = self._start_download(buffers) if output else None
            self._steps += 1
        return ticket

    def reset(self) -> None:
        """Set the state to zero, as `Backend.reset` does, and recover from a failure that was not fatal."""
        self._recover()
        with self._guard("cannot be reset", self._generation):
            self._clear_state()

    def save_state(self) -> State:
        """Return a snapshot of the state, as `Backend.save_state` does.

        The compute stream makes the copy, so that it is in order with the steps without events.
        """
        device, staging = self._device, self._state_staging
        with self._guard("failed at a step", self._generation):
            for name, buffer in self._state_buffers().items():
                device.download(staging.pinned[name], buffer, self._compute)
            device.record(staging.copied, self._compute)
            device.synchronise(staging.copied)
            return tuple(self._state_array(name).copy("K") for name in STATE)

    def load_state(self, state: State) -> None:
        """Set the state to a snapshot, as `Backend.load_state` does, and recover from a failure that was not fatal."""
        device, staging = self._device, self._state_staging
        self._recover()
        with self._guard("cannot load a state", self._generation):
            device.synchronise(staging.copied)
            for (name, buffer), data in zip(self._state_buffers().items(), state, strict=True):
                self._state_array(name)[:] = data
                device.upload(buffer, staging.pinned[name], self._compute)
            device.record(staging.copied, self._compute)

    def close(self) -> None:
        """Wait for queued work and free everything. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        with ExitStack() as stack:
            with suppress(DeviceError):  # closing reports no failure of a step
                stack.enter_context(self._device.attached())
                self._drain()
            for readback in self._readbacks:
                with readback.lock:  # wait for a reader; new readers see `_closed`
                    pass
            self._destroy_graphs()
            self._program.close()
        self._device.close()

    def _allocate(self) -> None:
        device, size = self._device, {name: tensor.bytes for name, tensor in self._program.tensors.items()}
        self._uploads, self._compute, self._downloads = (device.make_stream() for _ in range(3))
        self._drain_event = device.make_event()
        self._window = {name: device.allocate(size[name]) for name in WINDOW}
        self._make_converters()
        *_, height, width = self._program.tensors["cur"].shape
        staging = self._source.bytes(width, height)
        self._ring = [
            _RingSlot(
                device.allocate_pinned(staging), device.allocate(size["cur"]), device.make_event(), device.make_event()
            )
            for _ in range(RING_SLOTS)
        ]
        self._buffer_sets = [
            _StepBuffers(
                {name: device.allocate(size[name]) for name in STATE},
                device.allocate(size["frame"]),
                device.make_event(),
                device.make_event(),
            )
            for _ in range(BUFFER_SETS)
        ]
        pinned = {name: device.allocate_pinned(size[name]) for name in STATE}
        self._state_staging = _StateStaging(pinned, device.make_event())
        result = self._storer.packed.bytes if self._storer else size["frame"]
        self._readbacks = [_Readback(device.allocate_pinned(result), device.make_event()) for _ in range(DEPTH)]

    def _make_converters(self) -> None:
        """Make the conversions that this source and this target need."""
        cur, frame = (self._program.tensors[name] for name in ("cur", "frame"))
        needs_loader, needs_storer = self._source != RGBS, not is_plain(self._target, frame)
        if needs_loader or needs_storer:
            load, store = load_kernels(self._device)
        if needs_loader:
            *_, height, width = cur.shape
            self._loader = Loader(self._device, load, self._source, width, height, self._uploads)
        if needs_storer:
            self._storer = Storer(self._device, store, self._target, frame, self._downloads)

    def _warm_up(self, graphs: bool) -> None:
        """Run a step with each buffer set, for work that runtimes do at a first step, and then make the graphs.

        In this order, because a graph keeps its memory, which a step without graphs would need beside it.
        """
        for buffer in self._window.values():
            self._device.zero(buffer, self._compute)
        self._clear_state()
        for buffers in self._buffer_sets:
            self._run(buffers)
        self._drain()
        for buffers in self._buffer_sets:
            if graphs:
                self._bind(buffers)
                buffers.graph = self._capture_graph()
                graphs = buffers.graph is not None

    def _destroy_graphs(self) -> None:
        """Free the graphs, which hold what the program frees when it closes."""
        for graph in {buffers.graph for buffers in self._buffer_sets if buffers.graph is not None}:
            with suppress(DeviceError):  # fails after a fatal error
                self._device.destroy(graph)

    def _capture_graph(self) -> Graph | None:
        """Return a graph of the step with its current bindings, or None with a warning if none can be captured."""
        try:
            if reason := self._program.capture_obstacle(self._compute):
                raise DeviceError(reason)
            return self._program.capture(self._device, self._compute)
        except DeviceError as error:
            if error.fatal:
                raise
            _log.warning("backend=%r runs without graphs, because none can be captured: %s", self._backend, error)
            return None

    def _load_frame(self, frame: Frame) -> _RingSlot:
        """Return the ring slot of a frame. Upload the frame if no slot holds it."""
        for slot in self._ring:
            if slot.number == frame.number:
                break
        else:
            # Never a slot of this step: there are more slots than frames in a window.
            slot = min(self._ring, key=lambda slot: slot.last_step)
            self._upload(slot, frame)
        slot.last_step = self._steps
        return slot

    def _upload(self, slot: _RingSlot, frame: Frame) -> None:
        device, loader = self._device, self._loader
        slot.number = None
        device.synchronise(slot.ready)
        *_, height, width = self._program.tensors["cur"].shape
        _copy_planes(self._source.views(slot.staging.data, width, height), frame.planes)
        if loader:
            device.upload(loader.packed, slot.staging, self._uploads)
        device.wait(self._uploads, slot.consumed)
        if loader:
            assert frame.colours is not None
            loader.run(slot.buffer, frame.colours)
        else:
            device.upload(slot.buffer, slot.staging, self._uploads)
        device.record(slot.ready, self._uploads)
        slot.number = frame.number

    def _fill_window(self, slots: list[_RingSlot]) -> None:
        for target, slot in zip(self._window.values(), slots, strict=True):
            self._device.wait(self._compute, slot.ready)
            self._device.copy(target, slot.buffer, self._compute)
            self._device.record(slot.consumed, self._compute)

    def _run(self, buffers: _StepBuffers) -> None:
        if buffers.graph is not None:
            self._device.launch(buffers.graph, self._compute)
        else:
            self._bind(buffers)
            self._program.enqueue(self._compute)

    def _bind(self, buffers: _StepBuffers) -> None:
        (other,) = (other for other in self._buffer_sets if other is not buffers)
        for name, buffer in self._window.items():
            self._program.bind(name, buffer)
        for name in STATE:
            self._program.bind(name, buffers.state[name])
            self._program.bind(f"{name}_out", other.state[name])
        self._program.bind("frame", buffers.frame)

    def _start_download(self, buffers: _StepBuffers) -> Ticket:
        """Queue the download of the frame. The readback is free: its last ticket has been waited for."""
        device, readback = self._device, self._readbacks[self._tickets % DEPTH]
        self._tickets += 1
        stamp = self._tickets % 2**32
        device.record(buffers.ready, self._compute)
        device.wait(self._downloads, buffers.ready)
        if self._storer:
            self._storer.run(buffers.frame, stamp)
            device.record(buffers.consumed, self._downloads)
            device.download(readback.pinned, self._storer.packed, self._downloads)
        else:
            device.download(readback.pinned, buffers.frame, self._downloads)
            device.record(buffers.consumed, self._downloads)
        device.record(readback.ready, self._downloads)
        return _Ticket(self, readback, self._generation, stamp)

    def _finish_download(self, readback: _Readback, generation: int, stamp: int, out: Planes) -> None:
        with readback.lock, self._guard("failed at a step", generation):
            self._device.synchronise(readback.ready)
            target, data = self._target, readback.pinned.data
            _copy_planes(out, target.format.views(data, target.width, target.height))
            is_finite = not self._storer or read_flag(data) != stamp
        if not is_finite:  # no failure of the step: the state is as the network made it
            raise NotFiniteError("the SR frame holds NaN or infinity")

    def _clear_state(self) -> None:
        for buffer in self._state_buffers().values():
            self._device.zero(buffer, self._compute)

    def _state_buffers(self) -> dict[str, Buffer]:
        """Return the state that the next step reads."""
        return self._buffer_sets[self._steps % BUFFER_SETS].state

    def _state_array(self, name: str) -> NDArray[Any]:
        """Return the staging buffer of a tensor of the state, as `State` has it."""
        tensor = self._program.tensors[name]
        dtype = np.float32 if tensor.type == "fp32" else np.uint16
        channels, height, width = tensor.shape[1:]
        data = self._state_staging.pinned[name].data.view(dtype)
        if tensor.channels_last:
            return data.reshape(height, width, channels).transpose(2, 0, 1)
        return data.reshape(channels, height, width)

    def _recover(self) -> None:
        """Make the pipeline usable after a failure that was not fatal, or do nothing if there was none.

        It first waits for queued work, which fails on a broken device.
        """
        if not self._failure or self._fatal:
            return
        try:
            with self._device.attached():
                self._drain()
        except DeviceError as error:
            self._fail(f"backend={self._backend!r} cannot be reset: {error}", error, self._generation)
        else:
            for slot in self._ring:
                slot.number, slot.last_step = None, -1
            with self._failure_lock:
                self._failure = None
                self._generation += 1

    def _drain(self) -> None:
        """Wait for all queued work."""
        if self._drain_event is not None:  # made before anything is queued
            for stream in (self._uploads, self._compute, self._downloads):
                self._device.record(self._drain_event, stream)
                self._device.synchronise(self._drain_event)

    @contextmanager
    def _guard(self, problem: str, generation: int) -> Iterator[None]:
        """Refuse to work after a failure, and record any exception as a failure, including an interrupt."""
        if self._closed:
            raise BackendError(f"backend={self._backend!r} has been closed; open it again")
        if failure := self._failure:
            raise BackendError(str(failure)) from failure
        if generation != self._generation:
            raise BackendError(f"backend={self._backend!r} lost this frame when a step failed; request it again")
        try:
            with self._device.attached():
                yield
        except DeviceError as error:
            raise self._fail(f"backend={self._backend!r} {problem}: {error}", error, generation) from error
        except BaseException as error:
            self._fail(f"backend={self._backend!r} {problem}: {type(error).__name__}: {error}", error, generation)
            raise

    def _fail(self, message: str, error: BaseException, generation: int) -> BackendError:
        failure = BackendError(message)
        with self._failure_lock:
            fatal = isinstance(error, DeviceError) and error.fatal
            if fatal or generation == self._generation:  # a ticket from before the reset does not affect later steps
                self._failure, self._fatal = failure, self._fatal or fatal
        return failure


class _Ticket(Ticket):
    """The download of a step's SR frame into a readback."""

    def __init__(self, pipeline: Pipeline, readback: _Readback, generation: int, stamp: int) -> None:
        self._pipeline = pipeline
        self._readback = readback
        self._generation = generation
        self._stamp = stamp

    def wait(self, out: Planes) -> None:
        self._pipeline._finish_download(self._readback, self._generation, self._stamp, out)


def _copy_planes(targets: Planes, sources: Planes) -> None:
    """Copy planes of the same format.

    Raises:
        TypeError: a type is another one.
        ValueError: a size is another one.
    """
    for target, source in zip(targets, sources, strict=True):
        if target.shape != source.shape:
            raise ValueError(f"a plane of {source.shape} does not fit one of {target.shape}")
        np.copyto(target, source, casting="no")
