"""A simulated GPU: it runs queued operations in any order that streams and events allow, as late as possible.

On a real GPU a missing event has no effect as long as the copy happens to be faster than the network. Here a random
generator selects the stream that runs next. Memory holds NaN before it is written; it is read and written when an
operation runs, not when it is queued; and using it after it is freed is an error. So operations in the wrong order give
wrong frames.
"""

from __future__ import annotations

import ctypes
import random
import threading
import zlib
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.backends.gpu.host_kernels import HostKernel, compile_for_host
from vsanimesr.backends.gpu.device import (
    Buffer,
    Device,
    DeviceError,
    Event,
    Graph,
    Kernel,
    OutOfMemoryError,
    PinnedBuffer,
    Program,
    Stream,
)
from vsanimesr.network.tensors import Tensor

POISON = 0xFF
"""A byte of NaN, in float32, float16 and bfloat16."""

type Bytes = NDArray[np.uint8]
type Array = NDArray[np.float32]


@dataclass(eq=False)
class Mark:
    """A point on a stream that an event stands for: all work queued before it."""

    reached: bool = False


class Operation(NamedTuple):
    """An operation queued on a stream."""

    kind: str
    run: Callable[[], None]
    waits_for: Mark | None = None


@dataclass
class Failures:
    """Failures to simulate, and counts of the calls and operations so far."""

    at_call: int | None = None
    """Number of the call that fails. It queues nothing."""
    at_operation: int | None = None
    """Number of the operation that fails. The device cannot be used afterwards."""
    calls: int = 0
    operations: int = 0

    @property
    def expected(self) -> bool:
        return not (self.at_call is None and self.at_operation is None)


@dataclass(eq=False)
class SimulatedDevice(Device):
    """A device with a random order of execution.

    Args:
        seed: seed of the order.
        lag: probability of stopping, at each call, before another operation: 0 runs all queued work, 1 runs none until
            the host waits for it.
    """

    seed: int = 0
    lag: float = 0.7
    failures: Failures = field(default_factory=Failures)
    log: list[tuple[str, Stream]] = field(default_factory=list)
    """Kind and stream of each operation that has run."""
    memory: int = 1 << 40
    """Bytes of device memory that can be allocated."""
    allocated: int = 0
    """Bytes of device memory."""
    pinned: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.RLock()
        self._threads = threading.local()
        self._memory: dict[int, Bytes] = {}
        self._streams: dict[Stream, deque[Operation]] = {}
        self._order: list[Stream] = []
        self._events: dict[Event, Mark] = {}
        self._graphs: dict[Graph, list[Operation]] = {}
        self._kernels: dict[Kernel, HostKernel] = {}
        self._capture: tuple[Stream, list[Operation]] | None = None
        self._handles = 0
        self._next_address = 256
        self.fatal = False
        self.closed = False

    @contextmanager
    def attached(self) -> Iterator[None]:
        before = self.is_attached
        self._threads.attached = True
        try:
            yield
        finally:
            self._threads.attached = before

    @property
    def is_attached(self) -> bool:
        """Whether this is the current device of the calling thread."""
        return bool(getattr(self._threads, "attached", False))

    def free_memory(self) -> int:
        with self._call(allow_capture=False):
            return self.memory - self.allocated

    def allocate(self, bytes: int) -> Buffer:
        with self._call(allow_capture=False):
            if self.allocated + bytes > self.memory:
                raise OutOfMemoryError("no memory left; close other programs")
            self.allocated += bytes
            return Buffer(self._new_memory(bytes), bytes)

    def allocate_pinned(self, bytes: int) -> PinnedBuffer:
        with self._call(allow_capture=False):
            self.pinned += bytes
            address = self._new_memory(bytes)
            return PinnedBuffer(address, self._memory[address])

    def make_stream(self) -> Stream:
        with self._call(allow_capture=False):
            stream = Stream(self._new_handle())
            self._streams[stream] = deque()
            self._order.append(stream)
            return stream

    def make_event(self) -> Event:
        with self._call(allow_capture=False):
            event = Event(self._new_handle())
            self._events[event] = Mark(reached=True)
            return event

    def upload(self, target: Buffer, source: PinnedBuffer, stream: Stream) -> None:
        self._queue_copy("upload", target.address, source.address, stream)

    def download(self, target: PinnedBuffer, source: Buffer, stream: Stream) -> None:
        self._queue_copy("download", target.address, source.address, stream)

    def copy(self, target: Buffer, source: Buffer, stream: Stream) -> None:
        self._queue_copy("copy", target.address, source.address, stream)

    def zero(self, target: Buffer, stream: Stream) -> None:
        with self._call():
            self.queue(stream, Operation("zero", lambda: self.at(target.address).fill(0)))

    def record(self, event: Event, stream: Stream) -> None:
        with self._call(allow_capture=False):
            mark = self._events[event] = Mark()

            def reach() -> None:
                mark.reached = True

            self.queue(stream, Operation("record", reach))

    def wait(self, stream: Stream, event: Event) -> None:
        with self._call(allow_capture=False):
            self.queue(stream, Operation("wait", lambda: None, waits_for=self._events[event]))

    def synchronise(self, event: Event) -> None:
        with self._call(allow_capture=False):
            mark = self._events[event]
            while not mark.reached:
                assert self._run_one(), "the host waits for an event that never happens"
            self._raise_if_fatal()

    def load_kernels(self, source: str, names: Sequence[str]) -> tuple[Kernel, ...]:
        with self._call(allow_capture=False):
            kernels = {Kernel(self._new_handle()): kernel for kernel in compile_for_host(source, tuple(names))}
            self._kernels |= kernels
            return tuple(kernels)

    def run_kernel(
        self, kernel: Kernel, blocks: tuple[int, int, int], arguments: ctypes.Structure, stream: Stream
    ) -> None:
        with self._call():
            copied = type(arguments).from_buffer_copy(arguments)

            def run() -> None:
                self.run_on_host(self._kernels[kernel], blocks, copied)

            self.queue(stream, Operation("kernel", run))

    def run_on_host(self, kernel: HostKernel, blocks: tuple[int, int, int], arguments: ctypes.Structure) -> None:
        """Run a kernel with the memory that its arguments point to."""
        arguments = type(arguments).from_buffer_copy(arguments)
        for name, kind in type(arguments)._fields_:  # type: ignore[misc]
            if kind is ctypes.c_void_p:
                setattr(arguments, name, self.inside(getattr(arguments, name)).ctypes.data)
        kernel.run(blocks, arguments)

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        with self._call(allow_capture=False):
            assert not self._streams[stream], "other work is still queued"
            self._capture = (stream, [])
        try:
            work()
        finally:
            _, operations = self._capture
            self._capture = None
        with self._call():
            graph = Graph(self._new_handle())
            self._graphs[graph] = operations
            return graph

    def launch(self, graph: Graph, stream: Stream) -> None:
        with self._call():
            for operation in self._graphs[graph]:
                self.queue(stream, operation)

    def destroy(self, graph: Graph) -> None:
        with self._call(allow_capture=False):
            del self._graphs[graph]

    @property
    def graphs(self) -> int:
        """Number of graphs that have not been destroyed."""
        return len(self._graphs)

    def close(self) -> None:
        with self._lock:
            assert self.failures.expected or not any(self._streams.values()), "memory is freed while it is in use"
            self.closed = True
            for memory in self._memory.values():
                memory.fill(POISON)
            self._memory.clear()

    def at(self, address: int) -> Bytes:
        """Return the memory at an address."""
        assert address in self._memory, "memory is used after it was freed"
        return self._memory[address]

    def inside(self, address: int) -> Bytes:
        """Return the memory from an address on, which may be inside a buffer."""
        start = max((start for start in self._memory if start <= address), default=-1)
        assert 0 <= address - start < len(self.at(start)), "memory is used that is in no buffer"
        return self._memory[start][address - start :]

    def queue(self, stream: Stream, operation: Operation) -> None:
        if self._capture and self._capture[0] == stream:
            self._capture[1].append(operation)
        else:
            self._streams[stream].append(operation)

    def is_capturing(self, stream: Stream) -> bool:
        return self._capture is not None and self._capture[0] == stream

    def begin_call(self, *, allow_capture: bool) -> None:
        """Check the state of the device, fail if this call is to fail, and run some of the queued operations."""
        assert self.is_attached, "this is not the current device of the thread"
        assert not self.closed, "the device has been closed"
        assert allow_capture or not self._capture, "this call is not allowed during a capture"
        self._raise_if_fatal()
        self.failures.calls += 1
        if self.failures.calls - 1 == self.failures.at_call:
            raise DeviceError("out of luck; try again")
        while self._random.random() > self.lag and self._run_one():
            pass

    def _call(self, *, allow_capture: bool = True) -> _Call:
        return _Call(self, allow_capture)

    def _raise_if_fatal(self) -> None:
        if self.fatal:
            raise DeviceError("gone; restart the program", fatal=True)

    def _run_one(self) -> bool:
        """Run an operation of a stream that is ready. The order of streams changes seldom, so some fall far behind."""
        if self._random.random() < 0.1:
            self._random.shuffle(self._order)
        stream = next((stream for stream in self._order if self._is_ready(stream)), None)
        if stream is None:
            return False
        operation = self._streams[stream].popleft()
        if self.failures.operations == self.failures.at_operation:
            self.fatal = True
        self.failures.operations += 1
        if not self.fatal or operation.kind == "record":
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
        address = self._next_address
        self._next_address += bytes + -bytes % 256
        self._memory[address] = np.full(bytes, POISON, np.uint8)
        return address

    def _new_handle(self) -> int:
        self._handles += 1
        return self._handles


class _Call:
    """Context of a call to the device. It holds the device's lock."""

    def __init__(self, device: SimulatedDevice, allow_capture: bool) -> None:
        self._device = device
        self._allow_capture = allow_capture

    def __enter__(self) -> None:
        self._device._lock.acquire()
        try:
            self._device.begin_call(allow_capture=self._allow_capture)
        except BaseException:
            self._device._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._device._lock.release()


class SimulatedProgram(Program):
    """A step that uses the buffers bound when it was queued, with their contents when it runs."""

    def __init__(self, device: SimulatedDevice, tensors: Mapping[str, Tensor], *, graphs: bool = True) -> None:
        self.tensors = tensors
        self._device = device
        self._graphs = graphs
        self._bindings: dict[str, int] = {}
        self._warm = False
        self.closed = False

    def bind(self, name: str, buffer: Buffer) -> None:
        assert buffer.bytes == self.tensors[name].bytes
        self._bindings[name] = buffer.address

    def enqueue(self, stream: Stream) -> None:
        with self._device._call():
            bindings = dict(self._bindings)
            assert bindings.keys() == self.tensors.keys()
            assert self._warm or not self._device.is_capturing(stream), "the first step cannot be captured"
            self._warm = True
            self._device.queue(stream, Operation("step", lambda: self._run(bindings)))

    def capture_obstacle(self, stream: Stream) -> str:
        return "" if self._graphs else "this program has none"

    def close(self) -> None:
        assert self._device.failures.expected or not self._device.graphs, "graphs use what is freed now"
        assert self._device.failures.expected or self._device.is_attached, "memory is freed on another device"
        self.closed = True

    @abstractmethod
    def compute(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the outputs of a step by name."""

    def _run(self, bindings: Mapping[str, int]) -> None:
        buffers = {name: self._device.at(address) for name, address in bindings.items()}
        for name, buffer in buffers.items():
            if is_output(name):
                buffer.fill(POISON)  # outputs may be written before inputs are read
        arrays = {name: buffer.view(np.float32).reshape(self.tensors[name].shape) for name, buffer in buffers.items()}
        outputs = self.compute({name: array for name, array in arrays.items() if not is_output(name)})
        for name, value in outputs.items():
            arrays[name][:] = value


class HashProgram(SimulatedProgram):
    """A step that takes microseconds, and whose outputs depend on every bit of every input."""

    def compute(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return hash_inputs(inputs, self.tensors)


class NetworkProgram(SimulatedProgram):
    """The network itself, on the CPU.

    Args:
        session: an onnxruntime session of the graph in fp32.
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


def hash_inputs(inputs: Mapping[str, Array], tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return outputs whose values, below 2**24, depend on the name and bits of every input."""
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
