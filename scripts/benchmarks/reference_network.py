"""The network in plain PyTorch, as in the paper: the reference for fidelity and speed, independent of the graph.

The SR frame is fed back at full size, and the next step folds it by a pixel unshuffle.

Source: docs/paper-and-release.md, 1.1 to 1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


class Network:
    """The network, for clips of float32 frames in [0, 1], (3, height, width)."""

    def __init__(
        self,
        weights: Mapping[str, NDArray[np.float32]],
        dtype: torch.dtype = torch.float32,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self.dtype = dtype
        self._memory_format = memory_format
        tensors = ((key.removeprefix("recurrent_cell."), torch.from_numpy(value)) for key, value in weights.items())
        self._weights = {
            key: tensor.to(dtype, memory_format=memory_format if tensor.ndim == 4 else torch.preserve_format)
            for key, tensor in tensors
        }

    def run(self, frames: Iterable[NDArray[np.float32]], preroll: int = 0) -> Iterator[NDArray[np.float64]]:
        """Upscale one scene. Yield (3, 4 * height, 4 * width) for each frame. Frames are padded as in the runtime."""
        clip = [self._pad(frame) for frame in frames]
        height, width = clip[0].shape[-2:]
        sr, hidden = self.start(height, width)
        with torch.inference_mode():
            for _ in range(preroll):
                sr, hidden = self.step(clip[0], clip[0], clip[0], sr, hidden)
            for n, (cur, frame) in enumerate(zip(clip, frames, strict=True)):
                sr, hidden = self.step(clip[max(n - 1, 0)], cur, clip[min(n + 1, len(clip) - 1)], sr, hidden)
                yield sr[0, :, : 4 * frame.shape[1], : 4 * frame.shape[2]].double().numpy()

    def start(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return the recurrent state before the first frame."""
        shapes = ((1, 3, 4 * height, 4 * width), (1, 64, height, width))
        sr, hidden = (
            torch.empty(shape, dtype=self.dtype, memory_format=self._memory_format).zero_() for shape in shapes
        )
        return sr, hidden

    def step(self, prev: Tensor, cur: Tensor, next: Tensor, sr: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        cell = torch.cat([prev, cur, next, functional.pixel_unshuffle(sr, 4), hidden], 1)
        full = lrelu(self.conv("conv_s1_first.0", cell))
        half = lrelu(self.conv("conv_s2_first.0", full, stride=2))
        quarter = lrelu(self.conv("conv_s4_first.0", half, stride=2))
        full = self.block("body_s1_first.0", full)
        full = self.block("body_s1_first.1", full)
        full, half = self.block("body_s1_first.2", full), self.block("body_s2_first.0", half)
        full, half, quarter = (
            self.block("body_s1_first.3", full + up(half, 2)),
            self.block("body_s2_first.1", half),
            self.block("body_s4_first.0", quarter),
        )
        full, half, quarter = (
            self.block("body_s1_first.4", full + up(half, 2) + up(quarter, 4)),
            self.block("body_s2_first.2", half + up(quarter, 2)),
            self.block("body_s4_first.1", quarter),
        )
        fused = lrelu(self.conv("fusion.0", torch.cat([full, up(half, 2), up(quarter, 4)], 1)))
        out = self.conv("fusion.2", fused)
        return functional.pixel_shuffle(out[:, :48], 4) + up(cur, 4), lrelu(out[:, 48:])

    def block(self, name: str, x: Tensor) -> Tensor:
        return x + self.conv(f"{name}.conv2", functional.relu(self.conv(f"{name}.conv1", x)))

    def conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        return functional.conv2d(
            x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], stride=stride, padding=1
        )

    def _pad(self, frame: NDArray[np.float32]) -> Tensor:
        _, height, width = frame.shape
        bottom, right = -height % 4, -width % 4
        frame = np.pad(np.clip(frame, 0, 1), ((0, 0), (0, bottom), (0, right)), mode="edge")
        return torch.from_numpy(frame).to(self.dtype)[None]


def lrelu(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.1)


def up(x: Tensor, factor: int) -> Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
