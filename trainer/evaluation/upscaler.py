"""What is compared: anything that maps the LR frames of a clip to SR frames. Bicubic and our networks are here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsanimesr.network.shapes import MULTIPLE, SCALE
from vsanimesr.network.torch_network import AnimeSR

from ..vsr.evaluation import BICUBIC, upscale_bicubic
from ..vsr.recurrence import Recurrence


class Upscaler(Protocol):
    """Upscales clips by 4.

    It computes on the device of the frames that it is given; its weights are moved there by `to`, if it has any.
    """

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    @property
    def parameters(self) -> int | None:
        """Number of trained values; 0 without any, None if unknown."""
        ...

    @property
    def macs_per_pixel(self) -> float | None:
        """Multiply-accumulates of all layers with weights for each LR pixel; None if unknown."""
        ...

    def __call__(self, lr: Tensor) -> Tensor:
        """Upscale the frames of one clip, in order.

        Args:
            lr: float32 (frames, 3, height, width), R, G, B in [0, 1], of any size.

        Returns:
            float32 (frames, 3, 4 * height, 4 * width), not clamped, without gradients.
        """
        ...


@runtime_checkable
class FrameByFrame(Protocol):
    """What an upscaler can have besides, for clips whose SR frames do not fit into memory together."""

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """Yield the frames that a call returns, each (1, 3, 4 * height, 4 * width)."""
        ...


@runtime_checkable
class Movable(Protocol):
    """What an upscaler with weights has besides."""

    def to(self, device: torch.device) -> object:
        """Move the weights to a device."""
        ...


def upscale_frames(upscaler: Upscaler, lr: Tensor) -> Iterator[Tensor]:
    """Yield the SR frames of a clip one by one, each (1, 3, 4 * height, 4 * width)."""
    return upscaler.frames(lr) if isinstance(upscaler, FrameByFrame) else iter(torch.split(upscaler(lr), 1))


class Bicubic:
    """Upscales without a network, by PyTorch's bicubic interpolation (a = -0.75), edges replicated."""

    name = BICUBIC
    parameters = 0
    macs_per_pixel = 0.0

    def __call__(self, lr: Tensor) -> Tensor:
        return upscale_bicubic(lr)

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """See `FrameByFrame`."""
        return map(self, torch.split(lr, 1))


class NetworkUpscaler:
    """One of our networks, run over a clip from zero state. Frames are padded to a multiple of 4, as in the filter."""

    def __init__(self, name: str, network: AnimeSR) -> None:
        self.name = name
        self.parameters = sum(each.numel() for each in network.parameters())
        self.macs_per_pixel = _macs(network)
        self._recurrence = Recurrence(network)

    def to(self, device: torch.device) -> None:
        """See `Movable`."""
        self._recurrence.to(device)

    def __call__(self, lr: Tensor) -> Tensor:
        return torch.cat(list(self.frames(lr)))

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """See `FrameByFrame`."""
        height, width = lr.shape[-2:]
        padded = functional.pad(lr, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        frames = self._recurrence.frames(padded[None])
        for _ in range(len(lr)):
            with torch.inference_mode():  # for each step alone: a generator must not leave it set for its caller
                frame = next(frames)
            yield frame[..., : SCALE * height, : SCALE * width]


def _macs(network: AnimeSR) -> float:
    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    if all(each.stride == (1, 1) for each in layers):  # the ablation whose scales all have full size
        return float(sum(each.weight.numel() for each in layers))
    return float(network.shape.macs)
