"""The network in PyTorch, for the backend `torch` and for training.

It computes the same as `graph`, with the same state: the SR frame stays folded to LR size between two steps. Folded
channels are in the order of the released weights, (colour, dy, dx), which is PyTorch's pixel unshuffle, so a released
state dict loads without changes.

Frames must be clamped to [0, 1] and padded to a multiple of 4. The caller does this once for each frame, not once for
each of the three steps that read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .graph import BILINEAR, COARSE_STEP, SLOPE
from .shapes import BLOCKS, COLOURS, FEATURES, SCALE, SR_CHANNELS, Shape, shape_of

RESIDUAL_GAIN = 0.1
"""Factor on the initial weights of residual blocks, so that they start close to the identity
(docs/paper-and-release.md, 1.6)."""


class AnimeSR(nn.Module):
    """One step of the recurrence.

    Its state dict has the keys of the released files, prefix included.

    Args:
        features, blocks, fusion: as in `shapes.Shape`.
        multi_scale: False for the paper's ablation (its table 2): the same layers and parameters, all at full size.

    Raises:
        ValueError: as from `Shape`.
    """

    def __init__(
        self,
        *,
        features: int = FEATURES,
        blocks: tuple[int, int, int] = BLOCKS,
        fusion: int | None = None,
        multi_scale: bool = True,
    ) -> None:
        super().__init__()
        self.shape = Shape(features, blocks, fusion)
        self.features = features
        self.recurrent_cell = _Cell(self.shape, multi_scale)
        self.bilinear: Tensor
        self.register_buffer("bilinear", _bilinear(), persistent=False)

    def forward(
        self, prev: Tensor, cur: Tensor, next: Tensor, sr: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run one step.

        Args:
            prev, cur, next: float32 (batch, 3, height, width) in [0, 1], R, G, B; sides are multiples of 4.
            sr: (batch, 48, height, width), the folded SR frame of the previous step; zero before the first step.
            hidden: (batch, features, height, width), zero before the first step. Both have the parameters' dtype.

        Returns:
            The SR frame, float32 (batch, 3, 4 * height, 4 * width), not clamped; and `sr` and `hidden` for the next
            step. With 16-bit parameters the picture still bypasses them in float32 (see `graph`).
        """
        change, new_hidden = self.recurrent_cell(torch.cat([prev, cur, next], 1), sr, hidden)
        folded = change.float() + self.upsample_bilinear(cur)
        return functional.pixel_shuffle(folded, SCALE), folded.to(sr.dtype), new_hidden

    def initial_state(self, cur: Tensor) -> tuple[Tensor, Tensor]:
        """Return `sr` and `hidden` before the first step, for frames like `cur`, in the parameters' dtype."""
        batch, _, height, width = cur.shape
        like = next(self.parameters())
        sr, hidden = (like.new_zeros(batch, channels, height, width) for channels in (SR_CHANNELS, self.features))
        return sr, hidden

    def upsample_bilinear(self, picture: Tensor) -> Tensor:
        """Upsample a picture by 4 and fold it (see `graph`), always in float32.

        The bits of PyTorch's own upsampling of three channels depend on the number of threads.
        """
        bordered = functional.pad(picture.float(), (1, 1, 1, 1), mode="replicate")
        with torch.autocast(picture.device.type, enabled=False):
            return functional.conv2d(bordered, self.bilinear.float())


def build_network(weights: Mapping[str, Tensor]) -> AnimeSR:
    """Build the multi-scale network that a state dict belongs to, and load the state dict."""
    shape = shape_of({key: tuple(tensor.shape) for key, tensor in weights.items()})
    network = AnimeSR(features=shape.features, blocks=shape.blocks, fusion=shape.fusion)
    network.load_state_dict(weights)
    return network


class _Cell(nn.Module):
    """All layers with parameters: from the window and the state to the picture's change and the hidden state."""

    def __init__(self, shape: Shape, multi_scale: bool) -> None:
        super().__init__()
        features, blocks, fusion = shape.features, shape.blocks, shape.fusion_channels
        stride = 2 if multi_scale else 1
        self._blocks = blocks
        self._stride = stride
        self.conv_s1_first = nn.Sequential(_conv(shape.input_channels, features), _lrelu())
        self.conv_s2_first = nn.Sequential(_conv(features, features, stride), _lrelu())
        self.conv_s4_first = nn.Sequential(_conv(features, features, stride), _lrelu())
        self.body_s1_first = nn.ModuleList(_Block(features) for _ in range(blocks[0]))
        self.body_s2_first = nn.ModuleList(_Block(features) for _ in range(blocks[1]))
        self.body_s4_first = nn.ModuleList(_Block(features) for _ in range(blocks[2]))
        self.fusion = nn.Sequential(_conv(3 * features, fusion), _lrelu(), _conv(fusion, shape.state_channels))

    def forward(self, window: Tensor, sr: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        full = self._first(window, sr, hidden)
        half = self.conv_s2_first(full)
        quarter = self.conv_s4_first(half)
        features = self._body([full, half, quarter])
        out = self.fusion(torch.cat([_upsample(x, self._stride**scale) for scale, x in enumerate(features)], 1))
        change, new_hidden = out.split([SR_CHANNELS, out.shape[1] - SR_CHANNELS], 1)
        return change, functional.leaky_relu(new_hidden, SLOPE)

    def _first(self, window: Tensor, sr: Tensor, hidden: Tensor) -> Tensor:
        """Run the first convolution. One bfloat16 would round a pixel by up to one grey level, so there are two."""
        conv = cast(nn.Conv2d, self.conv_s1_first[0])
        dtype = _compute_dtype(conv.weight)
        weight: Tensor = conv.weight
        parts = [window]
        if dtype == torch.bfloat16:
            coarse = torch.floor(window / COARSE_STEP) * COARSE_STEP
            parts = [coarse, window - coarse]
            weight = torch.cat([weight[:, : window.shape[1]], weight], 1)
        cell = torch.cat([each.to(dtype) for each in (*parts, sr, hidden)], 1)
        return functional.leaky_relu(functional.conv2d(cell, weight, conv.bias, padding=1), SLOPE)

    def _body(self, features: list[Tensor]) -> list[Tensor]:
        """Run the three scales, which end with the same block. Each adds the features of coarser scales that have run
        a block (docs/paper-and-release.md, 1.3)."""
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


def _compute_dtype(weight: Tensor) -> torch.dtype:
    """Return the dtype a convolution is computed in: that of autocast if it is enabled, else that of the weights."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def _bilinear() -> Tensor:
    """Return a kernel for each folded channel, (48, 3, 3, 3), in multiples of 1/64, which 16 bits hold exactly."""
    phases = torch.from_numpy(BILINEAR)
    kernels = torch.einsum("ij,yk,xl->iyxjkl", torch.eye(COLOURS), phases, phases)
    return kernels.reshape(SR_CHANNELS, COLOURS, 3, 3)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


def _lrelu() -> nn.Module:
    return nn.LeakyReLU(SLOPE)


def _upsample(x: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return x
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
