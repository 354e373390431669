"""The network in PyTorch: what the engine `torch` runs and what training trains.

It computes what `graph` computes, with the same state: the SR frame stays folded to LR size between two steps. Folded
channels are in the order of the released weights, (colour, dy, dx), which is PyTorch's own pixel unshuffle, so a
released state dict loads as it is.

Frames are expected as the engines prepare them, clamped to [0, 1] and padded to a multiple of 4: this is done once for
a frame, not once for each of the three steps that look at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .graph import BILINEAR, COARSE, SLOPE
from .network import BLOCKS, COLOURS, FEATURES, SCALE, SR_CHANNELS, Shape, shape_of

RESIDUAL_GAIN = 0.1
"""Residual blocks start close to the identity (facts 1.6)."""


class AnimeSR(nn.Module):
    """One step of the recurrence.

    Its state dict has the keys of the released files, prefix included.

    Args:
        features, blocks: as of `network.Shape`.
        multi_scale: false for the paper's ablation (its table 2): the same layers and parameters, all at full size.

    Raises:
        ValueError: `blocks` has a scale with more blocks than the finer one before it.
    """

    def __init__(
        self, *, features: int = FEATURES, blocks: tuple[int, int, int] = BLOCKS, multi_scale: bool = True
    ) -> None:
        super().__init__()
        self.features = features
        self.recurrent_cell = _Cell(Shape(features, blocks), multi_scale)
        self.bilinear: Tensor
        self.register_buffer("bilinear", _bilinear(), persistent=False)

    def forward(
        self, prev: Tensor, cur: Tensor, next: Tensor, sr: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run one step.

        Args:
            prev, cur, next: float32 (batch, 3, height, width) in [0, 1], R, G, B; sides are multiples of 4.
            sr: (batch, 48, height, width), the SR frame of the step before, folded; zero before the first step.
            hidden: (batch, features, height, width), zero before the first step. Both are in the parameters' type.

        Returns:
            The SR frame, float32 (batch, 3, 4 * height, 4 * width), not clamped; and `sr` and `hidden` for the next
            step. With parameters of 16 bits the picture still goes around them in float32 (see `graph`).
        """
        change, new_hidden = self.recurrent_cell(torch.cat([prev, cur, next], 1), sr, hidden)
        folded = change.float() + self._enlarged(cur)
        return functional.pixel_shuffle(folded, SCALE), folded.to(sr.dtype), new_hidden

    def initial_state(self, cur: Tensor) -> tuple[Tensor, Tensor]:
        """`sr` and `hidden` before the first step, for frames like `cur`, in the parameters' type."""
        batch, _, height, width = cur.shape
        like = next(self.parameters())
        sr, hidden = (like.new_zeros(batch, channels, height, width) for channels in (SR_CHANNELS, self.features))
        return sr, hidden

    def _enlarged(self, picture: Tensor) -> Tensor:
        """A picture, four times larger and folded (see `graph`), in float32 also where the rest is not.

        PyTorch's own enlargement of three channels gives other bits with another number of threads.
        """
        bordered = functional.pad(picture.float(), (1, 1, 1, 1), mode="replicate")
        with torch.autocast(picture.device.type, enabled=False):
            return functional.conv2d(bordered, self.bilinear.float())


def network_of(weights: Mapping[str, Tensor]) -> AnimeSR:
    """The network, multi-scale, that a state dict is of, with these weights."""
    shape = shape_of({key: tuple(tensor.shape) for key, tensor in weights.items()})
    network = AnimeSR(features=shape.features, blocks=shape.blocks)
    network.load_state_dict(weights)
    return network


class _Cell(nn.Module):
    """Everything with parameters: the window and the state in, the change of the picture and the hidden state out."""

    def __init__(self, shape: Shape, multi_scale: bool) -> None:
        super().__init__()
        features, blocks, state = shape.features, shape.blocks, shape.state_channels
        stride = 2 if multi_scale else 1
        self._blocks = blocks
        self._stride = stride
        self.conv_s1_first = nn.Sequential(_conv(shape.input_channels, features), _lrelu())
        self.conv_s2_first = nn.Sequential(_conv(features, features, stride), _lrelu())
        self.conv_s4_first = nn.Sequential(_conv(features, features, stride), _lrelu())
        self.body_s1_first = nn.ModuleList(_Block(features) for _ in range(blocks[0]))
        self.body_s2_first = nn.ModuleList(_Block(features) for _ in range(blocks[1]))
        self.body_s4_first = nn.ModuleList(_Block(features) for _ in range(blocks[2]))
        self.fusion = nn.Sequential(_conv(3 * features, 2 * state), _lrelu(), _conv(2 * state, state))

    def forward(self, window: Tensor, sr: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        full = self._first(window, sr, hidden)
        half = self.conv_s2_first(full)
        quarter = self.conv_s4_first(half)
        features = self._body([full, half, quarter])
        out = self.fusion(torch.cat([_upsample(x, self._stride**scale) for scale, x in enumerate(features)], 1))
        change, new_hidden = out.split([SR_CHANNELS, out.shape[1] - SR_CHANNELS], 1)
        return change, functional.leaky_relu(new_hidden, SLOPE)

    def _first(self, window: Tensor, sr: Tensor, hidden: Tensor) -> Tensor:
        """The first convolution. A bfloat16 would round a pixel by up to a grey level: two of them make it up."""
        conv = cast(nn.Conv2d, self.conv_s1_first[0])
        computed = _type_of_products(conv.weight)
        weight: Tensor = conv.weight
        parts = [window]
        if computed == torch.bfloat16:
            coarse = torch.floor(window / COARSE) * COARSE
            parts = [coarse, window - coarse]
            weight = torch.cat([weight[:, : window.shape[1]], weight], 1)
        cell = torch.cat([each.to(computed) for each in (*parts, sr, hidden)], 1)
        return functional.leaky_relu(functional.conv2d(cell, weight, conv.bias, padding=1), SLOPE)

    def _body(self, features: list[Tensor]) -> list[Tensor]:
        """Three scales, aligned at their last block; each looks at coarser ones that have run a block (facts 1.3)."""
        bodies = (self.body_s1_first, self.body_s2_first, self.body_s4_first)
        late = [self._blocks[0] - count for count in self._blocks]
        for i in range(self._blocks[0]):
            updated = list(features)
            for scale, body in enumerate(bodies):
                if i < late[scale]:
                    continue
                total = features[scale]
                for coarser in range(scale + 1, len(bodies)):
                    if i > late[coarser]:
                        total = total + _upsample(features[coarser], self._stride ** (coarser - scale))
                updated[scale] = body[i - late[scale]](total)
            features = updated
        return features


class _Block(nn.Module):
    """A residual block."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = _conv(features, features)
        self.conv2 = _conv(features, features)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # it has one
            with torch.no_grad():
                conv.weight.mul_(RESIDUAL_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(functional.relu(self.conv1(x)))
        return x + out


def _type_of_products(weight: Tensor) -> torch.dtype:
    """What a convolution is computed in: its weights' type, or where there is autocast that of autocast."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def _bilinear() -> Tensor:
    """A kernel for each folded channel, (48, 3, 3, 3). Its values are 64ths, so 16 bits hold them exactly as well."""
    of_one = torch.from_numpy(BILINEAR)
    kernels = torch.einsum("ij,yk,xl->iyxjkl", torch.eye(COLOURS), of_one, of_one)
    return kernels.reshape(SR_CHANNELS, COLOURS, 3, 3)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


def _lrelu() -> nn.Module:
    return nn.LeakyReLU(SLOPE)


def _upsample(x: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return x
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
