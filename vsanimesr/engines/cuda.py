"""NVIDIA GPUs, through the CUDA runtime as cuda-python has it: one call for each method, and every result looked at."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import MissingDependencyError
from .device import Buffer, Device, DeviceError, Event, Graph, Pinned, Stream

# After these, says CUDA, "the process must be terminated and relaunched".
LOST = frozenset(
    {
        "cudaErrorAssert",
        "cudaErrorContained",
        "cudaErrorExternalDevice",
        "cudaErrorHardwareStackError",
        "cudaErrorIllegalAddress",
        "cudaErrorIllegalInstruction",
        "cudaErrorInvalidAddressSpace",
        "cudaErrorInvalidPc",
        "cudaErrorLaunchFailure",
        "cudaErrorLaunchTimeout",
        "cudaErrorMisalignedAddress",
        "cudaErrorMpsClientTerminated",
        "cudaErrorTensorMemoryLeak",
    }
)

REMEDIES = {
    "cudaErrorMemoryAllocation": "close what else uses the GPU, or use a smaller clip",
    "cudaErrorInsufficientDriver": "install a newer NVIDIA driver",
    "cudaErrorNoDevice": "check with nvidia-smi that the GPU is seen",
}


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine."""

    number: int
    """What `Options.device` calls it."""
    name: str
    capability: tuple[int, int]
    """Compute capability, for example (8, 9)."""
    memory: int
    """In bytes."""
    driver: int
    """The CUDA version that the driver knows: 1000 times the major, 10 times the minor number."""

    @property
    def target(self) -> str:
        """Its compute capability as builders name it, for example `sm89`."""
        return "sm{}{}".format(*self.capability)

    @property
    def described(self) -> str:
        """For people."""
        return "{} ({} GiB, compute capability {}.{})".format(self.name, round(self.memory / 2**30), *self.capability)

    @property
    def identity(self) -> str:
        """What an engine depends on whose kernels were chosen by timing them on this GPU."""
        return f"{self.name}, {self.target}, {self.memory} bytes, driver {self.driver}"


def load_runtime() -> Any:
    """The module of the CUDA runtime.

    Raises:
        MissingDependencyError: cuda-python is not installed.
    """
    try:
        return import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise MissingDependencyError(
            f"NVIDIA GPUs need the package cuda-bindings ({error}); pip install cuda-bindings"
        ) from error


def gpus(cudart: Any) -> list[Gpu]:
    """The GPUs of this machine, by number; at least one.

    Raises:
        DeviceError: there is none, or no driver, or one that is too old.
    """
    driver: int = _checked(cudart, "cudaDriverGetVersion")
    if driver == 0:
        raise DeviceError("there is no NVIDIA driver; install one, or use engine='openvino'")
    found = []
    for number in range(_checked(cudart, "cudaGetDeviceCount")):
        properties = _checked(cudart, "cudaGetDeviceProperties", number)
        capability = (properties.major, properties.minor)
        name = bytes(properties.name).split(b"\0")[0].decode()
        found.append(Gpu(number, name, capability, properties.totalGlobalMem, driver))
    return found


def find_gpu(cudart: Any, number: int) -> Gpu:
    """A GPU by its number.

    Raises:
        DeviceError: it does not exist; or as from `gpus`.
    """
    found = gpus(cudart)
    if number >= len(found):
        listed = ", ".join(f"{gpu.number} ({gpu.name})" for gpu in found)
        raise DeviceError(f"device={number} does not exist; use {listed}")
    return found[number]


class CudaDevice(Device):
    """A GPU by its number, as `Options.device` has it.

    Args:
        number: of the GPU.
        cudart: the module of the CUDA runtime, from `load_runtime`.
    """

    def __init__(self, number: int, cudart: Any) -> None:
        self._number = number
        self._cudart = cudart
        self._owned: list[tuple[str, int]] = []  # what to free, each with the function that does it
        self.attach()

    def attach(self) -> None:
        self._call("cudaSetDevice", self._number)

    def allocate(self, bytes: int) -> Buffer:
        return Buffer(self._own("cudaFree", self._call("cudaMalloc", bytes)), bytes)

    def allocate_pinned(self, bytes: int) -> Pinned:
        flags = self._cudart.cudaHostAllocDefault
        address = self._own("cudaFreeHost", self._call("cudaHostAlloc", bytes, flags))
        return Pinned(address, np.ctypeslib.as_array((ctypes.c_uint8 * bytes).from_address(address)))

    def make_stream(self) -> Stream:
        flags = self._cudart.cudaStreamNonBlocking  # nobody else's work on the default stream holds it up
        return Stream(self._own("cudaStreamDestroy", self._call("cudaStreamCreateWithFlags", flags)))

    def make_event(self) -> Event:
        # A thread that waits sleeps: the core is the encoder's.
        flags = self._cudart.cudaEventDisableTiming | self._cudart.cudaEventBlockingSync
        return Event(self._own("cudaEventDestroy", self._call("cudaEventCreateWithFlags", flags)))

    def upload(self, target: Buffer, source: Pinned, stream: Stream) -> None:
        self._copy(target.address, source.address, target.bytes, "cudaMemcpyHostToDevice", stream)

    def download(self, target: Pinned, source: Buffer, stream: Stream) -> None:
        self._copy(target.address, source.address, source.bytes, "cudaMemcpyDeviceToHost", stream)

    def copy(self, target: Buffer, source: Buffer, stream: Stream) -> None:
        self._copy(target.address, source.address, target.bytes, "cudaMemcpyDeviceToDevice", stream)

    def zero(self, target: Buffer, stream: Stream) -> None:
        self._call("cudaMemsetAsync", target.address, 0, target.bytes, stream)

    def record(self, event: Event, stream: Stream) -> None:
        self._call("cudaEventRecord", event, stream)

    def wait(self, stream: Stream, event: Event) -> None:
        self._call("cudaStreamWaitEvent", stream, event, 0)

    def synchronise(self, event: Event) -> None:
        self._call("cudaEventSynchronize", event)

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        # Of this thread: what others do on the GPU meanwhile, another filter's memory say, does not spoil it.
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        except BaseException:
            with suppress(DeviceError):  # the stream must not stay as it is, whatever was captured
                self._call("cudaStreamEndCapture", stream)
            raise
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return Graph(self._own("cudaGraphExecDestroy", self._call("cudaGraphInstantiate", graph, 0)))
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: Graph, stream: Stream) -> None:
        self._call("cudaGraphLaunch", graph, stream)

    def close(self) -> None:
        with suppress(DeviceError):
            self.attach()
        while self._owned:
            free, handle = self._owned.pop()
            with suppress(DeviceError):  # on a device that is lost nothing can be freed, and all of it is
                self._call(free, handle)

    def _own(self, free: str, handle: Any) -> int:
        self._owned.append((free, int(handle)))
        return int(handle)

    def _copy(self, target: int, source: int, bytes: int, kind: str, stream: Stream) -> None:
        self._call("cudaMemcpyAsync", target, source, bytes, getattr(self._cudart.cudaMemcpyKind, kind), stream)

    def _call(self, function: str, *arguments: Any) -> Any:
        return _checked(self._cudart, function, *arguments)


def _checked(cudart: Any, function: str, *arguments: Any) -> Any:
    """What a function of the CUDA runtime returns besides its error code: nothing, or one value."""
    error, *results = getattr(cudart, function)(*arguments)
    if int(error) != 0:
        cudart.cudaGetLastError()  # CUDA forgets it, or the next to ask would take it for his own
        name, text = (getattr(cudart, ask)(error)[1].decode() for ask in ("cudaGetErrorName", "cudaGetErrorString"))
        lost = name in LOST
        remedy = REMEDIES.get(name, "restart the program" if lost else "")
        raise DeviceError(f"{function}: {name}: {text}{remedy and '; '}{remedy}", lost=lost)
    return results[0] if results else None
