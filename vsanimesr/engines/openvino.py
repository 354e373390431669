"""The network on a CPU with OpenVINO.

Two requests take turns: step n + 1 computes in one while step n's frame is copied out of the other. The recurrent state
goes back and forth between two buffers, which are laid out channels last, as the convolutions want them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import EngineError
from ..graph import build_graph, padded
from ..network import COLOURS, FEATURES, SR_CHANNELS
from ..quiet import unimportable
from . import Weights
from .base import Engine, Frame, Planes, Ticket

# OpenVINO's model converter is of no use here, takes most of the time of the import, and brings a telemetry client
# along. OpenVINO does without it where it cannot be imported.
with unimportable("openvino.tools.ovc"):
    import openvino
    from openvino import CompiledModel, InferRequest, Layout, Model, Tensor
    from openvino.preprocess import PrePostProcessor

DEVICE = "CPU"
WINDOW = ("prev", "cur", "next")
STATE = {"sr": SR_CHANNELS, "hidden": FEATURES}


class OpenVINOEngine(Engine):
    """The network in fp32 or bf16; SR and state stay float32 at the edges of the graph."""

    depth = 2

    def __init__(
        self, *, load_weights: Callable[[], Weights], width: int, height: int, precision: str, device: int
    ) -> None:
        if device != 0:
            raise EngineError(f"device={device} does not exist for engine='openvino', which has one CPU; use device=0")
        with _errors("cannot compile the network"):
            model = _compiled(load_weights(), width, height, precision)
            requests = [model.create_infer_request() for _ in range(2)]
        state = [
            {
                name: Tensor(np.zeros((1, padded(height), padded(width), channels), np.float32))
                for name, channels in STATE.items()
            }
            for _ in range(2)
        ]
        self._slots = [_Slot(request, state[i], state[1 - i], width, height) for i, request in enumerate(requests)]

    def reset(self) -> None:
        coming, last = self._slots
        last.finish()
        for tensor in coming.state.values():
            tensor.data[:] = 0

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        coming, last = self._slots
        last.finish()
        coming.start((prev, cur, next))
        self._slots = [last, coming]
        return coming if output else None

    def close(self) -> None:
        for slot in self._slots:
            slot.finish()
        self._slots = []


class _Slot(Ticket):
    """One of the two requests, with the buffers that it reads and writes."""

    def __init__(
        self, request: InferRequest, state: dict[str, Tensor], state_out: dict[str, Tensor], width: int, height: int
    ) -> None:
        self._request = request
        self.state = state
        self._window = [Tensor(np.zeros((1, COLOURS, height, width), np.float32)) for _ in WINDOW]
        for name, tensor in zip(WINDOW, self._window, strict=True):
            request.set_tensor(name, tensor)
        for name in STATE:
            request.set_tensor(name, state[name])
            request.set_tensor(f"{name}_out", state_out[name])
        self._frame = request.get_tensor("frame")
        self._lock = threading.Lock()
        self._running = False

    def start(self, window: tuple[Frame, Frame, Frame]) -> None:
        self.finish()
        for tensor, frame in zip(self._window, window, strict=True):
            for target, plane in zip(tensor.data[0], frame.planes, strict=True):
                target[:] = plane
        with _errors("cannot start a step"):
            self._request.start_async()
            self._running = True

    def finish(self) -> None:
        """Wait for the step that runs here, if one does; on any thread."""
        with self._lock:
            if self._running:
                self._running = False
                with _errors("a step failed"):
                    self._request.wait()

    def wait(self, out: Planes) -> None:
        self.finish()
        for plane, target in zip(self._frame.data[0], out, strict=True):
            target[:] = plane


def _compiled(weights: Weights, width: int, height: int, precision: str) -> CompiledModel:
    core = openvino.Core()
    if precision == "auto":
        # Listed only where the processor computes it: AVX-512 BF16 or AMX.
        precision = "bf16" if "BF16" in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES") else "fp32"
    settings = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",  # steps depend on each other: all cores work on one
    }
    model = _channels_last(core.read_model(build_graph(weights, width, height).SerializeToString()))
    return core.compile_model(model, DEVICE, settings)


def _channels_last(model: Model) -> Model:
    """Have the state come and go as (1, height, width, channels)."""
    edges = PrePostProcessor(model)
    for name in STATE:
        for edge in (edges.input(name), edges.output(f"{name}_out")):
            edge.tensor().set_layout(Layout("NHWC"))
            edge.model().set_layout(Layout("NCHW"))
    return edges.build()


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise EngineError(f"engine='openvino' {what}: {reason}") from error
