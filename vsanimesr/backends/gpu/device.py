"""Interface of a GPU, as far as the pipeline uses it, so that the pipeline also runs on a simulated one.

Work is queued on streams. Operations on one stream run in order; streams run concurrently, ordered only by events.
`cuda` implements the interface for real GPUs. The tests have a device that runs operations in any order that streams
and events allow.
"""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, TooLittleMemoryError
from ...network.tensors import Tensor

Stream = NewType("Stream", int)
Event = NewType("Event", int)
Graph = NewType("Graph", int)
Kernel = NewType("Kernel", int)
"""Handles, valid for the device that made them."""


BLOCK = (32, 8, 1)
"""Threads in a block of a kernel."""


class DeviceError(BackendError):
    """A call to a device failed, or work that was queued earlier."""

    def __init__(self, message: str, *, fatal: bool = False) -> None:
        super().__init__(message)
        self.fatal = fatal
        """Whether this process cannot use the device any more."""


class OutOfMemoryError(DeviceError, TooLittleMemoryError):
    """The device has too little free memory."""


@dataclass(frozen=True)
class Buffer:
    """Device memory, aligned to 256 bytes. Its contents are undefined at first."""

    address: int
    bytes: int


@dataclass(frozen=True)
class PinnedBuffer:
    """Pinned memory: memory of the host that the device copies from and to."""

    address: int
    data: NDArray[np.uint8]
    """View of the memory, (bytes,)."""


class Device(ABC):
    """A GPU. Calls queue work and return at once, except `synchronise` and `close`.

    A thread calls the methods within `attached`, except `close`. Memory, streams and events live until `close`, graphs
    until `destroy` or `close`.

    Raises:
        DeviceError: from every method, also if work that was queued earlier has failed in the meantime.
    """

    @abstractmethod
    def attached(self) -> AbstractContextManager[None]:
        """Make this the current device of the calling thread, and afterwards the one that it had before.

        Threads belong to VapourSynth, and other plugins use them too.
        """

    @abstractmethod
    def free_memory(self) -> int:
        """Return the bytes of device memory that can be allocated now."""

    @abstractmethod
    def allocate(self, bytes: int) -> Buffer:
        """Allocate device memory.

        Raises:
            OutOfMemoryError: there is too little.
        """

    @abstractmethod
    def allocate_pinned(self, bytes: int) -> PinnedBuffer: ...

    @abstractmethod
    def make_stream(self) -> Stream: ...

    @abstractmethod
    def make_event(self) -> Event:
        """Make an event. Until its first `record`, waiting for it returns at once."""

    @abstractmethod
    def upload(self, target: Buffer, source: PinnedBuffer, stream: Stream) -> None:
        """Queue a copy from the host. `source` is read when the copy runs, not now."""

    @abstractmethod
    def download(self, target: PinnedBuffer, source: Buffer, stream: Stream) -> None:
        """Queue a copy to the host."""

    @abstractmethod
    def copy(self, target: Buffer, source: Buffer, stream: Stream) -> None:
        """Queue a copy on the device."""

    @abstractmethod
    def zero(self, target: Buffer, stream: Stream) -> None:
        """Queue setting all bytes to zero."""

    @abstractmethod
    def record(self, event: Event, stream: Stream) -> None:
        """Make an event stand for all work queued on a stream so far. This replaces what it stood for before."""

    @abstractmethod
    def wait(self, stream: Stream, event: Event) -> None:
        """Make later work on a stream wait for the work that the event stands for now."""

    @abstractmethod
    def synchronise(self, event: Event) -> None:
        """Make the calling thread wait for the work that the event stands for now."""

    @abstractmethod
    def load_kernels(self, source: str, names: Sequence[str]) -> tuple[Kernel, ...]:
        """Compile CUDA C++ for the device, once, and return the kernels with these names.

        Raises:
            MissingDependencyError: the compiler is not installed.
        """

    @abstractmethod
    def run_kernel(
        self, kernel: Kernel, blocks: tuple[int, int, int], arguments: ctypes.Structure, stream: Stream
    ) -> None:
        """Queue a kernel on a grid of blocks of `BLOCK` threads.

        Args:
            arguments: the kernel's only parameter, copied now. Its `c_void_p` are addresses of device memory.
        """

    @abstractmethod
    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """Make a graph of the operations that `work` queues on a stream, without running them."""

    @abstractmethod
    def launch(self, graph: Graph, stream: Stream) -> None:
        """Queue the operations of a graph, with the addresses at the time of its capture."""

    @abstractmethod
    def destroy(self, graph: Graph) -> None:
        """Free a graph. The caller first waits for work that uses it."""

    @abstractmethod
    def close(self) -> None:
        """Free everything. The caller first waits for work that uses it. A second call does nothing."""


class Program(ABC):
    """One step of the network, compiled for a device. One thread at a time uses it."""

    tensors: Mapping[str, Tensor]
    """Inputs and outputs by name, as from `step_tensors`."""

    @abstractmethod
    def bind(self, name: str, buffer: Buffer) -> None:
        """Use a buffer for a tensor, in every step queued from now on."""

    @abstractmethod
    def enqueue(self, stream: Stream) -> None:
        """Queue a step. It does not change its inputs, and may write its outputs at any time while it runs.

        Raises:
            DeviceError: the step cannot be queued.
        """

    @abstractmethod
    def capture_obstacle(self, stream: Stream) -> str:
        """Return why a step cannot be captured as a graph, or "" if it can. A step has run before."""

    def capture(self, device: Device, stream: Stream) -> Graph:
        """Make a graph of a step with the current buffers.

        Raises:
            DeviceError: the step cannot be captured.
        """
        return device.capture(stream, lambda: self.enqueue(stream))

    @abstractmethod
    def close(self) -> None:
        """Free the memory that it uses on the device. A second call does nothing."""
