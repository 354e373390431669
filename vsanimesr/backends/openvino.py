"""The network on a CPU with OpenVINO.

Two inference requests alternate: step n + 1 runs in one while the frame of step n is copied out of the other. The
recurrent state alternates between two buffers, stored channels last, the layout that the convolutions prefer.

The compiled network is kept on disk. A backend then opens in half the time, and without the packages that build graphs.

The same steps give the same bits: OpenVINO selects its algorithms by shape and processor, never by timing, and the
order of its sums does not depend on the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..cache import load_or_build, network_key
from ..errors import BackendError
from ..network.graph import GraphPrecision, build_graph
from ..network.tensors import STATE, WINDOW
from ..quiet import block_import
from ..weights.load import WeightsFile
from .base import (
    Availability,
    Backend,
    BackendOptions,
    Frame,
    Planes,
    Setup,
    State,
    Ticket,
    int8_ranges,
    whole_number,
    wrap_errors,
)

if TYPE_CHECKING:
    from openvino import CompiledModel, Core, InferRequest, Model, Tensor

DEVICE = "CPU"
SETTINGS = {
    "EXECUTION_MODE_HINT": "ACCURACY",  # compute in the precision that the graph states
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": "1",  # steps depend on each other: all cores work on one
}

_errors = partial(wrap_errors, "openvino")


@dataclass(frozen=True, kw_only=True)
class OpenVINOOptions(BackendOptions):
    """Options of `openvino`."""

    threads: int = whole_number(0, maximum=1024)
    """Number of threads; 0 is one for each core. Fewer leave cores to an encoder."""


class OpenVINOBackend(Backend):
    """The network in fp32, bf16 or int8.

    After a step that failed, the state is lost: nothing can be submitted until the reset.
    """

    options_class = OpenVINOOptions
    precision: GraphPrecision
    depth = 2

    def __init__(self, setup: Setup) -> None:
        if setup.device != 0:
            raise BackendError(
                f"device={setup.device} does not exist for backend='openvino', which has one CPU; use device=0"
            )
        with _errors(f"cannot be opened for {setup.width}x{setup.height}"):
            core = get_core()
            self.precision = _resolve_precision(core, setup.precision)
            model = _load_model(core, setup, self.precision, setup.read_weights())
            even, odd = ({name: _zeros(model, name) for name in STATE} for _ in range(2))
            self._requests = [_Request(model, even, odd), _Request(model, odd, even)]
        self.state_bytes = sum(tensor.byte_size for tensor in even.values())
        self._last_step: _Step | None = None

    @classmethod
    def availability(cls) -> Availability:
        core = get_core()
        name = core.get_property(DEVICE, "FULL_DEVICE_NAME")
        return Availability(True, f"{name} (auto: {_resolve_precision(core, 'auto')})")

    def reset(self) -> None:
        self._set_state((0,) * len(STATE))

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if self._last_step:
            self._last_step.finish()
        request, other = self._requests
        self._last_step = request.start((prev, cur, next))
        self._requests = [other, request]
        return self._last_step if output else None

    def save_state(self) -> State:
        if self._last_step:
            self._last_step.finish()
        return tuple(_channels_first(tensor).copy(order="K") for tensor in self._requests[0].state.values())

    def load_state(self, state: State) -> None:
        self._set_state(state)

    def close(self) -> None:
        self._discard_last_step()
        self._requests = []

    def _set_state(self, values: Iterable[Any]) -> None:
        self._discard_last_step()
        for tensor, value in zip(self._requests[0].state.values(), values, strict=True):
            _channels_first(tensor)[:] = value

    def _discard_last_step(self) -> None:
        """Wait for the last step, whether it fails or not."""
        if self._last_step:
            with suppress(BackendError):
                self._last_step.finish()
        self._last_step = None


class _Request:
    """One of the two inference requests, with its buffers."""

    def __init__(self, model: CompiledModel, state: dict[str, Tensor], state_out: dict[str, Tensor]) -> None:
        self._request = model.create_infer_request()
        self.state = state
        self._window = [_zeros(model, name) for name in WINDOW]
        for name, tensor in zip(WINDOW, self._window, strict=True):
            self._request.set_tensor(name, tensor)
        for name in STATE:
            self._request.set_tensor(name, state[name])
            self._request.set_tensor(f"{name}_out", state_out[name])
        self._frame = self._request.get_tensor("frame")

    def start(self, window: tuple[Frame, Frame, Frame]) -> _Step:
        for tensor, frame in zip(self._window, window, strict=True):
            for target, plane in zip(tensor.data[0], frame.planes, strict=True):
                target[:] = plane
        with _errors("cannot start a step"):
            self._request.start_async()
        return _Step(self._request, self._frame)


class _Step(Ticket):
    """A step that has been started, and the tensor of its SR frame."""

    def __init__(self, request: InferRequest, frame: Tensor) -> None:
        self._request = request
        self._frame = frame
        self._lock = threading.Lock()
        self._running = True
        self._failure: BackendError | None = None

    def finish(self) -> None:
        """Wait for the end of the step. Any thread may call it, any number of times.

        Raises:
            BackendError: the step failed; every call raises it.
        """
        with self._lock:
            if self._running:
                self._running = False
                try:
                    with _errors("failed at a step"):
                        self._request.wait()
                except BackendError as error:
                    self._failure = error
            if self._failure:
                raise self._failure

    def wait(self, out: Planes) -> None:
        self.finish()
        for plane, target in zip(self._frame.data[0], out, strict=True):
            target[:] = plane


@cache
def import_openvino() -> Any:
    """Import OpenVINO without its model converter.

    The converter is not needed here, takes most of the time of the import, and imports a telemetry client. OpenVINO
    works without it if it cannot be imported.
    """
    with block_import("openvino.tools.ovc"):
        import openvino
        import openvino.preprocess
    return openvino


@cache
def get_core() -> Core:
    """Return OpenVINO's `Core` for this process. It is never freed.

    On Linux the plugin gives the thread that loads it another stack for signal handlers, and unmaps it on the thread
    that drops the last reference. If that is another thread, the next signal that Python handles ends the process.
    """
    return import_openvino().Core()


def computes_bf16(core: Core) -> bool:
    """Return whether the processor computes bfloat16. OpenVINO lists BF16 for AVX-512 BF16 or AMX only."""
    return "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def _resolve_precision(core: Core, precision: str) -> GraphPrecision:
    """Replace `auto` by the fastest precision, and check any other."""
    has_bf16 = computes_bf16(core)
    if precision == "auto":
        return "bf16" if has_bf16 else "fp32"
    if precision in {"fp16", "fp8"}:
        raise BackendError(
            f"precision={precision!r} is not faster than fp32 on a processor; use 'bf16', 'fp32' or 'auto'"
        )
    # A processor with BF16 also has the 8-bit integer products that the graph needs (VNNI or AMX). Without VNNI, sums
    # of two products may overflow.
    if precision in {"bf16", "int8"} and not has_bf16:
        raise BackendError(f"precision={precision!r} is not computed by this processor; use 'fp32' or 'auto'")
    return cast(GraphPrecision, precision)


def _load_model(core: Core, setup: Setup, precision: GraphPrecision, weights: WeightsFile) -> CompiledModel:
    """Load the compiled network from the cache, or compile and store it."""
    openvino = import_openvino()
    size = (setup.width, setup.height)
    settings = dict(SETTINGS)
    if threads := cast(OpenVINOOptions, setup.options).threads:
        settings["INFERENCE_NUM_THREADS"] = str(threads)

    def build() -> bytes:
        graph = build_graph(weights.load(), size, precision, int8_ranges(precision, weights), setup.colour)
        model = core.read_model(graph.SerializeToString())
        compiled = core.compile_model(_set_channels_last(model), DEVICE, settings)
        return cast(bytes, compiled.export_model().getvalue())

    def load(data: memoryview) -> CompiledModel:
        with _errors("cannot load the compiled network"):
            return core.import_model(openvino.Tensor(np.frombuffer(data, np.uint8)), DEVICE, settings)

    key = {
        **network_key("openvino", openvino.get_version(), weights, size, precision, setup.colour),
        "settings": [f"{name}={value}" for name, value in SETTINGS.items()],
        "layout": "channels last from the first convolution's input on",
        "processor": _identify_processor(core),
    }
    return load_or_build(key, build=build, load=load)


def _identify_processor(core: Core) -> list[str]:
    """Return every property of the processor that compiled code may depend on."""
    capabilities = core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    properties = [core.get_property(DEVICE, "FULL_DEVICE_NAME"), *sorted(capabilities)]
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:  # other systems have the name only
        properties += next((line.split() for line in lines if line.startswith("flags")), [])
    return properties


def _zeros(model: CompiledModel, name: str) -> Tensor:
    port = model.input(name)
    tensor = import_openvino().Tensor(port.get_element_type(), port.get_shape())
    tensor.data[:] = 0
    return tensor


def _channels_first(tensor: Tensor) -> NDArray[Any]:
    """Return a view (channels, height, width) of a tensor of the state."""
    return np.moveaxis(tensor.data[0], -1, 0)


def _set_channels_last(model: Model) -> Model:
    """Make the model take and return the state as (1, height, width, channels), and put the first convolution's input
    together in this layout too. OpenVINO would turn the state channels first for that, and then everything back: up to
    a tenth of a step in bf16. It changes no bit."""
    openvino = import_openvino()
    _concatenate_channels_last(model)
    edges = openvino.preprocess.PrePostProcessor(model)
    for name in STATE:
        for edge in (edges.input(name), edges.output(f"{name}_out")):
            edge.tensor().set_layout(openvino.Layout("NHWC"))
            edge.model().set_layout(openvino.Layout("NCHW"))
    return edges.build()


def _concatenate_channels_last(model: Model) -> None:
    from openvino import opset13 as operations

    (target,) = model.input(STATE[0]).get_target_inputs()
    old = target.get_node()
    parts = [operations.transpose(each.get_source_output(), np.array([0, 2, 3, 1])) for each in old.inputs()]
    new = operations.transpose(operations.concat(parts, axis=3), np.array([0, 3, 1, 2]))
    for reader in old.output(0).get_target_inputs():
        reader.replace_source_output(new.output(0))
