"""A GPU that is not there: it runs what is queued in any order that streams and events allow, as late as it may.

A real GPU hides a missing event for as long as the copy happens to be faster than the network. This one picks, at
random, which stream goes on; memory holds nothing but NaN before it is written, is read and written when an
operation's turn comes and not when it is queued, and is gone once it is freed. So what is not ordered comes out wrong.
"""

from __future__ import annotations

import random
import threading
import zlib
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsanimesr.engines.device import Buffer, Device, DeviceError, Event, Graph, Pinned, Program, Stream
from vsanimesr.engines.tensors import Tensor

POISON = 0xFF
"""A byte of NaN, in float32, float16 and bfloat16."""

type Bytes = NDArray[np.uint8]
type Array = NDArray[np.float32]


@dataclass(eq=False)
class Mark:
    """What an event stands for: all that was queued on a stream before it."""

    reached: bool = False


class Operation(NamedTuple):
    """Something queued on a stream."""

    kind: str
    run: Callable[[], None]
    waits_for: Mark | None = None


@dataclass
class Failures:
    """When something is to go wrong, in calls to the device or in operations that ran."""

    at_call: int | None = None
    """The call that fails, and queues nothing."""
    at_operation: int | None = None
    """The operation that fails, and takes the device with it."""
    calls: int = 0
    operations: int = 0

    @property
    def expected(self) -> bool:
        return not (self.at_call is None and self.at_operation is None)


@dataclass(eq=False)
class SimulatedDevice(Device):
    """A device whose order of execution a seed decides.

    Args:
        seed: of the order.
        lag: how seldom anything runs before the host waits for it, 0 (at once) to 1 (never).
    """

    seed: int = 0
    lag: float = 0.7
    failures: Failures = field(default_factory=Failures)
    log: list[tuple[str, Stream]] = field(default_factory=list)
    """The kind and stream of each operation that has run."""
    allocated: int = 0
    """Bytes of device memory."""
    pinned: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.RLock()
        self._attached = threading.local()
        self._memory: dict[int, Bytes] = {}
        self._streams: dict[Stream, deque[Operation]] = {}
        self._order: list[Stream] = []
        self._events: dict[Event, Mark] = {}
        self._graphs: dict[Graph, list[Operation]] = {}
        self._capturing: tuple[Stream, list[Operation]] | None = None
        self._handles = 0
        self.lost = False
        self.closed = False

    def attach(self) -> None:
        self._attached.yes = True

    def allocate(self, bytes: int) -> Buffer:
        with self._call(capturable=False):
            self.allocated += bytes
            return Buffer(self._new_memory(bytes), bytes)

    def allocate_pinned(self, bytes: int) -> Pinned:
        with self._call(capturable=False):
            self.pinned += bytes
            address = self._new_memory(bytes)
            return Pinned(address, self._memory[address])

    def make_stream(self) -> Stream:
        with self._call(capturable=False):
            stream = Stream(self._handle())
            self._streams[stream] = deque()
            self._order.append(stream)
            return stream

    def make_event(self) -> Event:
        with self._call(capturable=False):
            event = Event(self._handle())
            self._events[event] = Mark(reached=True)
            return event

    def upload(self, target: Buffer, source: Pinned, stream: Stream) -> None:
        self._queue_copy("upload", target.address, source.address, stream)

    def download(self, target: Pinned, source: Buffer, stream: Stream) -> None:
        self._queue_copy("download", target.address, source.address, stream)

    def copy(self, target: Buffer, source: Buffer, stream: Stream) -> None:
        self._queue_copy("copy", target.address, source.address, stream)

    def zero(self, target: Buffer, stream: Stream) -> None:
        with self._call():
            self.queue(stream, Operation("zero", lambda: self.at(target.address).fill(0)))

    def record(self, event: Event, stream: Stream) -> None:
        with self._call(capturable=False):
            mark = self._events[event] = Mark()

            def reach() -> None:
                mark.reached = True

            self.queue(stream, Operation("record", reach))

    def wait(self, stream: Stream, event: Event) -> None:
        with self._call(capturable=False):
            self.queue(stream, Operation("wait", lambda: None, waits_for=self._events[event]))

    def synchronise(self, event: Event) -> None:
        with self._call(capturable=False):
            mark = self._events[event]
            while not mark.reached:
                assert self._run_one(), "the host waits for what can never happen"
            self._raise_if_lost()

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        with self._call(capturable=False):
            assert not self._streams[stream], "other work is still queued"
            self._capturing = (stream, [])
        try:
            work()
        finally:
            _, captured = self._capturing
            self._capturing = None
        with self._call():
            graph = Graph(self._handle())
            self._graphs[graph] = captured
            return graph

    def launch(self, graph: Graph, stream: Stream) -> None:
        with self._call():
            for operation in self._graphs[graph]:
                self.queue(stream, operation)

    def close(self) -> None:
        with self._lock:
            assert self.failures.expected or not any(self._streams.values()), "freed while it is still in use"
            self.closed = True
            for memory in self._memory.values():
                memory.fill(POISON)
            self._memory.clear()

    def at(self, address: int) -> Bytes:
        """Memory, while it is there."""
        assert address in self._memory, "memory that has been freed is used"
        return self._memory[address]

    def queue(self, stream: Stream, operation: Operation) -> None:
        if self._capturing and self._capturing[0] == stream:
            self._capturing[1].append(operation)
        else:
            self._streams[stream].append(operation)

    def is_capturing(self, stream: Stream) -> bool:
        return self._capturing is not None and self._capturing[0] == stream

    def called(self, *, capturable: bool = True) -> None:
        """What every call begins with. Work goes on, or does not."""
        assert getattr(self._attached, "yes", False), "this thread has not attached itself"
        assert not self.closed, "the device has been closed"
        assert capturable or not self._capturing, "not while a graph is captured"
        self._raise_if_lost()
        self.failures.calls += 1
        if self.failures.calls - 1 == self.failures.at_call:
            raise DeviceError("out of luck; try again")
        while self._random.random() > self.lag and self._run_one():
            pass

    def _call(self, *, capturable: bool = True) -> _Call:
        return _Call(self, capturable)

    def _raise_if_lost(self) -> None:
        if self.lost:
            raise DeviceError("gone; restart the program", lost=True)

    def _run_one(self) -> bool:
        """Go on with one of the streams that can: the same for a while, so that others fall far behind."""
        if self._random.random() < 0.1:
            self._random.shuffle(self._order)
        stream = next((stream for stream in self._order if self._is_ready(stream)), None)
        if stream is None:
            return False
        operation = self._streams[stream].popleft()
        if self.failures.operations == self.failures.at_operation:
            self.lost = True
        self.failures.operations += 1
        if not self.lost or operation.kind == "record":
            operation.run()
            self.log.append((operation.kind, stream))
        return True

    def _is_ready(self, stream: Stream) -> bool:
        queue = self._streams[stream]
        return bool(queue) and (queue[0].waits_for is None or queue[0].waits_for.reached)

    def _queue_copy(self, kind: str, target: int, source: int, stream: Stream) -> None:
        with self._call():
            assert self.at(target).size == self.at(source).size

            def run() -> None:
                self.at(target)[:] = self.at(source)

            self.queue(stream, Operation(kind, run))

    def _new_memory(self, bytes: int) -> int:
        address = 256 * self._handle()
        self._memory[address] = np.full(bytes, POISON, np.uint8)
        return address

    def _handle(self) -> int:
        self._handles += 1
        return self._handles


class _Call:
    """One call to the device at a time."""

    def __init__(self, device: SimulatedDevice, capturable: bool) -> None:
        self._device = device
        self._capturable = capturable

    def __enter__(self) -> None:
        self._device._lock.acquire()
        try:
            self._device.called(capturable=self._capturable)
        except BaseException:
            self._device._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._device._lock.release()


class SimulatedProgram(Program):
    """A step that runs when its turn comes, on what is then in the buffers that were bound when it was enqueued."""

    def __init__(self, device: SimulatedDevice, tensors: Mapping[str, Tensor], *, graphs: bool = True) -> None:
        self.tensors = tensors
        self._device = device
        self._graphs = graphs
        self._bound: dict[str, int] = {}
        self._warm = False
        self.closed = False

    def bind(self, name: str, buffer: Buffer) -> None:
        assert buffer.bytes == self.tensors[name].bytes
        self._bound[name] = buffer.address

    def enqueue(self, stream: Stream) -> None:
        with self._device._call():
            bound = dict(self._bound)
            assert bound.keys() == self.tensors.keys()
            assert self._warm or not self._device.is_capturing(stream), "the first step cannot be captured"
            self._warm = True
            self._device.queue(stream, Operation("step", lambda: self._run(bound)))

    def capturable(self, stream: Stream) -> bool:
        return self._graphs

    def close(self) -> None:
        self.closed = True

    @abstractmethod
    def compute(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """The outputs of a step, by name."""

    def _run(self, bound: Mapping[str, int]) -> None:
        buffers = {name: self._device.at(address) for name, address in bound.items()}
        for name, buffer in buffers.items():
            if is_output(name):
                buffer.fill(POISON)  # outputs may be written before inputs are read
        arrays = {name: buffer.view(np.float32).reshape(self.tensors[name].shape) for name, buffer in buffers.items()}
        outputs = self.compute({name: array for name, array in arrays.items() if not is_output(name)})
        for name, value in outputs.items():
            arrays[name][:] = value


class CheapProgram(SimulatedProgram):
    """A step that takes microseconds, and whose outputs tell every bit of every input."""

    def compute(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return mixed(inputs, self.tensors)


class NetworkProgram(SimulatedProgram):
    """The network itself, on the CPU.

    Args:
        session: an onnxruntime session of the graph, in fp32.
    """

    def __init__(
        self, device: SimulatedDevice, tensors: Mapping[str, Tensor], session: Any, *, graphs: bool = True
    ) -> None:
        super().__init__(device, tensors, graphs=graphs)
        self._session = session

    def compute(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        names = [name for name in self.tensors if is_output(name)]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


def is_output(name: str) -> bool:
    return name == "frame" or name.endswith("_out")


def mixed(inputs: Mapping[str, Array], tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """For each output numbers below 2**24 that depend on the name and bits of every input."""
    digest = 0
    for name in sorted(inputs):
        digest = zlib.crc32(inputs[name].tobytes(), zlib.crc32(name.encode(), digest))
    outputs = {}
    for name, tensor in tensors.items():
        if is_output(name):
            first = zlib.crc32(name.encode(), digest)
            count = np.arange(tensor.bytes // 4, dtype=np.uint32)
            outputs[name] = ((first + count * 2654435761 >> 8).astype(np.float32)).reshape(tensor.shape)
    return outputs
