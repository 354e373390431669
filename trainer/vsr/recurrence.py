"""The network over a whole clip, as it is trained: frame by frame from zero state, nothing detached.

Source: docs/paper-and-release.md, 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vsanimesr.network.torch_network import AnimeSR


class Recurrence(nn.Module):
    """Runs a network over all frames of a clip.

    Args:
        network: the network, which computes one step.
        layout: memory format of frames and state, the same as that of the network's weights. Another one would be
            converted in every step.
        recompute: keep only the state between steps, and compute each step again in the backward pass (gradient
            checkpointing over time). This takes the memory of one step instead of all, and a third more computation.
        growth: the state that a step starts from is clamped to this multiple of the largest value after the first
            frame; 0 for no limit. A network whose recurrence is not stable yet can only be trained with one.
    """

    def __init__(
        self,
        network: AnimeSR,
        *,
        layout: torch.memory_format = torch.contiguous_format,
        recompute: bool = False,
        growth: float = 0,
    ) -> None:
        super().__init__()
        self.growth = growth
        self.layout = layout
        self.network = network
        self.recompute = recompute

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale a clip.

        Args:
            lr: LR frames, float32 (batch, frames, 3, height, width) in [0, 1]; sides are multiples of 4.

        Returns:
            SR frames, float32 (batch, frames, 3, 4 * height, 4 * width), not clamped.
        """
        return torch.stack(list(self.frames(lr)), 1)

    def frames(self, lr: Tensor) -> Iterator[Tensor]:
        """Yield the frames of `forward` one by one, for clips whose SR frames do not fit into memory together."""
        return (frame for frame, _, _ in self.steps(lr))

    def steps(self, lr: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield each frame with the recurrent state after it: `sr` and `hidden` of the network."""
        frames = [frame.contiguous(memory_format=self.layout) for frame in lr.unbind(1)]
        sr, hidden = (each.contiguous(memory_format=self.layout) for each in self.network.initial_state(frames[0]))
        limits: list[Tensor] = []
        for t in range(len(frames)):
            frame, sr, hidden = self._step(*window_of(frames, t), sr, hidden)
            yield frame, sr, hidden
            if self.growth:
                limits = limits or [self.growth * each.detach().abs().amax() for each in (sr, hidden)]
                sr, hidden = (each.clamp(-limit, limit) for each, limit in zip((sr, hidden), limits, strict=True))

    def _step(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.recompute and torch.is_grad_enabled():
            # A step uses no random numbers, so no generator needs to be restored.
            outputs = checkpoint(self.network, *inputs, use_reentrant=False, preserve_rng_state=False)
            return cast(tuple[Tensor, Tensor, Tensor], outputs)
        return cast(tuple[Tensor, Tensor, Tensor], self.network(*inputs))


def window_of(frames: Sequence[Tensor], t: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return prev, cur and next of a frame. At the ends of the clip, the frame itself takes the place of what is not
    there."""
    return frames[max(t - 1, 0)], frames[t], frames[min(t + 1, len(frames) - 1)]


class StateRecurrence(Recurrence):
    """The same run, of which the recurrent states are returned: they hold the frames too, folded to LR size."""

    def forward(self, lr: Tensor) -> Tensor:
        """Run over a clip.

        Args:
            lr: as for `Recurrence`.

        Returns:
            The state after each frame: (batch, frames, 48 + features, height, width).
        """
        return torch.stack([torch.cat([sr, hidden], 1) for _, sr, hidden in self.steps(lr)], 1)
