"""RealBasicVSR: recurrent in both directions of time, aligned by optical flow.

Source: "Investigating Tradeoffs in Real-World Video Super-Resolution", Chan et al., 2022 (cleaning, section 4.1), its
base "BasicVSR: The Search for Essential Components in Video Super-Resolution and Beyond", Chan et al., 2021 (section
3), and "Optical Flow Estimation using a Spatial Pyramid Network", Ranjan and Black, 2017. Sizes, slopes and names are
those of the published files. No weights could be had here; with random ones, SR frames are those of MMagic 1.2.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, leaky_relu, pixel_shuffle, relu

from vsanimesr.network.shapes import COLOURS, SCALE

from .network import BaselineNetwork, conv3x3, in_strips

CLEANINGS = 3
"""A clip is cleaned at most this many times."""
THRESHOLD = 5 / 255
"""Cleaning ends when it changes the clip by less than this on average: what MMagic's configuration of the published
weights says for tests."""

_SLOPE = 0.1
_FLOW_CHANNELS = (8, 32, 64, 32, 16, 2)
_FLOW_LEVELS = 6
_FLOW_MULTIPLE = 2 ** (_FLOW_LEVELS - 1)


class RealBasicVsr(BaselineNetwork):
    """RealBasicVSR for a factor of 4. Its state dict has the published keys.

    Args:
        features: channels between blocks.
        blocks: residual blocks of each direction of time, and of the cleaning.
        cleanings: as `CLEANINGS`.
    """

    def __init__(self, *, features: int = 64, blocks: int = 20, cleanings: int = CLEANINGS) -> None:
        super().__init__()
        self.cleanings = cleanings
        self.image_cleaning = nn.Sequential(_Blocks(COLOURS, features, blocks), conv3x3(features, COLOURS))
        self.basicvsr = _BasicVsr(features, blocks)

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """Yield the SR frames of a clip, as in `BaselineNetwork`. The first one takes half of the work, because the
        network looks at the whole clip, from its end, before."""
        return self.basicvsr.frames(self._clean(lr))

    def _clean(self, lr: Tensor) -> Tensor:
        """Clean all frames until one more time would change little."""
        for number in range(1, self.cleanings + 1):
            changes = torch.cat([self.image_cleaning(frame) for frame in torch.split(lr, 1)])
            lr = lr + changes
            if changes.is_meta:
                break  # no values, so costs are counted with the least cleaning
            if number < self.cleanings and changes.abs().mean() < THRESHOLD:
                break
        return lr


class _BasicVsr(nn.Module):
    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.features = features
        self.spynet = _SpyNet()
        self.backward_resblocks = _Blocks(COLOURS + features, features, blocks)
        self.forward_resblocks = _Blocks(COLOURS + features, features, blocks)
        self.fusion = nn.Conv2d(2 * features, features, 1)
        self.upsample1 = _Upsample(features)
        self.upsample2 = _Upsample(features)
        self.conv_hr = conv3x3(features, features)
        self.conv_last = conv3x3(features, COLOURS)

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        frames = torch.split(lr, 1)
        later = list(self._propagate(self.backward_resblocks, frames[::-1]))[::-1]
        for frame, before, after in zip(frames, self._propagate(self.forward_resblocks, frames), later, strict=True):
            features = _activate(self.fusion(torch.cat([after, before], 1)))
            change = in_strips(self._upscale, features)
            yield change + interpolate(frame, scale_factor=SCALE, mode="bilinear", align_corners=False)

    def _propagate(self, blocks: _Blocks, frames: tuple[Tensor, ...]) -> Iterator[Tensor]:
        """Yield the features of each frame, which remember all frames before it in this order."""
        _, _, height, width = frames[0].shape
        features = frames[0].new_zeros(1, self.features, height, width)
        last = None
        for frame in frames:
            if last is not None:
                features = warp(features, self.spynet(frame, last), "zeros")
            features = blocks(torch.cat([frame, features], 1))
            yield features
            last = frame

    def _upscale(self, features: Tensor) -> Tensor:
        features = _activate(self.upsample2(_activate(self.upsample1(features))))
        result: Tensor = self.conv_last(_activate(self.conv_hr(features)))
        return result


class _Blocks(nn.Module):
    """A convolution, and residual blocks of two convolutions each."""

    def __init__(self, inputs: int, features: int, blocks: int) -> None:
        super().__init__()
        body = nn.Sequential(*(_Block(features) for _ in range(blocks)))
        self.main = nn.Sequential(conv3x3(inputs, features), nn.LeakyReLU(_SLOPE), body)

    def forward(self, inputs: Tensor) -> Tensor:
        result: Tensor = self.main(inputs)
        return result


class _Block(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(features, features)
        self.conv2 = conv3x3(features, features)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = features + self.conv2(relu(self.conv1(features)))
        return result


class _Upsample(nn.Module):
    """Twice the size, by a convolution and a pixel shuffle."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.upsample_conv = conv3x3(features, 4 * features)

    def forward(self, features: Tensor) -> Tensor:
        return pixel_shuffle(self.upsample_conv(features), 2)


class _SpyNet(nn.Module):
    """Optical flow from coarse to fine: each level corrects the flow of the level before, at twice its size."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(_FlowLevel() for _ in range(_FLOW_LEVELS))
        # The files hold them too: the mean and deviation of ImageNet's pictures.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, COLOURS, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, COLOURS, 1, 1))

    def forward(self, frame: Tensor, other: Tensor) -> Tensor:
        """Return where each pixel of a frame is in another frame, relative to its own place.

        Args:
            frame, other: (1, 3, height, width) in [0, 1].

        Returns:
            (1, 2, height, width): to the right and down, in pixels.
        """
        height, width = frame.shape[2:]
        size = [side + -side % _FLOW_MULTIPLE for side in (height, width)]
        pyramids = [self._pyramid(_resize(each, size)) for each in (frame, other)]
        flow = frame.new_zeros(1, 2, *pyramids[0][0].shape[2:])
        for number, (level, own, others) in enumerate(zip(self.basic_module, *pyramids, strict=True)):
            if number:
                flow = 2 * interpolate(flow, scale_factor=2, mode="bilinear", align_corners=True)
            flow = flow + level(torch.cat([own, warp(others, flow, "border"), flow], 1))
        factors = flow.new_tensor([width / size[1], height / size[0]]).view(1, 2, 1, 1)
        return _resize(flow, [height, width]) * factors

    def _pyramid(self, frame: Tensor) -> list[Tensor]:
        """Return the normalised frame at all sizes, smallest first."""
        levels = [(frame - self.mean) / self.std]
        for _ in range(_FLOW_LEVELS - 1):
            levels.append(avg_pool2d(levels[-1], 2))
        return levels[::-1]


class _FlowLevel(nn.Module):
    """Five convolutions of 7x7: both frames and a flow between them to what the flow lacks."""

    def __init__(self) -> None:
        super().__init__()
        pairs = pairwise(_FLOW_CHANNELS)
        self.basic_module = nn.Sequential(*(_FlowConvolution(*pair) for pair in pairs))

    def forward(self, features: Tensor) -> Tensor:
        *before, last = self.basic_module
        for layer in before:
            features = relu(layer(features))
        result: Tensor = last(features)
        return result


class _FlowConvolution(nn.Module):
    """A convolution under the name that the published files give it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv(features)
        return result


def warp(features: Tensor, flow: Tensor, outside: str) -> Tensor:
    """Fetch for each place the features from where the flow points, between pixels by bilinear interpolation.

    Args:
        features: (1, channels, height, width).
        flow: (1, 2, height, width): to the right and down, in pixels.
        outside: what lies outside of the frame: `zeros`, or `border` for its nearest pixel.
    """
    height, width = features.shape[2:]
    rows, columns = (torch.arange(side, device=flow.device, dtype=flow.dtype) for side in (height, width))
    # grid_sample counts from -1, the centre of the first pixel, to 1, that of the last.
    across = 2 * (columns + flow[:, 0]) / max(width - 1, 1) - 1
    down = 2 * (rows[:, None] + flow[:, 1]) / max(height - 1, 1) - 1
    return grid_sample(features, torch.stack([across, down], 3), padding_mode=outside, align_corners=True)


def _resize(frame: Tensor, size: list[int]) -> Tensor:
    return interpolate(frame, size=size, mode="bilinear", align_corners=False)


def _activate(features: Tensor) -> Tensor:
    return leaky_relu(features, _SLOPE, inplace=True)
