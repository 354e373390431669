"""The network with ONNX Runtime, on any device that has an execution provider.

A step runs inside `submit`. The state stays on the device, in two sets of buffers that alternate: a step reads one and
writes the other. Frames are in ordinary memory, and ONNX Runtime copies them to and from the device.

On a CPU the same steps give the same bits: algorithms are selected by shape, and the order of sums does not depend on
the number of threads. On GPUs, deterministic algorithms are requested and none is selected by timing, except by the
provider `tensorrt`: it times kernels each time it opens, so the last bits of two runs may differ. It could keep its
selection on disk, but would then load any file found there, unverified. `auto` tries it last: the backend `tensorrt`
does the same with engines that are kept and verified.
"""

from __future__ import annotations

import ctypes
import logging
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError
from ..network.graph import GraphPrecision, build_graph
from ..network.tensors import STATE, WINDOW, step_tensors
from ..weights.load import WeightsFile
from .base import (
    Availability,
    Backend,
    BackendOptions,
    Errors,
    Frame,
    FrameTicket,
    Setup,
    State,
    Ticket,
    whole_number,
    wrap_errors,
)

_log = logging.getLogger(__name__)

WARNING = 2  # a severity of ONNX Runtime, which logs to stderr
BFLOAT16 = 16  # an element type of ONNX; numpy has none


@dataclass(frozen=True, kw_only=True)
class OnnxRuntimeOptions(BackendOptions):
    """Options of `onnxruntime`."""

    provider: Literal["auto", "cuda", "migraphx", "dml", "coreml", "cpu", "tensorrt"] = "auto"
    """The execution provider; `auto` is the first of these that the installed onnxruntime has and that starts."""

    threads: int = whole_number(0, maximum=1024)
    """Number of threads of the provider `cpu`; 0 is one for each core."""


class Provider(NamedTuple):
    """An execution provider."""

    name: str
    """Its name in ONNX Runtime."""
    package: str
    """Distribution that includes it."""
    memory: str
    """Kind of device that holds the state, as named by ONNX Runtime."""
    vendor: int
    """PCI vendor number, if the kind of device leaves the vendor open; else -1."""
    precisions: tuple[GraphPrecision, ...]
    """Precisions that it computes, the one of `auto` first."""


# bfloat16: ONNX Runtime's own kernels for CUDA, DirectML and the CPU lack convolution or enlargement in it.
PROVIDERS = {
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu", "cuda", -1, ("fp16", "fp32")),
    "migraphx": Provider("MIGraphXExecutionProvider", "onnxruntime-migraphx", "gpu", 0x1002, ("fp16", "bf16", "fp32")),
    "dml": Provider("DmlExecutionProvider", "onnxruntime-directml", "dml", -1, ("fp16", "fp32")),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime (on macOS)", "cpu", -1, ("fp16", "fp32")),
    "cpu": Provider("CPUExecutionProvider", "onnxruntime", "cpu", -1, ("fp32", "fp16")),
    "tensorrt": Provider("TensorrtExecutionProvider", "onnxruntime-gpu", "cuda", -1, ("fp16", "bf16", "fp32")),
}
"""Execution providers, in the order in which `auto` tries them."""


class OnnxRuntimeBackend(Backend):
    """The network in one session.

    After a step that failed, the state is lost: nothing can be submitted until the reset.
    """

    options_class = OnnxRuntimeOptions
    depth = 2

    def __init__(self, setup: Setup) -> None:
        weights = setup.read_weights()
        name, self.precision, session = _start_session(setup, weights)
        precision = self.precision
        self._session = session
        features = next(tensor.shape[1] for tensor in session.get_inputs() if tensor.name == "hidden")
        tensors = step_tensors(setup.width, setup.height, precision, features)
        self._window = [np.zeros(tensors[name].shape, np.float32) for name in WINDOW]
        # Frames alternate with the outputs, not with the steps: a step without output uses none.
        self._frames = [np.zeros(tensors["frame"].shape, np.float32) for _ in range(self.depth)]
        shapes = {state: tensors[state].shape for state in STATE}
        self.state_bytes = sum(tensors[state].bytes for state in STATE)
        self._zero = {state: _zeros(shape, precision) for state, shape in shapes.items()}
        self._buffers = [
            {state: _allocate(shape, precision, PROVIDERS[name], setup.device) for state, shape in shapes.items()}
            for _ in range(2)
        ]
        self._state = self._zero
        self._failure: BackendError | None = None

    @classmethod
    def availability(cls) -> Availability:
        providers = _list_providers()
        name = providers[0]
        return Availability(
            True, f"{', '.join(providers)} (auto: {name}, {PROVIDERS[name].precisions[0]})", gpu=name != "cpu"
        )

    @classmethod
    def memory(cls, device: int) -> int | None:
        return super().memory(device) if _list_providers() == ["cpu"] else None

    def reset(self) -> None:
        self._failure = None
        self._state = self._zero

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if self._failure:
            raise self._failure
        for target, frame in zip(self._window, (prev, cur, next), strict=True):
            np.stack(frame.planes, out=target[0])
        try:
            with _errors("failed at a step"):
                self._run(output)
        except BackendError as error:
            self._failure = error
            raise
        if not output:
            return None
        self._frames.append(self._frames.pop(0))
        return FrameTicket(self._frames[-1][0])

    def save_state(self) -> State:
        if self._failure:
            raise self._failure
        with _errors("cannot copy its state"):
            return tuple(_copy_to_host(value) for value in self._state.values())

    def load_state(self, state: State) -> None:
        self._failure = None
        with _errors("cannot copy its state"):
            self._state = {name: _copy_from_host(array) for name, array in zip(STATE, state, strict=True)}

    def close(self) -> None:
        self._failure = BackendError("backend='onnxruntime' is closed; open another")
        self._session = None
        self._state, self._zero, self._buffers = {}, {}, []
        self._frames, self._window = [], []

    def _run(self, output: bool) -> None:
        """Run a step. ONNX Runtime copies only the outputs that are bound."""
        ort = import_onnxruntime()
        binding = self._session.io_binding()
        for name, frame in zip(WINDOW, self._window, strict=True):
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(frame))
        target, source = self._buffers
        for name, value in self._state.items():
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(f"{name}_out", target[name])
        if output:
            binding.bind_ortvalue_output("frame", ort.OrtValue.ortvalue_from_numpy(self._frames[0]))
        self._session.run_with_iobinding(binding)
        self._buffers = [source, target]
        self._state = target


@cache
def import_onnxruntime() -> Any:
    """Import ONNX Runtime without its telemetry.

    ONNX Runtime reads the environment variable when its library is loaded. Otherwise it would then send its first event
    and store an identifier of the machine.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # some builds for Windows do not read the variable
    return onnxruntime


@cache
def _failures() -> Errors:
    """Return the exceptions that ONNX Runtime raises. They have no common base class."""
    import_onnxruntime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception))
    return (RuntimeError, ValueError, *own)


def _errors(problem: str) -> AbstractContextManager[None]:
    return wrap_errors("onnxruntime", problem, failures=_failures())


def _list_providers() -> list[str]:
    """Return the providers in the installed ONNX Runtime, the fastest first. They may still fail to start."""
    names = import_onnxruntime().get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider.name in names]


def _start_session(setup: Setup, weights: WeightsFile) -> tuple[str, GraphPrecision, Any]:
    """Return the provider, the precision and the session. `auto` tries the next provider if one does not start."""
    provider = cast(OnnxRuntimeOptions, setup.options).provider
    known = _list_providers()
    if provider != "auto" and provider not in known:
        raise BackendError(
            f"backend_options has provider={provider!r}, which the installed onnxruntime does not have (it has "
            f"{', '.join(known)}); pip install {PROVIDERS[provider].package} in its place, or use provider=auto"
        )
    for name in known if provider == "auto" else [provider]:
        precision = _resolve_precision(name, setup)
        try:
            return name, precision, _make_session(name, precision, setup, weights)
        except BackendError as error:
            if provider != "auto" or name == known[-1]:
                raise
            _log.warning("%s; trying the next", error)
    raise AssertionError("onnxruntime has no provider")


def _resolve_precision(name: str, setup: Setup) -> GraphPrecision:
    """Replace `auto` by the provider's fastest precision, and check any other; check the device number."""
    known = PROVIDERS[name].precisions
    if PROVIDERS[name].memory == "cpu" and setup.device != 0:
        raise BackendError(f"device={setup.device} does not exist for provider={name!r}, which has one; use device=0")
    if setup.precision == "auto":
        return known[0]
    if setup.precision not in known:
        others = " or ".join(repr(other) for other in known)
        raise BackendError(
            f"precision={setup.precision!r} is not computed by provider={name!r} of backend='onnxruntime'; "
            f"use {others}, or 'auto'"
        )
    return setup.precision


def _make_session(name: str, precision: GraphPrecision, setup: Setup, weights: WeightsFile) -> Any:
    ort = import_onnxruntime()
    graph = build_graph(weights.load(), (setup.width, setup.height), precision, colour=setup.colour).SerializeToString()
    provider = PROVIDERS[name]
    if provider.memory == "cuda" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # CUDA and cuDNN from pip's packages, if the system has none
    settings = ort.SessionOptions()
    settings.log_severity_level = WARNING
    settings.use_deterministic_compute = True
    settings.intra_op_num_threads = cast(OnnxRuntimeOptions, setup.options).threads
    # By default, threads without work spin. That is no faster here, and takes a fifth more CPU time from an encoder.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if name == "dml":  # DirectML requires this
        settings.enable_mem_pattern = False
    providers = [(provider.name, _provider_settings(name, precision, setup.device))]
    if name != "cpu":  # for the few operations that the provider lacks
        providers.append((PROVIDERS["cpu"].name, {}))
    with _errors(f"cannot be opened for {setup.width}x{setup.height} with provider={name!r}"):
        # With the fallback enabled, ONNX Runtime prints a provider's failure to stdout and uses another provider.
        session = ort.InferenceSession(graph, settings, providers=providers, enable_fallback=0)
    if provider.name not in session.get_providers():
        raise BackendError(
            f"provider={name!r} of backend='onnxruntime' does not start on device={setup.device} (its own message is "
            "above); install its driver and libraries, use another device, or use provider=cpu"
        )
    return session


def _provider_settings(name: str, precision: GraphPrecision, device: int) -> dict[str, str]:
    device_id = {"device_id": str(device)}
    match name:
        case "tensorrt":
            return {**device_id, **({} if precision == "fp32" else {f"trt_{precision}_enable": "1"})}
        case "cuda":
            return {**device_id, "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
        case "coreml":
            return {"ModelFormat": "MLProgram"}  # the other format has no float16 inputs and outputs
        case "cpu":
            return {}
        case _:
            return device_id


def _zeros(shape: tuple[int, ...], precision: GraphPrecision) -> Any:
    """Return a zero state in ordinary memory. ONNX Runtime copies it to the device at the first step."""
    ort = import_onnxruntime()
    if precision == "bf16":
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.zeros(shape, np.uint16), BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32 if precision == "fp32" else np.float16))


def _copy_to_host(value: Any) -> NDArray[Any]:
    """Return a copy of a tensor of the state; bfloat16, which numpy does not have, as uint16."""
    found: NDArray[Any]
    if value.element_type() != BFLOAT16:
        found = value.numpy()[0].copy()  # without the copy it shares the memory of a value on the host
        return found
    shape = value.shape()
    host = import_onnxruntime().OrtValue.ortvalue_from_shape_and_type(shape, BFLOAT16)
    host.update_inplace(value)
    memory = (ctypes.c_char * host.tensor_size_in_bytes()).from_address(host.data_ptr())
    copy: NDArray[Any] = np.frombuffer(memory, np.uint16).reshape(shape)[0].copy()
    return copy


def _copy_from_host(array: NDArray[Any]) -> Any:
    """Return a tensor of the state in host memory, as the zero state is."""
    ort, copy = import_onnxruntime(), np.array(array[None], order="C")
    if copy.dtype == np.uint16:
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(copy, BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(copy)


def _allocate(shape: tuple[int, ...], precision: GraphPrecision, provider: Provider, device: int) -> Any:
    types: dict[GraphPrecision, Any] = {"fp32": np.float32, "fp16": np.float16, "bf16": BFLOAT16}
    with _errors(f"cannot allocate its state on device={device}"):
        return import_onnxruntime().OrtValue.ortvalue_from_shape_and_type(
            shape, types[precision], provider.memory, device, provider.vendor
        )
