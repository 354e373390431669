"""The network on an NVIDIA GPU with TensorRT, or with TensorRT-RTX: two packages with one interface.

Engines are built once and kept on disk; `tensorrt_build` says how.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, cast

from ..cache import Key, load_or_build
from ..engine_options import TensorRTRTXOptions
from ..errors import EngineError
from ..graph import GraphPrecision
from ..weights import WeightsFile
from .base import Availability, Engine, Frame, Setup, Ticket
from .cuda import CudaDevice, Gpu, find_gpu, gpus, load_runtime
from .device import Buffer, DeviceError, Program, Stream
from .pipeline import DEPTH, Pipeline
from .tensorrt_build import BuildRequest, build, key_of, make_logger, package, resolve, targets_of
from .tensors import Tensor, step_tensors

_log = logging.getLogger(__name__)

TYPES: dict[str, GraphPrecision] = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16"}
"""The names of `DataType` for what the network has."""


class _TensorRT(Engine):
    """What both have in common."""

    name: ClassVar[str]
    """Of the engine and of its package."""

    depth = DEPTH

    def __init__(self, setup: Setup) -> None:
        trt, cudart = package(self.name), load_runtime()
        gpu = find_gpu(cudart, setup.device)
        device = CudaDevice(setup.device, cudart)  # engines are loaded on the device of the thread
        precision = resolve(setup.precision)
        request, weights = _plan(self.name, setup, precision, gpu)
        key = key_of(request, weights, gpu.identity)
        tensors = step_tensors(setup.width, setup.height, precision, weights.shape().features)
        logger = make_logger(trt)

        def build_once() -> bytes:
            _log.info("building the engine for %s with %s, once", request.described, self.name)
            return build(request, weights)

        def load(built: memoryview) -> Loaded:
            loaded = load_engine(trt, logger, built)
            check_tensors(loaded.engine, tensors)
            return loaded

        also = _runs_on(gpu.target, key) if self.name == "tensorrt_rtx" else None
        program = TensorRTProgram(load_or_build(key, build=build_once, load=load, also=also), tensors, logger)
        self._pipeline = Pipeline(device, program, engine=self.name, graphs=request.options.graphs == "yes")

    @classmethod
    def availability(cls) -> Availability:
        cudart = load_runtime()
        try:
            found = gpus(cudart)
        except DeviceError as error:
            what, _, remedy = str(error).partition("; ")
            return Availability(False, what, remedy)
        return Availability(True, ", ".join(gpu.described for gpu in found), gpu=True)

    def reset(self) -> None:
        self._pipeline.reset()

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        return self._pipeline.submit(prev, cur, next, output=output)

    def close(self) -> None:
        self._pipeline.close()


class TensorRTRTXEngine(_TensorRT):
    """The network with TensorRT-RTX, on GeForce and RTX cards from Turing on."""

    name = "tensorrt_rtx"


class TensorRTEngine(_TensorRT):
    """The network with TensorRT, on every GPU that it supports."""

    name = "tensorrt"


class Loaded(NamedTuple):
    """An `ICudaEngine`, and the `Runtime` that has to outlive it."""

    runtime: Any
    engine: Any


class TensorRTProgram(Program):
    """An engine as TensorRT gives it, with the one context that runs it.

    Args:
        loaded: an engine that has these tensors.
        tensors: where the engine leaves a side open, it is set to what stands here.
        logger: what TensorRT tells why something failed.

    Raises:
        EngineError: the engine does not take this size.
        DeviceError: there is not enough memory for what it computes on the way.
    """

    def __init__(self, loaded: Loaded, tensors: Mapping[str, Tensor], logger: Any) -> None:
        self.tensors = tensors
        self._logger = logger
        self._runtime, self._engine = loaded
        engine = loaded.engine
        self._context = engine.create_execution_context()
        if self._context is None:
            raise DeviceError(f"there is no context for the engine: {logger.last}; close what else uses the GPU")
        for name, tensor in tensors.items():
            is_open = -1 in tuple(engine.get_tensor_shape(name))
            is_input = engine.get_tensor_mode(name).name == "INPUT"
            if is_open and is_input and not self._context.set_input_shape(name, tensor.shape):
                self.close()
                _, _, height, width = tensor.shape
                raise EngineError(
                    f"shapes='dynamic' does not go to {width}x{height}; use engine_options=[\"shapes=static\"]"
                )

    def bind(self, name: str, buffer: Buffer) -> None:
        if not self._context.set_tensor_address(name, buffer.address):
            raise DeviceError(f"the tensor {name!r} cannot be bound: {self._logger.last}")

    def enqueue(self, stream: Stream) -> None:
        if not self._context.execute_async_v3(stream):
            raise DeviceError(f"a step cannot be queued: {self._logger.last}")

    def capturable(self, stream: Stream) -> bool:
        asked = getattr(self._context, "is_stream_capturable", None)  # of TensorRT-RTX
        return asked is None or bool(asked(stream))

    def close(self) -> None:
        self._context = self._engine = self._runtime = None  # in this order: each needs the next


def load_engine(trt: Any, logger: Any, built: memoryview) -> Loaded:
    """An engine on the GPU of this thread, of the bytes that were built.

    Raises:
        EngineError: it does not run here.
    """
    runtime = trt.Runtime(logger)
    if hasattr(runtime, "get_engine_validity"):  # of TensorRT-RTX: says why, instead of only failing
        validity, bits = runtime.get_engine_validity(built)
        reasons = [name for name, bit in trt.EngineInvalidityDiagnostics.__members__.items() if bits & bit.value]
        if validity == trt.EngineValidity.SUBOPTIMAL:
            _log.info(
                "the engine that was built runs on this GPU, but not as fast as it could (%s)", ", ".join(reasons)
            )
        if validity == trt.EngineValidity.INVALID:
            raise EngineError(
                f"the engine that was built does not run on this GPU ({', '.join(reasons) or logger.last}); "
                "update the NVIDIA driver, or use engine='openvino'"
            )
    engine = runtime.deserialize_cuda_engine(built)
    if engine is None:
        raise EngineError(
            f"the engine that was built cannot be loaded: {logger.last}; "
            "close what else uses the GPU, or use engine='openvino'"
        )
    return Loaded(runtime, engine)


def check_tensors(engine: Any, tensors: Mapping[str, Tensor]) -> None:
    """See that an `ICudaEngine` has just the tensors that are expected; a side of -1 is any.

    Raises:
        EngineError: it has others.
    """
    found = {
        name: Tensor(tuple(engine.get_tensor_shape(name)), TYPES[engine.get_tensor_dtype(name).name])
        for name in (engine.get_tensor_name(index) for index in range(engine.num_io_tensors))
    }
    if found.keys() != tensors.keys() or not all(_fits(found[name], tensor) for name, tensor in tensors.items()):
        raise EngineError(f"the engine that was built has other tensors ({found}); it has to be built again")


def _plan(engine: str, setup: Setup, precision: GraphPrecision, gpu: Gpu) -> tuple[BuildRequest, WeightsFile]:
    """What is built for a setup on a GPU: with TensorRT-RTX, one engine for every GPU that it supports.

    Raises:
        EngineError: the GPU is not among them.
    """
    options = cast(TensorRTRTXOptions, setup.options)
    targets: tuple[str, ...] = ()
    if engine == "tensorrt_rtx":
        targets = targets_of((), precision)
        if gpu.target not in targets:
            raise EngineError(
                f"engine='tensorrt_rtx' does not run in {precision} on {gpu.name} ({gpu.target}), only on "
                f"{', '.join(targets)}; use engine='tensorrt', or precision='fp16'"
            )
    size = None if options.shapes == "dynamic" else (setup.width, setup.height)
    request = BuildRequest(engine=engine, size=size, precision=precision, targets=targets, options=options)
    return request, setup.read_weights()


def _runs_on(target: str, key: Key) -> Callable[[Key], bool]:
    """Whether what was built for another key is the same but for the GPUs, and runs on this one."""

    def runs(other: Key) -> bool:
        targets = other.get("for")
        return isinstance(targets, list) and target in targets and {**other, "for": []} == {**key, "for": []}

    return runs


def _fits(found: Tensor, expected: Tensor) -> bool:
    sides = zip(found.shape, expected.shape, strict=False)
    return (
        found.type == expected.type
        and len(found.shape) == len(expected.shape)
        and all(side in (-1, wanted) for side, wanted in sides)
    )
