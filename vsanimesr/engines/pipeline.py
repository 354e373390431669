"""How steps run on a GPU, for every engine that has one: copies and computation side by side, nothing moved twice.

Three streams. *Uploads* brings source frames into a ring of slots on the device, each frame once: a run through the
clip uploads one new frame per step. *Compute* copies three slots into the window, runs the network, and carries the
state on. *Downloads* brings SR frames back. Events order the three where they touch the same memory, and only there,
so that the upload for step n + 1 and the download of step n - 1 go on while step n computes.

Even and odd steps use two sets of buffers: what one writes as state the other reads, since no runtime says what
happens if it reads and writes one buffer; and while one's SR frame is downloaded the other computes. So there are two
ways in which the network is bound, and two graphs do for all steps. The window is filled by copies, rather than by
binding the slots themselves, for the same reason: bound slots would need a graph for every combination of slots. The
copies take about a thousandth of a step, and a slot is free again as soon as they are done.

All memory is allocated before the first step.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np

from ..errors import EngineError
from ..graph import GraphPrecision
from .base import Frame, Planes, Ticket
from .device import Buffer, Device, DeviceError, Event, Graph, Pinned, Program
from .tensors import STATE, WINDOW, step_tensors

_log = logging.getLogger(__name__)

RING = 4
"""Source frames on the device: the three of a window, and the one that is uploaded meanwhile."""

DEPTH = 2
"""Tickets that may be waiting at once, as in `Engine.depth`."""

SIDES = 2


def bytes_needed(width: int, height: int, precision: GraphPrecision) -> int:
    """Bytes of device memory that a pipeline allocates for LR frames of a size in pixels.

    The network itself comes on top: its weights, and what it computes on the way.
    """
    size = {name: tensor.bytes for name, tensor in step_tensors(width, height, precision).items()}
    window = sum(size[name] for name in WINDOW)
    return RING * size["cur"] + window + SIDES * (sum(size[name] for name in STATE) + size["frame"])


@dataclass
class _Slot:
    """A place for a source frame: on the host, where it is put together, and on the device."""

    staging: Pinned
    buffer: Buffer
    uploaded: Event
    """The last upload has ended: staging may be written, the buffer may be read."""
    read: Event
    """The last copy into the window has ended: the buffer may be written."""
    number: int | None = None
    used: int = -1
    """The last step that it was part of; -1: none since the start, or since a failure."""


@dataclass
class _Side:
    """The buffers of even steps, or of odd ones."""

    state: dict[str, Buffer]
    """What its steps read; what they write is the other side's."""
    frame: Buffer
    computed: Event
    """The frame may be read."""
    left: Event
    """The last download of the frame has ended: it may be written."""
    graph: Graph | None = None


@dataclass
class _Landing:
    """Where an SR frame arrives on the host. Tickets take turns."""

    pinned: Pinned
    landed: Event
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while it is read, so that it is not freed meanwhile."""


class Pipeline:
    """Runs steps of one program. It owns the device and the program, and closes both, also when it cannot be opened.

    `submit`, `reset` and `close` are called by one thread at a time, and tickets waited for by any. A step that fails
    takes the state with it, and all tickets that have not been waited for: nothing is submitted until the reset.

    Args:
        engine: the engine's name, for errors.
        graphs: whether steps are replayed as graphs, where the program allows it.

    Raises:
        EngineError: the device has not enough memory, or the first steps fail.
    """

    def __init__(self, device: Device, program: Program, *, engine: str, graphs: bool) -> None:
        self._device = device
        self._program = program
        self._engine = engine
        self._failure: EngineError | None = None
        self._lost = False
        self._life = 0  # raised when a failure is overcome: tickets from before are void
        self._failing = threading.Lock()
        self._steps = 0
        self._tickets = 0
        self._closed = False
        self._landings: list[_Landing] = []
        try:
            device.attach()
            self._allocate()
            self._warm_up(graphs)
            self._clear_state()
        except BaseException as error:
            self.close()
            if isinstance(error, DeviceError):
                raise EngineError(f"engine={engine!r} cannot be opened: {error}") from error
            raise

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        """As `Engine.submit`."""
        window = (prev, cur, next)
        with self._guarded("failed at a step", self._life):
            slots = [self._slot(frame) for frame in window]
            self._fill_window(slots)
            side = self._sides[self._steps % SIDES]
            self._device.wait(self._compute, side.left)
            self._run(side)
            ticket = self._send(side) if output else None
            self._steps += 1
        return ticket

    def reset(self) -> None:
        """As `Engine.reset`. It also overcomes a failure, unless the device is lost."""
        if self._failure and not self._lost:
            self._recover()
        with self._guarded("cannot be reset", self._life):
            self._clear_state()

    def close(self) -> None:
        """Wait for what is running and free everything. Closing twice does no harm."""
        if self._closed:
            return
        self._closed = True
        with suppress(DeviceError):  # told already, or of no use to anyone
            self._device.attach()
            self._drain()
        for landing in self._landings:
            with landing.lock:  # no thread reads it now, and none will
                pass
        self._program.close()
        self._device.close()

    def _allocate(self) -> None:
        device, size = self._device, {name: tensor.bytes for name, tensor in self._program.tensors.items()}
        self._uploads, self._compute, self._downloads = (device.make_stream() for _ in range(3))
        self._drained = device.make_event()
        self._window = {name: device.allocate(size[name]) for name in WINDOW}
        lr, sr = size["cur"], size["frame"]
        self._ring = [
            _Slot(device.allocate_pinned(lr), device.allocate(lr), device.make_event(), device.make_event())
            for _ in range(RING)
        ]
        self._sides = [
            _Side(
                {name: device.allocate(size[name]) for name in STATE},
                device.allocate(sr),
                device.make_event(),
                device.make_event(),
            )
            for _ in range(SIDES)
        ]
        self._landings = [_Landing(device.allocate_pinned(sr), device.make_event()) for _ in range(DEPTH)]

    def _warm_up(self, graphs: bool) -> None:
        """Run a step of each side, for what runtimes put off until then; and make the graphs."""
        for buffer in self._window.values():
            self._device.zero(buffer, self._compute)
        self._clear_state()
        for side in self._sides:
            self._run(side)
            self._drain()
            if graphs and self._program.capturable(self._compute):
                side.graph = self._captured()
                graphs = side.graph is not None

    def _captured(self) -> Graph | None:
        """A graph of the step as it is bound; None where none can be made."""
        try:
            return self._device.capture(self._compute, lambda: self._program.enqueue(self._compute))
        except DeviceError as error:
            if error.lost:
                raise
            _log.warning("engine=%r runs without graphs, since none can be made: %s", self._engine, error)
            return None

    def _slot(self, frame: Frame) -> _Slot:
        """The slot that holds a frame, uploaded where it was in none."""
        for slot in self._ring:
            if slot.number == frame.number:
                break
        else:
            slot = min(self._ring, key=lambda slot: slot.used)  # none of this step's: there are more slots than three
            self._upload(slot, frame)
        slot.used = self._steps
        return slot

    def _upload(self, slot: _Slot, frame: Frame) -> None:
        slot.number = None
        self._device.synchronise(slot.uploaded)
        shape = self._program.tensors["cur"].shape[1:]
        for target, plane in zip(slot.staging.data.view(np.float32).reshape(shape), frame.planes, strict=True):
            target[:] = plane
        self._device.wait(self._uploads, slot.read)
        self._device.upload(slot.buffer, slot.staging, self._uploads)
        self._device.record(slot.uploaded, self._uploads)
        slot.number = frame.number

    def _fill_window(self, slots: list[_Slot]) -> None:
        for target, slot in zip(self._window.values(), slots, strict=True):
            self._device.wait(self._compute, slot.uploaded)
            self._device.copy(target, slot.buffer, self._compute)
            self._device.record(slot.read, self._compute)

    def _run(self, side: _Side) -> None:
        if side.graph is not None:
            self._device.launch(side.graph, self._compute)
        else:
            self._bind(side)
            self._program.enqueue(self._compute)

    def _bind(self, side: _Side) -> None:
        (other,) = (other for other in self._sides if other is not side)
        for name, buffer in self._window.items():
            self._program.bind(name, buffer)
        for name in STATE:
            self._program.bind(name, side.state[name])
            self._program.bind(f"{name}_out", other.state[name])
        self._program.bind("frame", side.frame)

    def _send(self, side: _Side) -> Ticket:
        """Start the download of the frame. The landing is free: its last ticket has been waited for."""
        device, landing = self._device, self._landings[self._tickets % DEPTH]
        device.record(side.computed, self._compute)
        device.wait(self._downloads, side.computed)
        device.download(landing.pinned, side.frame, self._downloads)
        device.record(side.left, self._downloads)
        device.record(landing.landed, self._downloads)
        self._tickets += 1
        return _Ticket(self, landing, self._life)

    def _receive(self, landing: _Landing, life: int, out: Planes) -> None:
        with landing.lock, self._guarded("failed at a step", life):
            self._device.synchronise(landing.landed)
            shape = self._program.tensors["frame"].shape[1:]
            for plane, target in zip(landing.pinned.data.view(np.float32).reshape(shape), out, strict=True):
                target[:] = plane

    def _clear_state(self) -> None:
        for buffer in self._sides[self._steps % SIDES].state.values():
            self._device.zero(buffer, self._compute)

    def _recover(self) -> None:
        """Start over after a failure. What was queued before ends first, which shows whether the device works."""
        try:
            self._device.attach()
            self._drain()
        except DeviceError as error:
            self._fail(f"engine={self._engine!r} cannot be reset: {error}", error, self._life)
        else:
            for slot in self._ring:
                slot.number, slot.used = None, -1
            with self._failing:
                self._failure = None
                self._life += 1

    def _drain(self) -> None:
        """Wait until nothing is running."""
        if self._landings:  # nothing has run before all was allocated
            for stream in (self._uploads, self._compute, self._downloads):
                self._device.record(self._drained, stream)
                self._device.synchronise(self._drained)

    @contextmanager
    def _guarded(self, what: str, life: int) -> Iterator[None]:
        """Refuse to work after a failure, and take any error, an interrupt too, as one."""
        if self._closed:
            raise EngineError(f"engine={self._engine!r} has been closed; open it again")
        if failure := self._failure:
            raise EngineError(str(failure)) from failure
        if life != self._life:
            raise EngineError(f"engine={self._engine!r} lost this frame when a step failed; ask for it again")
        try:
            self._device.attach()
            yield
        except DeviceError as error:
            raise self._fail(f"engine={self._engine!r} {what}: {error}", error, life) from error
        except BaseException as error:
            self._fail(f"engine={self._engine!r} {what}: {type(error).__name__}: {error}", error, life)
            raise

    def _fail(self, message: str, error: BaseException, life: int) -> EngineError:
        failure = EngineError(message)
        with self._failing:
            lost = isinstance(error, DeviceError) and error.lost
            if lost or life == self._life:  # else a ticket from before the reset, of no concern to what runs now
                self._failure, self._lost = failure, self._lost or lost
        return failure


class _Ticket(Ticket):
    """The SR frame of a step, on its way to a landing."""

    def __init__(self, pipeline: Pipeline, landing: _Landing, life: int) -> None:
        self._pipeline = pipeline
        self._landing = landing
        self._life = life

    def wait(self, out: Planes) -> None:
        self._pipeline._receive(self._landing, self._life, out)
