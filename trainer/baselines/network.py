"""What all baselines are: a network that upscales a clip frame by frame, with little memory and a known cost."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from vsanimesr.network.shapes import COLOURS, SCALE

STRIP = 64
"""LR rows that `in_strips` computes at once: 64 channels at SR size are 500 MB for an LR frame that is 1920 wide."""
MARGIN = 2
"""LR rows around a strip that its layers may see: a convolution at twice and three at four times the LR size see 1.25,
one at LR size and one at twice and two at four times see 2."""
_SIDE = 64  # of the LR frame that costs are counted on: a multiple of 32, which optical flow needs


class BaselineNetwork(nn.Module):
    """A network that upscales by 4. This one sees each frame alone; others replace `frames`."""

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """Yield the SR frames of a clip one by one.

        Args:
            lr: float32 (frames, 3, height, width) in [0, 1], R, G, B, of any size.

        Returns:
            Each frame (1, 3, 4 * height, 4 * width), not clamped.
        """
        return map(self, torch.split(lr, 1))


class Baseline:
    """A baseline that upscales clips. It computes on the device of its weights, which `to` moves."""

    def __init__(self, name: str, network: BaselineNetwork) -> None:
        self._network = network.eval().requires_grad_(False)
        self.name = name
        self.parameters = sum(each.numel() for each in network.parameters())
        self.macs_per_pixel = count_macs(network)

    def to(self, device: torch.device) -> None:
        """Move the weights to a device."""
        self._network.to(device)

    def __call__(self, lr: Tensor) -> Tensor:
        """Upscale the frames of one clip, in order.

        Args:
            lr: float32 (frames, 3, height, width), R, G, B in [0, 1], of any size.

        Returns:
            float32 (frames, 3, 4 * height, 4 * width), not clamped, without gradients.
        """
        return torch.cat(list(self.frames(lr)))

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """Yield the frames that a call returns, each (1, 3, 4 * height, 4 * width)."""
        frames = self._network.frames(lr)
        for _ in range(len(lr)):
            with torch.inference_mode():  # for each frame alone: a generator must not leave it set for its caller
                frame = next(frames)
            yield frame


def count_macs(network: BaselineNetwork) -> float:
    """Return the multiply-accumulates of all convolutions for each LR pixel, in each further frame of a clip."""
    network = copy.deepcopy(network).to("meta")  # shapes are computed there, and no values
    counts = {frames: _count(network, frames) for frames in (2, 3)}
    return (counts[3] - counts[2]) / _SIDE**2


def _count(network: BaselineNetwork, frames: int) -> int:
    total = 0

    def add(convolution: nn.Conv2d, _: object, result: Tensor) -> None:
        nonlocal total
        total += result.numel() // convolution.out_channels * convolution.weight.numel()

    hooks = [each.register_forward_hook(add) for each in network.modules() if isinstance(each, nn.Conv2d)]
    for _ in network.frames(torch.empty(frames, COLOURS, _SIDE, _SIDE, device="meta")):
        pass
    for hook in hooks:
        hook.remove()
    return total


def in_strips(layers: Callable[[Tensor], Tensor], features: Tensor, rows: int = STRIP) -> Tensor:
    """Run the last layers of a network, which work at up to 4 times the LR size, on a strip of the frame at a time.

    The result is that of the whole frame, because strips overlap by as much as the layers see. Without strips, 64
    channels of an LR frame of 1920x1080 at SR size would be 8.5 GB.

    Args:
        layers: upscale by 4 and see no further than `MARGIN` rows.
        features: (1, channels, height, width).
        rows: LR rows of a strip.

    Returns:
        (1, 3, 4 * height, 4 * width).
    """
    height = features.shape[2]
    strips = []
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(top - MARGIN, 0), min(bottom + MARGIN, height)
        strip = layers(features[:, :, first:last])
        strips.append(strip[:, :, SCALE * (top - first) : SCALE * (bottom - first)])
    return torch.cat(strips, 2)


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution of 3x3 with zero padding, so that sides stay."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)
