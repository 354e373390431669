"""The little of a GPU that the pipeline needs, so that the pipeline can also run where there is none.

Work is queued on streams. What is on one stream runs in order; streams run beside each other, and nothing orders them
but events. `cuda` is the real thing; the tests have a device that runs what is queued in every order that this allows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from .tensors import Tensor

Stream = NewType("Stream", int)
Event = NewType("Event", int)
Graph = NewType("Graph", int)
"""Handles, each of the device that made it."""


class DeviceError(EngineError):
    """A call to a device failed, or work that was queued before it."""

    def __init__(self, message: str, *, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost
        """Whether the device is of no use to this process any more."""


@dataclass(frozen=True)
class Buffer:
    """Memory of the device, aligned to 256 bytes, its contents undefined at first."""

    address: int
    bytes: int


@dataclass(frozen=True)
class Pinned:
    """Memory of the host that the device copies from and to by itself."""

    address: int
    data: NDArray[np.uint8]
    """A view of it, (bytes,)."""


class Device(ABC):
    """A GPU. Every call but `synchronise` and `close` returns at once, before what it queues has run.

    Each thread calls `attach` before anything else. Memory, streams, events and graphs live until `close`.

    Raises:
        DeviceError: from every method; also for work that was queued earlier and has failed meanwhile.
    """

    @abstractmethod
    def attach(self) -> None:
        """Make this the device that the calling thread works with."""

    @abstractmethod
    def allocate(self, bytes: int) -> Buffer: ...

    @abstractmethod
    def allocate_pinned(self, bytes: int) -> Pinned: ...

    @abstractmethod
    def make_stream(self) -> Stream: ...

    @abstractmethod
    def make_event(self) -> Event:
        """An event that has happened: waiting for it before its first `record` waits for nothing."""

    @abstractmethod
    def upload(self, target: Buffer, source: Pinned, stream: Stream) -> None:
        """Queue a copy from the host. `source` is read when its turn comes, not now."""

    @abstractmethod
    def download(self, target: Pinned, source: Buffer, stream: Stream) -> None:
        """Queue a copy to the host."""

    @abstractmethod
    def copy(self, target: Buffer, source: Buffer, stream: Stream) -> None:
        """Queue a copy from one place on the device to another."""

    @abstractmethod
    def zero(self, target: Buffer, stream: Stream) -> None:
        """Queue setting all bytes to zero."""

    @abstractmethod
    def record(self, event: Event, stream: Stream) -> None:
        """Have an event stand for all that has been queued on a stream so far, and for nothing else any more."""

    @abstractmethod
    def wait(self, stream: Stream, event: Event) -> None:
        """Let what is queued on a stream from now on wait for what the event stands for now."""

    @abstractmethod
    def synchronise(self, event: Event) -> None:
        """Have the calling thread wait for what the event stands for now."""

    @abstractmethod
    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """Make a graph of what `work` queues on a stream; none of it runs now."""

    @abstractmethod
    def launch(self, graph: Graph, stream: Stream) -> None:
        """Queue what a graph holds, with the addresses that it had when it was captured."""

    @abstractmethod
    def close(self) -> None:
        """Free everything, whether or not it is still in use: wait before. Closing twice does no harm."""


class Program(ABC):
    """One step of the network, compiled for a device. One thread at a time uses it."""

    tensors: Mapping[str, Tensor]
    """Its inputs and outputs by name, as `step_tensors` gives them."""

    @abstractmethod
    def bind(self, name: str, buffer: Buffer) -> None:
        """Use a buffer for a tensor in every step that is enqueued from now on."""

    @abstractmethod
    def enqueue(self, stream: Stream) -> None:
        """Queue a step. Inputs are not changed; outputs may be written at any time during the step.

        Raises:
            DeviceError: it cannot be queued.
        """

    @abstractmethod
    def capturable(self, stream: Stream) -> bool:
        """Whether a graph can be made of a step, once one has been enqueued without."""

    @abstractmethod
    def close(self) -> None:
        """Free what it holds on the device. Closing twice does no harm."""
