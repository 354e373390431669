"""RRDBNet, the network of ESRGAN, which BSRGAN and Real-ESRGAN have too.

Source: "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", Wang et al., 2018, section 3.1, and the
graph that is published with the weights of Real-ESRGAN. Residual blocks of residual dense blocks at LR size, each added
with a factor of 0.2, then twice the nearest neighbour and a convolution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from vsanimesr.network.shapes import COLOURS

from .network import BaselineNetwork, conv3x3, in_strips

_SLOPE = 0.2
_RESIDUAL = 0.2
_BLOCK = re.compile(r"body\.(\d{1,3})\.")
# Names in the files of ESRGAN and BSRGAN, and the later ones, of BasicSR and Real-ESRGAN, which are those here.
_OLD_NAMES = {
    "RRDB_trunk.": "body.",
    ".RDB": ".rdb",
    "trunk_conv.": "conv_body.",
    "upconv1.": "conv_up1.",
    "upconv2.": "conv_up2.",
    "HRconv.": "conv_hr.",
}


class Rrdb(BaselineNetwork):
    """RRDBNet for a factor of 4. Its state dict has the keys of BasicSR's.

    Args:
        features: channels between blocks.
        blocks: residual blocks of three dense blocks each.
        growth: channels that each convolution in a dense block adds.
    """

    def __init__(self, *, features: int = 64, blocks: int = 23, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = conv3x3(COLOURS, features)
        self.body = nn.Sequential(*(_Block(features, growth) for _ in range(blocks)))
        self.conv_body = conv3x3(features, features)
        self.conv_up1 = conv3x3(features, features)
        self.conv_up2 = conv3x3(features, features)
        self.conv_hr = conv3x3(features, features)
        self.conv_last = conv3x3(features, COLOURS)

    def forward(self, frame: Tensor) -> Tensor:
        """Upscale a frame.

        Args:
            frame: (1, 3, height, width) in [0, 1].

        Returns:
            (1, 3, 4 * height, 4 * width), not clamped.
        """
        first = self.conv_first(frame)
        return in_strips(self._upscale, first + self.conv_body(self.body(first)))

    def _upscale(self, features: Tensor) -> Tensor:
        for convolution in (self.conv_up1, self.conv_up2):
            features = _activate(convolution(interpolate(features, scale_factor=2, mode="nearest")))
        result: Tensor = self.conv_last(_activate(self.conv_hr(features)))
        return result


class _Block(nn.Module):
    """Three dense blocks in a row, whose change is added with a factor."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = _DenseBlock(features, growth)
        self.rdb2 = _DenseBlock(features, growth)
        self.rdb3 = _DenseBlock(features, growth)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = features + _RESIDUAL * self.rdb3(self.rdb2(self.rdb1(features)))
        return result


class _DenseBlock(nn.Module):
    """Five convolutions, each of which sees the results of all before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for number in range(1, 6):
            outputs = growth if number < 5 else features
            setattr(self, f"conv{number}", conv3x3(features + (number - 1) * growth, outputs))

    def forward(self, features: Tensor) -> Tensor:
        seen = features
        *before, last = self.children()
        for convolution in before:
            seen = torch.cat([seen, _activate(convolution(seen))], 1)
        result: Tensor = features + _RESIDUAL * last(seen)
        return result


def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of a file of ESRGAN or BSRGAN the names that `Rrdb` has. Others keep theirs."""
    renamed = {}
    for key, tensor in tensors.items():
        for old, new in _OLD_NAMES.items():
            key = key.replace(old, new)
        renamed[key] = tensor
    return renamed


def count_blocks(tensors: Mapping[str, Tensor]) -> int:
    """Return the number of residual blocks of the network that a state dict belongs to."""
    found = {match[1] for key in tensors if (match := _BLOCK.match(key))}
    return len(found)


def _activate(features: Tensor) -> Tensor:
    return leaky_relu(features, _SLOPE, inplace=True)
