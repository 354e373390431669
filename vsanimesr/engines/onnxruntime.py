"""The network with ONNX Runtime, on whatever has an execution provider for it.

A step runs within `submit`. The state stays on the device, in two sets of buffers that take turns at being read and
written; frames come from and go to ordinary memory, and ONNX Runtime copies what has to be copied.

The same steps give the same bits on a CPU: algorithms are chosen by shape, and the order of sums does not depend on
the number of threads. On GPUs, deterministic algorithms are asked for and none is chosen by timing, except by the
provider `tensorrt`: it times kernels each time it is opened, so that two runs may differ in their last bits. It could
keep its choice on disk, but would load from there whatever lies there. `auto` comes to it last: the engine `tensorrt`
does the same with engines that are kept and verified.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..engine_options import OnnxRuntimeOptions
from ..errors import EngineError
from ..graph import GraphPrecision, build_graph
from ..weights import WeightsFile
from .base import Availability, Engine, Frame, Planes, Setup, Ticket
from .failures import told_by
from .tensors import STATE, WINDOW, step_tensors

# Read when the library is loaded, which is when it would send its first event and store an identifier of the machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state

ort.disable_telemetry_events()  # on Windows the variable is not read by every build

_log = logging.getLogger(__name__)

WARNING = 2  # of ONNX Runtime's severities; what it says goes to stderr
BFLOAT16 = 16  # of ONNX's types; numpy has none
ERRORS: tuple[type[Exception], ...] = (  # they share no base
    RuntimeError,
    ValueError,
    *(
        found
        for found in vars(onnxruntime_pybind11_state).values()
        if isinstance(found, type) and issubclass(found, Exception)
    ),
)
_errors = partial(told_by, "onnxruntime", failures=ERRORS)


class Provider(NamedTuple):
    """An execution provider."""

    name: str
    """As ONNX Runtime calls it."""
    package: str
    """The distribution that has it."""
    memory: str
    """Where the state lies: a kind of device, as ONNX Runtime calls it."""
    vendor: int
    """PCI number of who made the device, where that kind of device leaves it open; else -1."""
    precisions: tuple[GraphPrecision, ...]
    """What it computes; the first is what `auto` comes to."""


# bfloat16: ONNX Runtime's own kernels for CUDA, DirectML and the CPU have no convolution or no enlargement in it.
PROVIDERS = {
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu", "cuda", -1, ("fp16", "fp32")),
    "migraphx": Provider("MIGraphXExecutionProvider", "onnxruntime-migraphx", "gpu", 0x1002, ("fp16", "bf16", "fp32")),
    "dml": Provider("DmlExecutionProvider", "onnxruntime-directml", "dml", -1, ("fp16", "fp32")),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime (on macOS)", "cpu", -1, ("fp16", "fp32")),
    "cpu": Provider("CPUExecutionProvider", "onnxruntime", "cpu", -1, ("fp32", "fp16")),
    "tensorrt": Provider("TensorrtExecutionProvider", "onnxruntime-gpu", "cuda", -1, ("fp16", "bf16", "fp32")),
}
"""The execution providers, in the order in which `auto` tries them."""


class OnnxRuntimeEngine(Engine):
    """The network in one session. A step that fails takes the state with it: nothing is submitted until the reset."""

    depth = 2

    def __init__(self, setup: Setup) -> None:
        weights = setup.read_weights()
        name, precision, session = _opened(setup, weights)
        self._session = session
        features = next(given.shape[1] for given in session.get_inputs() if given.name == "hidden")
        tensors = step_tensors(setup.width, setup.height, precision, features)
        self._window = [np.zeros(tensors[name].shape, np.float32) for name in WINDOW]
        # Frames take turns with each other, not with the steps: a step without output leaves them alone.
        self._frames = [np.zeros(tensors["frame"].shape, np.float32) for _ in range(self.depth)]
        shapes = {state: tensors[state].shape for state in STATE}
        self._zero = {state: _zeros(shape, precision) for state, shape in shapes.items()}
        self._buffers = [
            {state: _buffer(shape, precision, PROVIDERS[name], setup.device) for state, shape in shapes.items()}
            for _ in range(2)
        ]
        self._state = self._zero
        self._failure: EngineError | None = None

    @classmethod
    def availability(cls) -> Availability:
        offered = _offered()
        name = offered[0]
        return Availability(
            True, f"{', '.join(offered)} (auto: {name}, {PROVIDERS[name].precisions[0]})", gpu=name != "cpu"
        )

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
        except EngineError as error:
            self._failure = error
            raise
        if not output:
            return None
        self._frames.append(self._frames.pop(0))
        return _Done(self._frames[-1])

    def close(self) -> None:
        self._failure = EngineError("engine='onnxruntime' is closed; open another")
        self._session = None
        self._state, self._zero, self._buffers = {}, {}, []
        self._frames, self._window = [], []

    def _run(self, output: bool) -> None:
        """Run a step. Only outputs that are bound leave the device."""
        binding = self._session.io_binding()
        for name, frame in zip(WINDOW, self._window, strict=True):
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(frame))
        written, read = self._buffers
        for name, value in self._state.items():
            binding.bind_ortvalue_input(name, value)
            binding.bind_ortvalue_output(f"{name}_out", written[name])
        if output:
            binding.bind_ortvalue_output("frame", ort.OrtValue.ortvalue_from_numpy(self._frames[0]))
        self._session.run_with_iobinding(binding)
        self._buffers = [read, written]
        self._state = written


class _Done(Ticket):
    """The frame of a step that has been run."""

    def __init__(self, frame: NDArray[np.float32]) -> None:
        self._frame = frame

    def wait(self, out: Planes) -> None:
        for plane, target in zip(self._frame[0], out, strict=True):
            target[:] = plane


def _offered() -> list[str]:
    """The providers that the installed ONNX Runtime has, the fastest first; whether they start is another matter."""
    there = ort.get_available_providers()
    return [name for name, provider in PROVIDERS.items() if provider.name in there]


def _opened(setup: Setup, weights: WeightsFile) -> tuple[str, GraphPrecision, Any]:
    """The provider, the precision, and the session. `auto` goes on to the next provider where one does not start."""
    wanted = cast(OnnxRuntimeOptions, setup.options).provider
    offered = _offered()
    if wanted != "auto" and wanted not in offered:
        raise EngineError(
            f"engine_options has provider={wanted!r}, which the installed onnxruntime does not have (it has "
            f"{', '.join(offered)}); pip install {PROVIDERS[wanted].package} in its place, or use provider=auto"
        )
    for name in offered if wanted == "auto" else [wanted]:
        precision = _resolved(name, setup)
        try:
            return name, precision, _session(name, precision, setup, weights)
        except EngineError as error:
            if wanted != "auto" or name == offered[-1]:
                raise
            _log.warning("%s; trying the next", error)
    raise AssertionError("there is always a provider to try")


def _resolved(name: str, setup: Setup) -> GraphPrecision:
    """What the precision comes to, checked together with the device."""
    known = PROVIDERS[name].precisions
    if PROVIDERS[name].memory == "cpu" and setup.device != 0:
        raise EngineError(f"device={setup.device} does not exist for provider={name!r}, which has one; use device=0")
    if setup.precision == "auto":
        return known[0]
    if setup.precision not in known:
        others = " or ".join(repr(other) for other in known)
        raise EngineError(
            f"precision={setup.precision!r} is not computed by provider={name!r} of engine='onnxruntime'; "
            f"use {others}, or 'auto'"
        )
    return setup.precision


def _session(name: str, precision: GraphPrecision, setup: Setup, weights: WeightsFile) -> Any:
    graph = build_graph(weights.load(), (setup.width, setup.height), precision).SerializeToString()
    provider = PROVIDERS[name]
    if provider.memory == "cuda" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # CUDA and cuDNN out of pip's packages, where they are not installed otherwise
    settings = ort.SessionOptions()
    settings.log_severity_level = WARNING
    settings.use_deterministic_compute = True
    settings.intra_op_num_threads = cast(OnnxRuntimeOptions, setup.options).threads
    # Threads that wait for work spin otherwise: as fast, for a fifth more of the CPU, which an encoder may want.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if name == "dml":  # it asks for this
        settings.enable_mem_pattern = False
    chosen = [(provider.name, _settings(name, precision, setup.device))]
    if name != "cpu":  # for the little that the provider leaves over
        chosen.append((PROVIDERS["cpu"].name, {}))
    with _errors(f"cannot be opened for {setup.width}x{setup.height} with provider={name!r}"):
        # Without this, it tells stdout that a provider fails, and goes on with another.
        session = ort.InferenceSession(graph, settings, providers=chosen, enable_fallback=0)
    if provider.name not in session.get_providers():
        raise EngineError(
            f"provider={name!r} of engine='onnxruntime' does not start on device={setup.device}, as told above; "
            "install its driver and libraries, choose another device, or use provider=cpu"
        )
    return session


def _settings(name: str, precision: GraphPrecision, number: int) -> dict[str, str]:
    device = {"device_id": str(number)}
    match name:
        case "tensorrt":
            return {**device, **({} if precision == "fp32" else {f"trt_{precision}_enable": "1"})}
        case "cuda":
            return {**device, "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
        case "coreml":
            return {"ModelFormat": "MLProgram"}  # the other format has no float16 at its edges
        case "cpu":
            return {}
        case _:
            return device


def _zeros(shape: tuple[int, ...], precision: GraphPrecision) -> Any:
    """In ordinary memory, from where it is copied at the first step."""
    if precision == "bf16":
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.zeros(shape, np.uint16), BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32 if precision == "fp32" else np.float16))


def _buffer(shape: tuple[int, ...], precision: GraphPrecision, provider: Provider, device: int) -> Any:
    types: dict[GraphPrecision, Any] = {"fp32": np.float32, "fp16": np.float16, "bf16": BFLOAT16}
    with _errors(f"cannot hold its state on device={device}"):
        return ort.OrtValue.ortvalue_from_shape_and_type(
            shape, types[precision], provider.memory, device, provider.vendor
        )
