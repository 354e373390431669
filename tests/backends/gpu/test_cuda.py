"""The device interface on CUDA, without a GPU: the function that each method calls, and its arguments."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.backends.gpu.simulator import SimulatedDevice
from vsanimesr.backends.gpu.cuda import FATAL_ERRORS, CudaDevice, Gpu, find_gpu, list_gpus, load_runtime
from vsanimesr.backends.gpu.device import BLOCK, Device, DeviceError, Event, Kernel, OutOfMemoryError, Stream
from vsanimesr.errors import MissingDependencyError

DRIVER = 13010
CREATE_FUNCTIONS = {
    "cuDeviceGet",
    "cuDevicePrimaryCtxRetain",
    "cudaEventCreateWithFlags",
    "cudaGraphInstantiate",
    "cudaMalloc",
    "cudaStreamCreateWithFlags",
    "cudaStreamEndCapture",
}


class FakeRuntime:
    """Replacement of the modules of `cuda.bindings` that notes calls and returns handles. Its constants are their
    names."""

    cudaHostAllocDefault = 0  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815
    cudaEventBlockingSync = 1  # noqa: N815
    cudaEventDisableTiming = 2  # noqa: N815

    def __init__(self, results: dict[str, Any] | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.failing: dict[str, str] = {}
        """Functions that fail, with the names of their errors."""
        self._results: dict[str, Any] = {
            "cudaDriverGetVersion": DRIVER,
            "cudaRuntimeGetVersion": DRIVER,
            "cudaGetDeviceCount": 2,
            "cudaMemGetInfo": 1 << 20,
        } | (results or {})
        self._handles = 100
        self._memory: list[ctypes.Array[ctypes.c_uint8]] = []
        kinds = ("HostToDevice", "DeviceToHost", "DeviceToDevice")
        self.cudaMemcpyKind = SimpleNamespace(**{f"cudaMemcpy{kind}": f"cudaMemcpy{kind}" for kind in kinds})
        mode = "cudaStreamCaptureModeThreadLocal"
        self.cudaStreamCaptureMode = SimpleNamespace(**{mode: mode})

    def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls.append((name, *arguments))
            if name in self.failing:
                return (719, None)
            return self._result(name, arguments)

        return call

    def _result(self, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        if name in ("cudaGetErrorName", "cuGetErrorName"):
            return (0, next(iter(self.failing.values())).encode())
        if name in ("cudaGetErrorString", "cuGetErrorString"):
            return (0, b"explanation")
        if name == "cudaGetDeviceProperties":
            names = (b"First\0\0\0", b"Second\0")
            return (0, SimpleNamespace(name=names[arguments[0]], major=8, minor=9, totalGlobalMem=1 << 33))
        if name == "cudaHostAlloc":
            self._memory.append((ctypes.c_uint8 * arguments[0])())
            return (0, ctypes.addressof(self._memory[-1]))
        if name in self._results:
            return (0, self._results[name])
        if name not in CREATE_FUNCTIONS:
            return (0,)
        self._handles += 1
        return (0, self._handles)


def call_every_method() -> list[tuple[Any, ...]]:
    """Call every method once and return the calls of the CUDA runtime."""
    cudart = FakeRuntime()
    list_gpus(cudart)
    device = CudaDevice(1, cudart, cudart)
    with device.attached():
        device.free_memory()
        buffer, other, pinned = device.allocate(64), device.allocate(64), device.allocate_pinned(64)
        stream, event = device.make_stream(), device.make_event()
        device.upload(buffer, pinned, stream)
        device.download(pinned, buffer, stream)
        device.copy(other, buffer, stream)
        device.zero(buffer, stream)
        device.record(event, stream)
        device.wait(stream, event)
        device.synchronise(event)
        graphs = [device.capture(stream, lambda: device.zero(other, stream)) for _ in range(2)]
        device.launch(graphs[0], stream)
        device.destroy(graphs[0])
    device.close()
    cudart.failing["cuCtxPushCurrent"] = "CUDA_ERROR_INVALID_CONTEXT"
    with pytest.raises(DeviceError), device.attached():
        pass
    cudart.failing = {"cudaMemsetAsync": "cudaErrorInvalidValue"}
    with pytest.raises(DeviceError):
        device.zero(buffer, stream)
    return [tuple("pinned" if argument == pinned.address else argument for argument in call) for call in cudart.calls]


def test_every_method_calls_one_function_with_its_arguments_in_order() -> None:
    gpu, context, first, second, stream, event, graph, executable, other_graph, other_executable = range(101, 111)

    assert call_every_method() == [
        ("cudaDriverGetVersion",),
        ("cudaGetDeviceCount",),
        ("cudaGetDeviceProperties", 0),
        ("cudaGetDeviceProperties", 1),
        ("cuInit", 0),
        ("cuDeviceGet", 1),
        ("cuDevicePrimaryCtxRetain", gpu),
        ("cuCtxPushCurrent", context),
        ("cudaMemGetInfo",),
        ("cudaMalloc", 64),
        ("cudaMalloc", 64),
        ("cudaHostAlloc", 64, 0),
        ("cudaStreamCreateWithFlags", 1),
        ("cudaEventCreateWithFlags", 3),
        ("cudaMemcpyAsync", first, "pinned", 64, "cudaMemcpyHostToDevice", stream),
        ("cudaMemcpyAsync", "pinned", first, 64, "cudaMemcpyDeviceToHost", stream),
        ("cudaMemcpyAsync", second, first, 64, "cudaMemcpyDeviceToDevice", stream),
        ("cudaMemsetAsync", first, 0, 64, stream),
        ("cudaEventRecord", event, stream),
        ("cudaStreamWaitEvent", stream, event, 0),
        ("cudaEventSynchronize", event),
        ("cudaStreamBeginCapture", stream, "cudaStreamCaptureModeThreadLocal"),
        ("cudaMemsetAsync", second, 0, 64, stream),
        ("cudaStreamEndCapture", stream),
        ("cudaGraphInstantiate", graph, 0),
        ("cudaGraphDestroy", graph),
        ("cudaStreamBeginCapture", stream, "cudaStreamCaptureModeThreadLocal"),
        ("cudaMemsetAsync", second, 0, 64, stream),
        ("cudaStreamEndCapture", stream),
        ("cudaGraphInstantiate", other_graph, 0),
        ("cudaGraphDestroy", other_graph),
        ("cudaGraphLaunch", executable, stream),
        ("cudaGraphExecDestroy", executable),
        ("cuCtxPopCurrent",),
        ("cuCtxPushCurrent", context),
        ("cudaGraphExecDestroy", other_executable),
        ("cudaEventDestroy", event),
        ("cudaStreamDestroy", stream),
        ("cudaFreeHost", "pinned"),
        ("cudaFree", second),
        ("cudaFree", first),
        ("cuCtxPopCurrent",),
        ("cuCtxPushCurrent", context),
        ("cuGetErrorName", 719),
        ("cuGetErrorString", 719),
        ("cudaMemsetAsync", first, 0, 64, stream),
        ("cudaGetLastError",),
        ("cudaGetErrorName", 719),
        ("cudaGetErrorString", 719),
    ]


def test_every_function_and_constant_exists_and_takes_these_arguments() -> None:
    cudart = pytest.importorskip("cuda.bindings.runtime")
    driver = pytest.importorskip("cuda.bindings.driver")
    for name, *arguments in call_every_method():
        function = getattr(cudart if name.startswith("cuda") else driver, name)
        parameters = list(inspect.signature(function).parameters)

        assert len(parameters) == len(arguments), f"{name} takes {parameters}"
        for parameter, argument in zip(parameters, arguments, strict=True):
            if isinstance(argument, str) and argument != "pinned":
                assert hasattr(
                    {"kind": cudart.cudaMemcpyKind, "mode": cudart.cudaStreamCaptureMode}[parameter], argument
                )
    expected = ["dst", "src", "count", "kind", "stream"]
    assert list(inspect.signature(cudart.cudaMemcpyAsync).parameters) == expected
    for constant in [name for name in vars(FakeRuntime) if name.startswith("cuda")]:
        assert getattr(cudart, constant) == getattr(FakeRuntime, constant)
    for field in ("name", "major", "minor", "totalGlobalMem"):
        assert hasattr(cudart.cudaDeviceProp, field)


def test_the_real_functions_accept_integers_as_handles() -> None:
    """Without a driver, a call with valid arguments fails only because there is no driver."""
    cudart = pytest.importorskip("cuda.bindings.runtime")
    if cudart.cudaDriverGetVersion()[1]:
        pytest.skip("these handles would reach the driver")
    for name, *fake_arguments in call_every_method():
        if not name.startswith("cuda"):
            continue  # without a driver its library cannot be loaded
        arguments = [convert(cudart, argument) for argument in fake_arguments]
        error, *_ = getattr(cudart, name)(*arguments)
        assert error in (cudart.cudaError_t.cudaSuccess, cudart.cudaError_t.cudaErrorInsufficientDriver)
    with pytest.raises(DeviceError, match="there is no NVIDIA driver; install driver R580"):
        list_gpus(load_runtime())


def convert(cudart: Any, argument: Any) -> Any:
    """Return the argument for the real CUDA runtime."""
    if argument == 719:
        return cudart.cudaError_t(719)
    if argument == "pinned":
        return 4096
    if isinstance(argument, str):
        kinds = cudart.cudaMemcpyKind if "Memcpy" in argument else cudart.cudaStreamCaptureMode
        return getattr(kinds, argument)
    return argument


# Kernels


class Arguments(ctypes.Structure):
    _fields_ = (("number", ctypes.c_int), ("address", ctypes.c_void_p))


KERNEL = """
struct Arguments { int number; int *address; };
extern "C" __global__ void number(Arguments a) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 40 && y < 20)
        a.address[40 * y + x] = a.number + 40 * y + x;
}
"""


def test_kernels_are_compiled_for_the_gpu_and_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    cudart = FakeRuntime({"cudaGetDevice": 1, "cudaLibraryLoadData": 7, "cudaLibraryGetKernel": 8})
    monkeypatch.setattr("vsanimesr.backends.gpu.cuda.compile_kernels", lambda *arguments: repr(arguments).encode())
    device = CudaDevice(1, cudart, driver=FakeRuntime())
    cudart.calls.clear()

    assert device.load_kernels("source", ["write"]) == (8,)
    assert cudart.calls == [
        ("cudaGetDevice",),
        ("cudaGetDeviceProperties", 1),
        ("cudaLibraryLoadData", b"('source', (8, 9))", [], [], 0, [], [], 0),
        ("cudaLibraryGetKernel", 7, b"write"),
    ]
    assert device.load_kernels("source", ["write"]) == (8,)
    assert len(cudart.calls) == 4
    device.close()
    assert cudart.calls[-1] == ("cudaLibraryUnload", 7)


def test_bindings_that_cannot_load_kernels() -> None:
    class Old(FakeRuntime):
        def __getattr__(self, name: str) -> Callable[..., tuple[Any, ...]]:
            if name.startswith("cudaLibrary"):
                raise AttributeError(name)
            return super().__getattr__(name)

    device = CudaDevice(1, Old(), driver=FakeRuntime())
    with pytest.raises(MissingDependencyError, match=r"cuda-bindings 12\.8 or newer; update it"):
        device.load_kernels("source", ["write"])


def test_a_kernel_gets_its_arguments_by_value() -> None:
    class Launches(FakeRuntime):
        """Reads the kernel's parameter, as the driver does, during the call."""

        def cuLaunchKernel(self, *arguments: Any) -> tuple[int]:  # noqa: N802
            *numbers, parameters, _ = arguments
            first = ctypes.c_void_p.from_address(parameters)
            assert first.value is not None
            found = Arguments.from_address(first.value)
            self.calls.append((*numbers, found.number, found.address))
            return (0,)

    driver = Launches()
    device = CudaDevice(0, FakeRuntime(), driver)
    driver.calls.clear()
    device.run_kernel(Kernel(8), (3, 2, 1), Arguments(5, 4096), Stream(9))
    assert driver.calls == [(8, 3, 2, 1, 32, 8, 1, 0, 9, 5, 4096)]


def test_the_functions_for_kernels_exist_and_take_these_arguments() -> None:
    cudart, driver = import_cuda("runtime"), import_cuda("driver")
    counts = {"cudaLibraryLoadData": 7, "cudaLibraryGetKernel": 2, "cudaLibraryUnload": 1}
    assert {name: len(inspect.signature(getattr(cudart, name)).parameters) for name in counts} == counts
    assert [*inspect.signature(driver.cuLaunchKernel).parameters][7:] == [
        "sharedMemBytes",
        "hStream",
        "kernelParams",
        "extra",
    ]


def test_the_real_functions_for_kernels_accept_integers_as_handles() -> None:
    """Without a driver, a call with valid arguments fails only because there is no driver."""
    cudart, driver = import_cuda("runtime"), import_cuda("driver")
    if cudart.cudaDriverGetVersion()[1]:
        pytest.skip("these handles would reach the driver")
    for name, arguments in (
        ("cudaLibraryLoadData", (b"image", [], [], 0, [], [], 0)),
        ("cudaLibraryGetKernel", (7, b"name")),
        ("cudaLibraryUnload", (7,)),
    ):
        error, *_ = getattr(cudart, name)(*arguments)
        assert error == cudart.cudaError_t.cudaErrorInsufficientDriver
    with pytest.raises(RuntimeError, match="driver"):  # of the library that is not there
        driver.cuLaunchKernel(8, 1, 1, 1, *BLOCK, 0, 9, ctypes.addressof((ctypes.c_void_p * 1)()), 0)
    with pytest.raises(TypeError):
        driver.cuLaunchKernel(8, 1, 1, 1, *BLOCK, 0, 9, "no address", 0)


def import_cuda(name: str) -> Any:
    return pytest.importorskip(f"cuda.bindings.{name}")


@pytest.mark.gpu
def test_a_kernel_runs_on_a_gpu_in_the_order_of_its_stream() -> None:
    cudart = load_runtime()
    if not cudart.cudaDriverGetVersion()[1]:
        pytest.skip("there is no GPU")
    check_kernel(CudaDevice(0, cudart))


def test_a_kernel_runs_on_the_simulated_device_in_the_order_of_its_stream() -> None:
    check_kernel(SimulatedDevice(lag=1))


def check_kernel(device: Device) -> None:
    """Fill a buffer twice by a kernel, and download it."""
    with device.attached():
        (kernel,) = device.load_kernels(KERNEL, ["number"])
        buffer, pinned = device.allocate(3200), device.allocate_pinned(3200)
        stream, event = device.make_stream(), device.make_event()
        for number in (3, 5):
            device.run_kernel(kernel, (2, 3, 1), arguments := Arguments(number, buffer.address), stream)
            arguments.number = -1  # it has been copied
        device.download(pinned, buffer, stream)
        device.record(event, stream)
        device.synchronise(event)

    assert pinned.data.view(np.int32).tolist() == [5 + each for each in range(800)]
    device.close()


def test_an_error_of_the_driver_has_its_own_text() -> None:
    driver = FakeRuntime()
    driver.failing["cuLaunchKernel"] = "CUDA_ERROR_INVALID_VALUE"
    with pytest.raises(DeviceError, match="cuLaunchKernel: CUDA_ERROR_INVALID_VALUE: explanation"):
        CudaDevice(0, FakeRuntime(), driver).run_kernel(Kernel(8), (1, 1, 1), Arguments(), Stream(9))


def test_fatal_errors_are_those_in_cudas_documentation() -> None:
    cudart = pytest.importorskip("cuda.bindings.runtime")
    errors = cudart.cudaError_t.__members__

    assert errors.keys() >= FATAL_ERRORS
    documented = {name for name, error in errors.items() if "process must be terminated" in documentation(error)}
    if documented:  # older versions do not document their members
        assert documented == FATAL_ERRORS


def documentation(error: Any) -> str:
    return " ".join((error.__doc__ or "").split())


@pytest.mark.parametrize(
    ("error", "fatal", "remedy"),
    [
        ("cudaErrorIllegalAddress", True, "; restart the program"),
        ("cudaErrorMemoryAllocation", False, "; close other programs, or use tiles or a smaller clip"),
        ("cudaErrorInvalidValue", False, ""),
    ],
)
def test_an_error_has_cudas_own_text(error: str, fatal: bool, remedy: str) -> None:
    cudart = FakeRuntime()
    device = CudaDevice(0, cudart, cudart)
    cudart.failing["cudaEventRecord"] = error

    with pytest.raises(DeviceError) as raised:
        device.record(Event(1), Stream(2))
    assert str(raised.value) == f"cudaEventRecord: {error}: explanation{remedy}"
    assert raised.value.fatal is fatal


def test_a_capture_ends_if_its_work_fails() -> None:
    cudart = FakeRuntime()
    device = CudaDevice(0, cudart, cudart)
    stream = device.make_stream()

    def fail() -> None:
        raise DeviceError("out of luck")

    with pytest.raises(DeviceError, match="out of luck"):
        device.capture(stream, fail)
    assert cudart.calls[-1] == ("cudaStreamEndCapture", stream)


def test_close_tries_to_free_everything_if_every_call_fails() -> None:
    cudart = FakeRuntime()
    device = CudaDevice(0, cudart, cudart)
    device.allocate(1)
    device.make_stream()
    cudart.failing |= dict.fromkeys(("cuCtxPushCurrent", "cudaFree", "cudaStreamDestroy"), "cudaErrorLaunchFailure")
    device.close()
    device.close()

    freed = [call[0] for call in cudart.calls if call[0] in ("cudaFree", "cudaStreamDestroy")]
    assert freed == ["cudaStreamDestroy", "cudaFree"]


def test_the_view_of_pinned_memory_has_its_address() -> None:
    device = CudaDevice(0, runtime := FakeRuntime(), runtime)
    pinned = device.allocate_pinned(8)
    pinned.data[:] = range(8)

    assert bytes((ctypes.c_uint8 * 8).from_address(pinned.address)) == bytes(range(8))


def test_gpus_are_found_by_number() -> None:
    assert find_gpu(FakeRuntime(), 1) == Gpu(1, "Second", (8, 9), 1 << 33, DRIVER)
    with pytest.raises(DeviceError, match=r"device=2 does not exist; use 0 \(First\), 1 \(Second\)"):
        find_gpu(FakeRuntime(), 2)
    with pytest.raises(DeviceError, match="there is no NVIDIA driver; install driver R580 or newer, or use backend="):
        list_gpus(FakeRuntime({"cudaDriverGetVersion": 0}))


def test_a_driver_that_is_too_old_is_told_with_what_it_supports_and_what_is_needed() -> None:
    with pytest.raises(DeviceError) as caught:
        list_gpus(FakeRuntime({"cudaDriverGetVersion": 12090}))
    assert str(caught.value) == (
        "the NVIDIA driver is too old: it supports CUDA 12.9, and CUDA 13.0 is needed; "
        "install driver R580 or newer, or use backend='openvino'"
    )
    assert "R580" in (Path(__file__).parents[3] / "docs" / "install.md").read_text(encoding="utf-8")


def test_bindings_for_an_older_cuda_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime({"cudaRuntimeGetVersion": 12080})
    monkeypatch.setattr("vsanimesr.backends.gpu.cuda.import_module", lambda name: runtime)
    with pytest.raises(MissingDependencyError) as caught:
        load_runtime()
    assert str(caught.value) == (
        "NVIDIA GPUs need the package cuda-bindings for CUDA 13.0 or newer, and the installed one is for CUDA 12.8; "
        'pip install "cuda-bindings>=13"'
    )


@pytest.mark.parametrize("fails", [False, True])
def test_a_thread_gets_back_the_context_that_it_came_with(fails: bool) -> None:
    cudart = FakeRuntime()
    device = CudaDevice(0, cudart, cudart)
    before = len(cudart.calls)
    with suppress(ZeroDivisionError), device.attached():
        _ = 1 // (not fails)
    names = [call[0] for call in cudart.calls]

    assert names[before:] == ["cuCtxPushCurrent", "cuCtxPopCurrent"]
    assert "cudaSetDevice" not in names


def test_only_too_little_memory_of_the_device_is_told_apart() -> None:
    cudart = FakeRuntime()
    device = CudaDevice(0, cudart, cudart)
    cudart.failing = dict.fromkeys(("cudaMalloc", "cudaHostAlloc"), "cudaErrorMemoryAllocation")
    with pytest.raises(OutOfMemoryError, match="cudaErrorMemoryAllocation"):
        device.allocate(1)
    with pytest.raises(DeviceError) as caught:
        device.allocate_pinned(1)
    assert not isinstance(caught.value, OutOfMemoryError)


def test_an_error_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsanimesr.backends.gpu.cuda.import_module", lambda name: import_module(f"{name}.not_there"))

    with pytest.raises(MissingDependencyError, match='pip install "cuda-bindings>=13"'):
        load_runtime()
