"""The network on a CPU with OpenVINO.

Two requests take turns: step n + 1 computes in one while step n's frame is copied out of the other. The recurrent state
goes back and forth between two buffers, which are laid out channels last, as the convolutions want them.

What OpenVINO makes of the graph is kept on disk: it opens in half the time, and without the packages that build graphs.

The same steps give the same bits: OpenVINO chooses its algorithms by shape and processor, never by timing, and the
order in which they sum does not depend on the number of threads.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import cast

import numpy as np

from ..cache import load_or_build
from ..engine_options import OpenVINOOptions
from ..errors import EngineError
from ..graph import GraphPrecision, build_graph
from ..int8 import Ranges, load_ranges
from ..quiet import unimportable
from ..weights import WeightsFile
from .base import Availability, Engine, Frame, Planes, Setup, Ticket
from .failures import told_by
from .keys import key_of_network
from .tensors import STATE, WINDOW

# OpenVINO's model converter is of no use here, takes most of the time of the import, and brings a telemetry client
# along. OpenVINO does without it where it cannot be imported.
with unimportable("openvino.tools.ovc"):
    import openvino
    from openvino import CompiledModel, Core, InferRequest, Layout, Model, Tensor
    from openvino.preprocess import PrePostProcessor

DEVICE = "CPU"
SETTINGS = {
    "EXECUTION_MODE_HINT": "ACCURACY",  # what the graph says in which precision is computed so
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": "1",  # steps depend on each other: all cores work on one
}

_errors = partial(told_by, "openvino")


class OpenVINOEngine(Engine):
    """The network in fp32, bf16 or int8.

    A step that fails takes the state with it: nothing is submitted until the reset.
    """

    depth = 2

    def __init__(self, setup: Setup) -> None:
        if setup.device != 0:
            raise EngineError(
                f"device={setup.device} does not exist for engine='openvino', which has one CPU; use device=0"
            )
        with _errors(f"cannot be opened for {setup.width}x{setup.height}"):
            core = core_of_process()
            model = _opened(core, setup, setup.read_weights())
            even, odd = ({name: _zeros(model, name) for name in STATE} for _ in range(2))
            self._slots = [_Slot(model, even, odd), _Slot(model, odd, even)]
        self._last: _Step | None = None

    @classmethod
    def availability(cls) -> Availability:
        core = core_of_process()
        name = core.get_property(DEVICE, "FULL_DEVICE_NAME")
        return Availability(True, f"{name} (auto: {_resolved(core, 'auto')})")

    def reset(self) -> None:
        if self._last:
            with suppress(EngineError):  # what it did to the state does not matter any more
                self._last.finish()
            self._last = None
        for tensor in self._slots[0].state.values():
            tensor.data[:] = 0

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if self._last:
            self._last.finish()
        coming, other = self._slots
        self._last = coming.start((prev, cur, next))
        self._slots = [other, coming]
        return self._last if output else None

    def close(self) -> None:
        if self._last:
            with suppress(EngineError):  # told already, or of no use to anyone
                self._last.finish()
        self._last = None
        self._slots = []


class _Slot:
    """One of the two requests, with the buffers that it reads and writes."""

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
    """A step that has been started, and the tensor in which its frame will be."""

    def __init__(self, request: InferRequest, frame: Tensor) -> None:
        self._request = request
        self._frame = frame
        self._lock = threading.Lock()
        self._running = True
        self._failure: EngineError | None = None

    def finish(self) -> None:
        """Wait for the end of the step, on any thread, and as often as wanted.

        Raises:
            EngineError: it failed, which every caller is told.
        """
        with self._lock:
            if self._running:
                self._running = False
                try:
                    with _errors("failed at a step"):
                        self._request.wait()
                except EngineError as error:
                    self._failure = error
            if self._failure:
                raise self._failure

    def wait(self, out: Planes) -> None:
        self.finish()
        for plane, target in zip(self._frame.data[0], out, strict=True):
            target[:] = plane


@cache
def core_of_process() -> Core:
    """The one of this process, for as long as it lives.

    On Linux the plugin gives the thread that loads it another stack for signal handlers, and unmaps it on whichever
    thread drops the last reference. Where those are two, the next signal that Python handles ends the process.
    """
    return openvino.Core()


def computes_bf16(core: Core) -> bool:
    """Whether the processor does: OpenVINO lists BF16 for AVX-512 BF16 or AMX only."""
    return "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def _resolved(core: Core, precision: str) -> GraphPrecision:
    """What `auto` comes to, checked."""
    has_bf16 = computes_bf16(core)
    if precision == "auto":
        return "bf16" if has_bf16 else "fp32"
    if precision == "fp16":
        raise EngineError("precision='fp16' is not faster than fp32 on a processor; use 'bf16', 'fp32' or 'auto'")
    # A processor with BF16 also multiplies 8-bit integers as they are written (VNNI or AMX). One without VNNI lets
    # sums of two products overflow.
    if precision in {"bf16", "int8"} and not has_bf16:
        raise EngineError(f"precision={precision!r} is not computed by this processor; use 'fp32' or 'auto'")
    return cast(GraphPrecision, precision)


def _ranges(precision: GraphPrecision, weights: WeightsFile) -> Ranges | None:
    if precision != "int8":
        return None
    ranges = load_ranges(weights.digest)
    if ranges is None:
        raise EngineError(
            "precision='int8' needs ranges for these weights, and has those of the released ones, v1 and v2; "
            "use 'bf16', or measure them with scripts/calibrate.py"
        )
    return ranges


def _opened(core: Core, setup: Setup, weights: WeightsFile) -> CompiledModel:
    """The network, ready to run: from the cache, or compiled and put there."""
    precision = _resolved(core, setup.precision)
    size = (setup.width, setup.height)
    settings = dict(SETTINGS)
    if threads := cast(OpenVINOOptions, setup.options).threads:
        settings["INFERENCE_NUM_THREADS"] = str(threads)

    def build() -> bytes:
        graph = build_graph(weights.load(), size, precision, _ranges(precision, weights))
        model = core.read_model(graph.SerializeToString())
        compiled = core.compile_model(_channels_last(model), DEVICE, settings)
        return cast(bytes, compiled.export_model().getvalue())

    def load(built: memoryview) -> CompiledModel:
        with _errors("cannot read what it has built"):
            return core.import_model(Tensor(np.frombuffer(built, np.uint8)), DEVICE, settings)

    key = {
        **key_of_network("openvino", openvino.get_version(), weights, size, precision),
        "settings": [f"{name}={value}" for name, value in SETTINGS.items()],
        "processor": _processor(core),
    }
    return load_or_build(key, build=build, load=load)


def _processor(core: Core) -> list[str]:
    """What tells one processor from another, as far as code for it may differ."""
    capabilities = core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    found = [core.get_property(DEVICE, "FULL_DEVICE_NAME"), *sorted(capabilities)]
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:  # where there is none, the name must do
        found += next((line.split() for line in lines if line.startswith("flags")), [])
    return found


def _zeros(model: CompiledModel, name: str) -> Tensor:
    port = model.input(name)
    tensor = Tensor(port.get_element_type(), port.get_shape())
    tensor.data[:] = 0
    return tensor


def _channels_last(model: Model) -> Model:
    """Have the state come and go as (1, height, width, channels)."""
    edges = PrePostProcessor(model)
    for name in STATE:
        for edge in (edges.input(name), edges.output(f"{name}_out")):
            edge.tensor().set_layout(Layout("NHWC"))
            edge.model().set_layout(Layout("NCHW"))
    return edges.build()
