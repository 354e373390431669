"""PyTorch on the simulated device: tensors lie in the simulated memory, and work runs when the device decides."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch

from tests.backends.gpu.simulator import POISON, Array, Operation, SimulatedDevice, is_output
from vsanimesr.backends.gpu.device import Buffer, Graph, Stream
from vsanimesr.backends.gpu.torch_program import TorchDevice, TorchProgram
from vsanimesr.backends.torch_steps import Step, prepare, torch_settings
from vsanimesr.network.tensors import STATE, WINDOW, Tensor


class HostTorch(TorchDevice):
    """PyTorch on a simulated device."""

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device
        self.memories: list[weakref.ref[Any]] = []
        """The memory of each buffer that was viewed. A tensor keeps it alive."""
        self.closed = False

    def view(self, buffer: Buffer) -> torch.Tensor:
        memory = self.device.at(buffer.address)
        self.memories.append(weakref.ref(memory))
        return torch.from_numpy(memory)

    def run(self, work: Callable[[], None], stream: Stream) -> None:
        with self.device._call():
            self.device.queue(stream, Operation("step", work))

    def capture(self, work: Callable[[], None], stream: Stream) -> Graph:
        return self.device.capture(stream, lambda: self.run(work, stream))

    def close(self) -> None:
        assert not self.device.graphs, "graphs use what is freed now"
        assert self.device.is_attached, "memory is freed on another device"
        self.closed = True


class HostProgram(TorchProgram):
    """A step on a simulated device. It writes its outputs before it reads its inputs, as a device may."""

    host_class = HostTorch

    def __init__(self, device: SimulatedDevice, tensors: Mapping[str, Tensor], step: Step) -> None:
        self.host = self.host_class(device)
        self._addresses: dict[str, int] = {}
        super().__init__(step, tensors, self.host)

    def bind(self, name: str, buffer: Buffer) -> None:
        super().bind(name, buffer)
        self._addresses[name] = buffer.address

    def _make_work(self) -> Callable[[], None]:
        work, addresses = super()._make_work(), dict(self._addresses)
        assert addresses.keys() == self.tensors.keys()

        def poison_and_work() -> None:
            for name, address in addresses.items():
                if is_output(name):
                    self.host.device.at(address).fill(POISON)
            work()

        return poison_and_work


def make_reference(step: Step, tensors: Mapping[str, Tensor]) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """Return the same step on arrays, for `Reference`."""
    height, width = tensors["frame"].shape[2:]

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        with torch_settings():
            window = [prepare(torch.from_numpy(inputs[name])) for name in WINDOW]
            state = [torch.from_numpy(inputs[name]).contiguous(memory_format=torch.channels_last) for name in STATE]
            frame, sr, hidden = step(*window, *state)
            outputs = {"frame": frame[..., :height, :width], "sr_out": sr, "hidden_out": hidden}
            return {name: tensor.clone().numpy() for name, tensor in outputs.items()}

    return run
