"""The convolutions of VGG, whose features the perceptual loss and LPIPS compare (docs/paper-and-release.md, 4.3).

Layers have the paper's names: `conv3_4` is the fourth convolution of the third block before its ReLU, `relu3_4` the
same after it. Weights have torchvision's names: `features.16.weight`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu

from ...errors import LossError

type Depth = Literal[16, 19]
DEPTHS: tuple[Depth, ...] = get_args(Depth.__value__)

_CONVOLUTIONS: dict[Depth, tuple[int, ...]] = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions of each block
_CHANNELS = (64, 128, 256, 512, 512)
# Mean and deviation of ImageNet's pictures in [0, 1]. VGG was trained on pictures normalised by them.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def last_layers(depth: Depth, kind: Literal["conv", "relu"]) -> tuple[str, ...]:
    """Return the last convolution of each of the five blocks, before or after its ReLU."""
    return tuple(f"{kind}{block}_{count}" for block, count in enumerate(_CONVOLUTIONS[depth], 1))


def expected_shapes(depth: Depth) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight and bias by torchvision's name, in the order of the layers."""
    shapes: dict[str, tuple[int, ...]] = {}
    before = 3
    for block, _, place in _locate_convolutions(depth):
        channels = _CHANNELS[block - 1]
        shapes[f"features.{place}.weight"] = (channels, before, 3, 3)
        shapes[f"features.{place}.bias"] = (channels,)
        before = channels
    return shapes


class Vgg(nn.Module):
    """Computes features of frames at some layers. Its weights are frozen; gradients flow to the frames.

    Args:
        depth: 16 or 19.
        layers: names such as `conv3_4` or `relu3_3`. Layers after the last of them are neither kept nor computed.
        weights: float32 tensors by torchvision's names. Those that are not needed are ignored.
        pool: what halves the features between two blocks; None for the maximum of 2x2.

    Raises:
        ValueError: this depth has no layer of such a name.
    """

    _mean: Tensor
    _deviation: Tensor

    def __init__(
        self,
        depth: Depth,
        layers: Sequence[str],
        weights: Mapping[str, Tensor],
        *,
        pool: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self._pool = pool or partial(max_pool2d, kernel_size=2)
        names = [f"{block}_{number}" for block, number, _ in _locate_convolutions(depth)]
        if unknown := [layer for layer in layers if layer[:4] not in ("conv", "relu") or layer[4:] not in names]:
            raise ValueError(f"VGG{depth} has no layer {unknown[0]!r}")
        self._layers = frozenset(layers)
        used = {layer[4:] for layer in layers}
        self._convolutions = _locate_convolutions(depth)[: 1 + max((names.index(name) for name in used), default=-1)]
        shapes = expected_shapes(depth)
        self.features = nn.ModuleDict()
        for _, _, place in self._convolutions:
            channels, before = shapes[f"features.{place}.weight"][:2]
            self.features[str(place)] = nn.Conv2d(before, channels, 3, padding=1, device="meta")
        self.load_state_dict({key: weights[key] for key in self.state_dict()}, assign=True)
        # Not part of the state dict, which has torchvision's names.
        self.register_buffer("_mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Compute the features of the given layers, by name.

        Args:
            frames: (batch, 3, height, width), R, G, B in [0, 1].

        Returns:
            (batch, channels, height / 2^n, width / 2^n), rounded down, with n from 0 for block 1 to 4 for block 5.

        Raises:
            LossError: the frames do not have three channels, or are too small for the layers.
        """
        _check(frames, 2 ** (self._convolutions[-1][0] - 1) if self._convolutions else 1)
        features: dict[str, Tensor] = {}
        values = (frames - self._mean) / self._deviation
        for block, number, place in self._convolutions:
            if number == 1 and block > 1:
                values = self._pool(values)
            values = self.features[str(place)](values)
            if kept := f"conv{block}_{number}" in self._layers:
                features[f"conv{block}_{number}"] = values
                if len(features) == len(self._layers):
                    break
            values = relu(values, inplace=not kept)  # in place, to halve the memory
            if f"relu{block}_{number}" in self._layers:
                features[f"relu{block}_{number}"] = values
        return features


def _locate_convolutions(depth: Depth) -> list[tuple[int, int, int]]:
    """Return block, number within the block, and index in torchvision's `features` of each convolution.

    A convolution takes two indices there, with its ReLU. A block takes one more, for its pooling.
    """
    places = []
    index = 0
    for block, count in enumerate(_CONVOLUTIONS[depth], 1):
        for number in range(1, count + 1):
            places.append((block, number, index))
            index += 2
        index += 1
    return places


def _check(frames: Tensor, min_side: int) -> None:
    if frames.dim() != 4 or frames.shape[1] != 3:
        raise LossError(f"frames have shape {tuple(frames.shape)}; VGG needs (batch, 3, height, width)")
    height, width = frames.shape[2:]
    if min(height, width) < min_side:
        raise LossError(f"frames have {width}x{height} pixels, and VGG needs {min_side}x{min_side}; use larger ones")
