"""NVIDIA GPUs through the CUDA runtime of cuda-python. Each method calls one function and checks its result."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ...errors import MissingDependencyError
from .device import (
    BLOCK,
    Buffer,
    Device,
    DeviceError,
    Event,
    Graph,
    Kernel,
    OutOfMemoryError,
    PinnedBuffer,
    Stream,
)
from .nvrtc import compile_kernels

OLDEST_CUDA = 13000
"""Oldest version of CUDA that is used, as 1000 * major + 10 * minor: of cuda-bindings, and of the driver."""

OLDEST_CUDA_OF_TORCH = 12000
"""The same for `torch`, which has builds for CUDA 12."""

OLDEST_DRIVERS = {OLDEST_CUDA_OF_TORCH: "R525", OLDEST_CUDA: "R580"}
"""Oldest branches of NVIDIA's driver, by the version of CUDA that they run."""

# CUDA's documentation says of these errors: "the process must be terminated and relaunched".
FATAL_ERRORS = frozenset(
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
    "cudaErrorMemoryAllocation": "close other programs, or use tiles or a smaller clip",
    "cudaErrorInsufficientDriver": f"install NVIDIA driver {OLDEST_DRIVERS[OLDEST_CUDA]} or newer",
    "cudaErrorNoDevice": "check with nvidia-smi that the system finds the GPU",
    "cudaErrorSystemDriverMismatch": "restart the system: the NVIDIA driver was updated",
    "cudaErrorUnknown": "check with nvidia-smi that the GPU still works, and restart the program",
    "cudaErrorDevicesUnavailable": "another program has the GPU to itself: close it",
    "cudaErrorECCUncorrectable": "check with nvidia-smi that the GPU still works, and restart the program",
}


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine."""

    number: int
    """Its number in `Options.device`."""
    name: str
    capability: tuple[int, int]
    """Compute capability, for example (8, 9)."""
    memory: int
    """In bytes."""
    driver: int
    """Newest CUDA version that the driver supports: 1000 * major + 10 * minor."""

    @property
    def target(self) -> str:
        """Compute capability as a build target, for example `sm89`."""
        return "sm{}{}".format(*self.capability)

    @property
    def description(self) -> str:
        """Name, memory and compute capability, for people."""
        return "{} ({} GiB, compute capability {}.{})".format(self.name, round(self.memory / 2**30), *self.capability)

    @property
    def identity(self) -> str:
        """Properties that an engine depends on if its kernels were timed on this GPU."""
        return f"{self.name}, {self.target}, {self.memory} bytes, driver {self.driver}"


def load_runtime(oldest: int = OLDEST_CUDA) -> Any:
    """Import the module of the CUDA runtime.

    Args:
        oldest: version of CUDA that it must be for, at least.

    Raises:
        MissingDependencyError: cuda-python is not installed, or too old.
    """
    install = f'pip install "cuda-bindings>={oldest // 1000}"'
    try:
        cudart = import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise MissingDependencyError(f"NVIDIA GPUs need the package cuda-bindings ({error}); {install}") from error
    version: int = _call_module(cudart, "cudaRuntimeGetVersion")
    if version < oldest:
        raise MissingDependencyError(
            f"NVIDIA GPUs need the package cuda-bindings for CUDA {cuda_version(oldest)} or newer, and the installed "
            f"one is for CUDA {cuda_version(version)}; {install}"
        )
    return cudart


def list_gpus(cudart: Any, oldest: int = OLDEST_CUDA) -> list[Gpu]:
    """Return the GPUs of this machine, at least one, ordered by number.

    Args:
        oldest: version of CUDA that the driver must support, at least; one of `OLDEST_DRIVERS`.

    Raises:
        DeviceError: there is no GPU, or no driver, or the driver is too old.
    """
    driver: int = _call_module(cudart, "cudaDriverGetVersion")
    remedy = f"install driver {OLDEST_DRIVERS[oldest]} or newer, or use backend='openvino'"
    if driver == 0:
        raise DeviceError(f"there is no NVIDIA driver; {remedy}")
    if driver < oldest:
        raise DeviceError(
            f"the NVIDIA driver is too old: it supports CUDA {cuda_version(driver)}, and CUDA "
            f"{cuda_version(oldest)} is needed; {remedy}"
        )
    gpus = []
    for number in range(_call_module(cudart, "cudaGetDeviceCount")):
        properties = _call_module(cudart, "cudaGetDeviceProperties", number)
        capability = (properties.major, properties.minor)
        name = bytes(properties.name).split(b"\0")[0].decode()
        gpus.append(Gpu(number, name, capability, properties.totalGlobalMem, driver))
    return gpus


def find_gpu(cudart: Any, number: int, oldest: int = OLDEST_CUDA) -> Gpu:
    """Return the GPU with a number.

    Args:
        oldest: as in `list_gpus`.

    Raises:
        DeviceError: no GPU has this number; or as from `list_gpus`.
    """
    gpus = list_gpus(cudart, oldest)
    if number >= len(gpus):
        known = ", ".join(f"{gpu.number} ({gpu.name})" for gpu in gpus)
        raise DeviceError(f"device={number} does not exist; use {known}")
    return gpus[number]


class CudaDevice(Device):
    """A GPU of this machine.

    Its context is the one that the CUDA runtime uses, the primary context. It stays until the process ends, because
    libraries that used it may use it again.

    Args:
        number: number of the GPU, as in `Options.device`.
        cudart: module of the CUDA runtime, from `load_runtime`.
        driver: module of the CUDA driver; by default that of cuda-python.
    """

    def __init__(self, number: int, cudart: Any, driver: Any = None) -> None:
        self._cudart = cudart
        self._driver = driver or import_module("cuda.bindings.driver")
        self._resources: list[tuple[str, int]] = []  # functions that free, and the handles to free
        self._kernels: dict[tuple[str, ...], tuple[Kernel, ...]] = {}  # by source and names; compiling takes a while
        self._call("cuInit", 0)
        self._context = self._call("cuDevicePrimaryCtxRetain", self._call("cuDeviceGet", number))

    @contextmanager
    def attached(self) -> Iterator[None]:
        # Not cudaSetDevice: it would leave the thread on this GPU, and setting another one back would start that GPU.
        self._call("cuCtxPushCurrent", self._context)
        try:
            yield
        finally:
            with suppress(DeviceError):  # what happened inside is the error to report
                self._call("cuCtxPopCurrent")

    def free_memory(self) -> int:
        free: int = self._call("cudaMemGetInfo")
        return free

    def allocate(self, bytes: int) -> Buffer:
        return Buffer(self._own("cudaFree", self._call("cudaMalloc", bytes)), bytes)

    def allocate_pinned(self, bytes: int) -> PinnedBuffer:
        flags = self._cudart.cudaHostAllocDefault
        address = self._own("cudaFreeHost", self._call("cudaHostAlloc", bytes, flags))
        return PinnedBuffer(address, np.ctypeslib.as_array((ctypes.c_uint8 * bytes).from_address(address)))

    def make_stream(self) -> Stream:
        flags = self._cudart.cudaStreamNonBlocking  # never wait for other code's work on the default stream
        return Stream(self._own("cudaStreamDestroy", self._call("cudaStreamCreateWithFlags", flags)))

    def make_event(self) -> Event:
        # With BlockingSync, a waiting thread sleeps and leaves its core to the encoder.
        flags = self._cudart.cudaEventDisableTiming | self._cudart.cudaEventBlockingSync
        return Event(self._own("cudaEventDestroy", self._call("cudaEventCreateWithFlags", flags)))

    def upload(self, target: Buffer, source: PinnedBuffer, stream: Stream) -> None:
        self._copy(target.address, source.address, target.bytes, "cudaMemcpyHostToDevice", stream)

    def download(self, target: PinnedBuffer, source: Buffer, stream: Stream) -> None:
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

    def load_kernels(self, source: str, names: Sequence[str]) -> tuple[Kernel, ...]:
        key = (source, *names)
        if key not in self._kernels:
            if not hasattr(self._cudart, "cudaLibraryLoadData"):
                raise MissingDependencyError("loading kernels needs cuda-bindings 12.8 or newer; update it")
            properties = self._call("cudaGetDeviceProperties", self._call("cudaGetDevice"))
            image = compile_kernels(source, (properties.major, properties.minor))
            library = self._call("cudaLibraryLoadData", image, [], [], 0, [], [], 0)
            handle = self._own("cudaLibraryUnload", library)
            self._kernels[key] = tuple(
                Kernel(int(self._call("cudaLibraryGetKernel", handle, name.encode()))) for name in names
            )
        return self._kernels[key]

    def run_kernel(
        self, kernel: Kernel, blocks: tuple[int, int, int], arguments: ctypes.Structure, stream: Stream
    ) -> None:
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
        addresses = ctypes.addressof(parameters)
        # The runtime of cuda-python has no such function. The driver takes the runtime's handles.
        self._call("cuLaunchKernel", kernel, *blocks, *BLOCK, 0, stream, addresses, 0)

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        # ThreadLocal: calls of other threads, such as another filter's allocations, do not break the capture.
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        except BaseException:
            with suppress(DeviceError):  # end the capture in any case, or the stream stays in capture mode
                self._call("cudaStreamEndCapture", stream)
            raise
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return self.instantiate(graph)
        finally:
            self._call("cudaGraphDestroy", graph)

    def instantiate(self, captured: Any) -> Graph:
        """Make a graph of a `cudaGraph_t`, which stays its owner's."""
        return Graph(self._own("cudaGraphExecDestroy", self._call("cudaGraphInstantiate", captured, 0)))

    def launch(self, graph: Graph, stream: Stream) -> None:
        self._call("cudaGraphLaunch", graph, stream)

    def destroy(self, graph: Graph) -> None:
        self._resources.remove(("cudaGraphExecDestroy", graph))
        self._call("cudaGraphExecDestroy", graph)

    def close(self) -> None:
        with ExitStack() as stack:
            with suppress(DeviceError):
                stack.enter_context(self.attached())
            while self._resources:
                free, handle = self._resources.pop()
                with suppress(DeviceError):  # fails after a fatal error; the memory is then gone with the context
                    self._call(free, handle)

    def _own(self, free: str, handle: Any) -> int:
        """Note a handle, and the function that frees it, for `close`."""
        self._resources.append((free, int(handle)))
        return int(handle)

    def _copy(self, target: int, source: int, bytes: int, kind: str, stream: Stream) -> None:
        self._call("cudaMemcpyAsync", target, source, bytes, getattr(self._cudart.cudaMemcpyKind, kind), stream)

    def _call(self, function: str, *arguments: Any) -> Any:
        return _call_module(self._cudart if function.startswith("cuda") else self._driver, function, *arguments)


def _call_module(module: Any, function: str, *arguments: Any) -> Any:
    """Call a function of the CUDA runtime, or of the driver, and return its first value, or None if it has none.

    Raises:
        DeviceError: the function returned an error code.
    """
    error, *values = getattr(module, function)(*arguments)
    if int(error) != 0:
        prefix = "cu"
        if function.startswith("cuda"):
            prefix = "cuda"
            module.cudaGetLastError()  # clear the error, or other code in the process would read it as its own
        getters = (f"{prefix}GetErrorName", f"{prefix}GetErrorString")
        name, text = (getattr(module, getter)(error)[1].decode() for getter in getters)
        fatal = name in FATAL_ERRORS
        remedy = REMEDIES.get(name, "restart the program" if fatal else "")
        kind = OutOfMemoryError if (function, name) == ("cudaMalloc", "cudaErrorMemoryAllocation") else DeviceError
        raise kind(f"{function}: {name}: {text}{remedy and '; '}{remedy}", fatal=fatal)
    return values[0] if values else None


def cuda_version(number: int) -> str:
    """Return a version of CUDA as people write it: 13.0 for 13000."""
    return f"{number // 1000}.{number % 1000 // 10}"
