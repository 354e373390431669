"""The network with PyTorch as a program of the pipeline, on an NVIDIA GPU.

The pipeline's buffers become tensors without a copy, and a step runs on the pipeline's stream. A step is captured by
PyTorch and not by the device, because PyTorch's allocator has to know of it: during a capture it must not query events
or wait for the device, and what it hands out must stay reserved for the graph. PyTorch's documentation promises both
for memory that comes from a graph's private pool:

* Nothing else allocates from the pool, and it is not given back, before the graphs that use it are reset.
* Both graphs share one pool, so that intermediate results take their memory once. They never run at the same time,
  because the pipeline launches both on one stream.
* Steps without a graph use PyTorch's common memory. What a step frees is given only to later work on the same stream.

A replay does not involve PyTorch at all: the device launches the graph.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch

from ...network.graph import GraphPrecision
from ...network.tensors import STATE, WINDOW, Tensor, step_tensors
from ..torch_steps import DTYPES, Step, prepare, refuse_step, torch_settings
from .cuda import REMEDIES, CudaDevice
from .device import Buffer, Device, DeviceError, Graph, OutOfMemoryError, Program, Stream


def torch_tensors(width: int, height: int, precision: GraphPrecision, features: int) -> dict[str, Tensor]:
    """Return the inputs and outputs of a step by name, with the state as PyTorch computes it: channels last."""
    return step_tensors(width, height, precision, features, channels_last=True)


_capturing = threading.Lock()
"""Held during a capture. PyTorch waits for the whole device before each, which would break another one."""


class TorchDevice(ABC):
    """What a program needs of PyTorch on a device: tensors in its memory, and work on its streams."""

    @abstractmethod
    def view(self, buffer: Buffer) -> torch.Tensor:
        """Return a tensor of the bytes of a buffer, (bytes,), without a copy."""

    @abstractmethod
    def run(self, work: Callable[[], None], stream: Stream) -> None:
        """Queue PyTorch's operations in `work` on a stream."""

    @abstractmethod
    def capture(self, work: Callable[[], None], stream: Stream) -> Graph:
        """Make a graph of PyTorch's operations in `work`, without running them."""

    @abstractmethod
    def close(self) -> None:
        """Free the memory of the graphs, and what PyTorch holds without using it."""


class TorchProgram(Program):
    """A step in PyTorch.

    Args:
        step: on its device. PyTorch has finished all work on it.
        tensors: as from `torch_tensors`.
        device: that of the pipeline.
        obstacle: why steps cannot be captured, or "".
    """

    def __init__(self, step: Step, tensors: Mapping[str, Tensor], device: TorchDevice, *, obstacle: str = "") -> None:
        self.tensors = tensors
        self._step = step
        self._device = device
        self._obstacle = obstacle
        self._bound: dict[str, torch.Tensor] = {}
        self._views: dict[tuple[str, int], torch.Tensor] = {}

    def bind(self, name: str, buffer: Buffer) -> None:
        key = (name, buffer.address)
        if key not in self._views:
            with _device_errors("a buffer cannot be used"), torch.inference_mode():
                self._views[key] = _shape(self._device.view(buffer), self.tensors[name])
        self._bound[name] = self._views[key]

    def enqueue(self, stream: Stream) -> None:
        with _device_errors("a step cannot be queued"):
            self._device.run(self._make_work(), stream)

    def capture_obstacle(self, stream: Stream) -> str:
        return self._obstacle

    def capture(self, device: Device, stream: Stream) -> Graph:
        with _device_errors("a step cannot be captured"):
            return self._device.capture(self._make_work(), stream)

    def close(self) -> None:
        self._step = refuse_step
        self._bound, self._views = {}, {}
        self._device.close()

    def _make_work(self) -> Callable[[], None]:
        """Return a step with the current bindings."""
        step, bound = self._step, dict(self._bound)

        def work() -> None:
            with torch_settings():
                window = [prepare(bound[name]) for name in WINDOW]
                frame, *state = step(*window, *(bound[name] for name in STATE))
                height, width = bound["frame"].shape[2:]
                bound["frame"].copy_(frame[..., :height, :width])
                for name, tensor in zip(STATE, state, strict=True):
                    bound[f"{name}_out"].copy_(tensor)

        return work


class TorchCuda(TorchDevice):
    """An NVIDIA GPU.

    Args:
        device: the device of the pipeline.
        torch_device: the same device for PyTorch.
    """

    def __init__(self, device: CudaDevice, torch_device: torch.device) -> None:
        self._device = device
        self._torch_device = torch_device
        self._graphs: list[torch.cuda.CUDAGraph] = []
        release_unused()  # PyTorch keeps freed memory for later, which the pipeline's buffers may need now

    def view(self, buffer: Buffer) -> torch.Tensor:
        return torch.as_tensor(_Bytes(buffer), device=self._torch_device)

    def run(self, work: Callable[[], None], stream: Stream) -> None:
        with torch.cuda.stream(self._wrap(stream)):
            work()

    def capture(self, work: Callable[[], None], stream: Stream) -> Graph:
        with _capturing:
            # The graph is kept as captured. The device makes it executable, launches and destroys it, like any other.
            graph = torch.cuda.CUDAGraph(keep_graph=True)
            pool = self._graphs[0].pool() if self._graphs else None
            # thread_local: calls of other threads to the GPU are not captured, and are no error.
            with torch.cuda.graph(graph, pool=pool, stream=self._wrap(stream), capture_error_mode="thread_local"):
                work()
            self._graphs.append(graph)
            return self._device.instantiate(graph.raw_cuda_graph())

    def close(self) -> None:
        while self._graphs:
            with suppress(RuntimeError):  # fails after a fatal error
                self._graphs.pop().reset()
        release_unused()

    def _wrap(self, stream: Stream) -> torch.cuda.Stream:
        return torch.cuda.ExternalStream(stream, self._torch_device)  # type: ignore[no-untyped-call]


class _Bytes:
    """The bytes of a buffer, for `torch.as_tensor`."""

    def __init__(self, buffer: Buffer) -> None:
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": (buffer.bytes,),
            "typestr": "|u1",
            "data": (buffer.address, False),  # not read-only
        }


def release_unused() -> None:
    """Give memory that PyTorch holds without using it back to the device."""
    with suppress(RuntimeError):  # impossible while another thread captures a graph, or after a fatal error
        torch.cuda.empty_cache()


def _shape(bytes: torch.Tensor, tensor: Tensor) -> torch.Tensor:
    """Return a view of a buffer's bytes as a tensor of the network."""
    batch, channels, height, width = tensor.shape
    flat = bytes.view(DTYPES[tensor.type])
    if tensor.channels_last:
        return flat.view(batch, height, width, channels).permute(0, 3, 1, 2)
    return flat.view(tensor.shape)


@contextmanager
def _device_errors(problem: str) -> Iterator[None]:
    """Turn PyTorch's exceptions into DeviceError. Whether one is fatal is found when the pipeline waits for the device.

    Raises:
        OutOfMemoryError: there is too little memory.
        DeviceError: PyTorch raised another exception.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        remedy = REMEDIES["cudaErrorMemoryAllocation"]
        raise OutOfMemoryError(f"there is too little memory for intermediate results; {remedy}") from error
    except RuntimeError as error:
        lines: list[Any] = str(error).strip().splitlines() or [type(error).__name__]
        raise DeviceError(f"{problem}: {lines[0]}") from error
