"""The network on an NVIDIA GPU with TensorRT or TensorRT-RTX, two packages with one interface.

Engines are built once and kept on disk, see `tensorrt_build`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, cast

from ...cache import Key, load_or_build
from ...errors import BackendError
from ...network.graph import GraphPrecision
from ...network.tensors import Tensor
from ...weights.load import WeightsFile
from ..base import Availability, Setup, SteppedBackend
from .cuda import CudaDevice, Gpu, find_gpu, list_gpus, load_runtime
from .device import Buffer, Device, DeviceError, OutOfMemoryError, Program, Stream
from .kernels import KernelCache, kernel_key
from .opening import open_pipeline
from .pipeline import Pipeline
from .runtimes import import_package, refusal, shared_targets
from .tensorrt_build import (
    BuildRequest,
    TensorRTOptions,
    TensorRTRTXOptions,
    build,
    engine_key,
    engine_tensors,
    make_logger,
    resolve_precision,
)

_log = logging.getLogger(__name__)

TYPES: dict[str, GraphPrecision] = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16"}
"""Precisions by the name of their `DataType`."""

LAYOUTS = {"LINEAR": False, "HWC8": True}
"""Whether channels come last, by the name of the `TensorFormat`."""


class _TensorRT(SteppedBackend):
    """Common part of both backends."""

    name: ClassVar[str]
    """Name of the backend and of its package."""

    def _open(self, setup: Setup) -> Pipeline:
        trt, cudart = import_package(self.name), load_runtime()
        gpu = find_gpu(cudart, setup.device)
        device = CudaDevice(setup.device, cudart)
        precision = self.precision = resolve_precision(setup.precision)
        pipeline, program = open_pipeline(
            self.name,
            setup,
            precision,
            gpu,
            device,
            lambda: _open_program(self.name, trt, setup, gpu, device),  # TensorRT uses the thread's current device
        )
        try:
            with device.attached():
                program.save_kernels()
        except Exception as error:  # everything runs without them
            _log.warning("compiled kernels cannot be kept: %s: %s", type(error).__name__, error)
        except BaseException:
            pipeline.close()
            raise
        return pipeline

    @classmethod
    def availability(cls) -> Availability:
        gpus = list_gpus(load_runtime())  # first, because importing the package takes a second
        import_package(cls.name)
        reasons = {gpu.number: refusal(cls.name, gpu) for gpu in gpus}
        detail, _, remedy = next((reason for reason in reasons.values() if reason), "").partition("; ")
        usable = [gpu.description for gpu in gpus if not reasons[gpu.number]]
        if usable:
            return Availability(True, ", ".join(usable) + (detail and f"; {detail}"), gpu=True)
        return Availability(False, detail, remedy)

    @classmethod
    def memory(cls, device: int) -> int | None:
        return find_gpu(load_runtime(), device).memory


class TensorRTRTXBackend(_TensorRT):
    """The network with TensorRT-RTX, on GeForce and RTX cards from Turing on."""

    name = "tensorrt_rtx"
    options_class = TensorRTRTXOptions


class TensorRTBackend(_TensorRT):
    """The network with TensorRT, on every GPU that TensorRT supports."""

    name = "tensorrt"
    options_class = TensorRTOptions


class LoadedEngine(NamedTuple):
    """An `ICudaEngine`, and its `Runtime`, which must outlive it."""

    runtime: Any
    engine: Any


class TensorRTProgram(Program):
    """An engine of TensorRT with its one execution context, and the memory for its intermediate results.

    Args:
        loaded: an engine with these tensors.
        tensors: shapes for the sides that the engine leaves open.
        logger: TensorRT's logger, which holds the reason of a failure.
        device: the thread's current device, which owns the memory.
        kernels: key of the kernels that TensorRT-RTX compiles for the engine; TensorRT has none.

    Raises:
        BackendError: the engine does not support this size.
        DeviceError: the context cannot be created.
        OutOfMemoryError: there is too little memory for intermediate results.
    """

    def __init__(
        self,
        trt: Any,
        loaded: LoadedEngine,
        tensors: Mapping[str, Tensor],
        logger: Any,
        device: Device,
        kernels: Key | None = None,
    ) -> None:
        self.tensors = tensors
        self._logger = logger
        self._runtime, self._engine = loaded
        self._config: Any = None
        self._context: Any = None
        self._kernels: KernelCache | None = None
        try:
            self._make_context(trt, kernels)
            self._set_shapes()
            self._give_memory(device)
        except BaseException:
            self.close()
            raise

    def _make_context(self, trt: Any, kernels: Key | None) -> None:
        config = self._config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        if kernels is not None:
            # By default an engine for any size runs slow kernels at first, and others once they are compiled. Bits
            # would change during a run, and CUDA graphs would keep the slow ones.
            strategies = trt.DynamicShapesKernelSpecializationStrategy
            config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
            self._kernels = KernelCache(config, kernels)
        self._context = self._engine.create_execution_context(config)
        if self._context is None:
            raise self._error("the engine's execution context cannot be created")

    def _set_shapes(self) -> None:
        for name, tensor in self.tensors.items():
            is_open = -1 in tuple(self._engine.get_tensor_shape(name))
            is_input = self._engine.get_tensor_mode(name).name == "INPUT"
            if is_open and is_input and not self._context.set_input_shape(name, tensor.shape):
                _, _, height, width = tensor.shape
                raise BackendError(
                    f"shapes='dynamic' does not support {width}x{height}; use backend_options=[\"shapes=static\"]"
                )

    def _give_memory(self, device: Device) -> None:
        """Allocate memory for intermediate results of the clip's size. By default it would be that of the largest."""
        size = self._context.update_device_memory_size_for_shapes()
        if size:
            memory = device.allocate(size)
            self._context.set_device_memory(memory.address, memory.bytes)

    def save_kernels(self) -> None:
        """Keep the kernels that were compiled, after the first steps."""
        if self._kernels is not None:
            self._kernels.save()

    def bind(self, name: str, buffer: Buffer) -> None:
        if not self._context.set_tensor_address(name, buffer.address):
            raise self._error(f"the tensor {name!r} cannot be bound")

    def enqueue(self, stream: Stream) -> None:
        if not self._context.execute_async_v3(stream):
            raise self._error("a step cannot be queued")

    def capture_obstacle(self, stream: Stream) -> str:
        is_capturable = getattr(self._context, "is_stream_capturable", None)  # TensorRT-RTX only
        if is_capturable is None or is_capturable(stream):
            return ""
        return f"TensorRT-RTX does not allow it for this engine ({self._logger.last})"

    def close(self) -> None:
        self._context = None  # in this order: each needs the next
        self._kernels = self._config = None
        self._engine = self._runtime = None

    def _error(self, problem: str) -> DeviceError:
        """Return an error with TensorRT's reason."""
        return _error_kind(self._logger)(f"{problem}: {self._logger.last}")


def load_engine(trt: Any, logger: Any, data: memoryview) -> LoadedEngine:
    """Load an engine on the thread's current GPU.

    Args:
        data: the engine as it was built.

    Raises:
        BackendError: the engine does not run here.
        OutOfMemoryError: there is too little memory for it.
    """
    runtime = trt.Runtime(logger)
    if hasattr(runtime, "get_engine_validity"):  # TensorRT-RTX only: it gives the reason
        validity, bits = runtime.get_engine_validity(data)
        reasons = [name for name, bit in trt.EngineInvalidityDiagnostics.__members__.items() if bits & bit.value]
        if validity == trt.EngineValidity.SUBOPTIMAL:
            _log.info("the engine runs on this GPU, but not as fast as it could (%s)", ", ".join(reasons))
        if validity == trt.EngineValidity.INVALID:
            raise BackendError(
                f"the engine does not run on this GPU ({', '.join(reasons) or logger.last}); "
                "update the NVIDIA driver, or use backend='openvino'"
            )
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        raise _error_kind(logger)(
            f"the engine cannot be loaded: {logger.last}; "
            "close other programs that use the GPU, or use backend='openvino'"
        )
    return LoadedEngine(runtime, engine)


def _error_kind(logger: Any) -> type[DeviceError]:
    """Return the error for what TensorRT has just refused."""
    return OutOfMemoryError if "out of memory" in logger.last.lower() else DeviceError


def check_tensors(engine: Any, tensors: Mapping[str, Tensor]) -> None:
    """Check that an `ICudaEngine` has exactly these tensors. A side of -1 in the engine matches any.

    Raises:
        BackendError: the engine has other tensors.
    """
    found = {
        name: Tensor(
            tuple(engine.get_tensor_shape(name)),
            TYPES[engine.get_tensor_dtype(name).name],
            LAYOUTS[engine.get_tensor_format(name).name],
        )
        for name in (engine.get_tensor_name(index) for index in range(engine.num_io_tensors))
    }
    if found.keys() != tensors.keys() or not all(_matches(found[name], tensor) for name, tensor in tensors.items()):
        raise BackendError(f"the engine has other tensors ({found}); build it again")


def _open_program(backend: str, trt: Any, setup: Setup, gpu: Gpu, device: Device) -> tuple[TensorRTProgram, bool]:
    """Return the program for a setup, and whether its steps are to be replayed as graphs.

    Its engine comes from the cache, or is built now. Call it with the device as the current one.

    Raises:
        BackendError: as from `load_or_build`, `load_engine`, `TensorRTProgram`.
    """
    precision = resolve_precision(setup.precision)
    request, weights = _plan_build(backend, setup, precision, gpu)
    key = engine_key(request, weights, gpu.identity)
    tensors = engine_tensors(setup.width, setup.height, precision, weights.shape().features)
    logger = make_logger(trt)

    def build_engine() -> bytes:
        _log.info("building the engine for %s with %s, once", request.description, backend)
        return build(request, weights)

    def load(data: memoryview) -> LoadedEngine:
        loaded = load_engine(trt, logger, data)
        check_tensors(loaded.engine, tensors)
        return loaded

    is_rtx = backend == "tensorrt_rtx"
    loaded = load_or_build(
        key, build=build_engine, load=load, accepts=_key_matcher(gpu.target, key) if is_rtx else None
    )
    kernels = kernel_key(key, gpu) if is_rtx else None
    program = TensorRTProgram(trt, loaded, tensors, logger, device, kernels)
    return program, request.options.graphs == "yes"


def _plan_build(backend: str, setup: Setup, precision: GraphPrecision, gpu: Gpu) -> tuple[BuildRequest, WeightsFile]:
    """Return the engine to build for a setup and a GPU. TensorRT-RTX builds one for many GPUs.

    Raises:
        BackendError: the package does not support the GPU.
    """
    if reason := refusal(backend, gpu, precision):
        raise BackendError(reason)
    options = cast(TensorRTRTXOptions, setup.options)
    targets = shared_targets(gpu.target, precision) if backend == "tensorrt_rtx" else ()
    size = None if options.shapes == "dynamic" else (setup.width, setup.height)
    request = BuildRequest(
        backend=backend, size=size, precision=precision, colour=setup.colour, targets=targets, options=options
    )
    return request, setup.read_weights()


def _key_matcher(target: str, key: Key) -> Callable[[Key], bool]:
    """Return a test for keys that differ from `key` only in the GPUs, and whose engine runs on `target`."""

    def matches(other: Key) -> bool:
        targets = other.get("for")
        return isinstance(targets, list) and target in targets and {**other, "for": []} == {**key, "for": []}

    return matches


def _matches(found: Tensor, expected: Tensor) -> bool:
    sides = zip(found.shape, expected.shape, strict=False)
    return (
        (found.type, found.channels_last) == (expected.type, expected.channels_last)
        and len(found.shape) == len(expected.shape)
        and all(side in (-1, expected_side) for side, expected_side in sides)
    )
