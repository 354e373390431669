"""The exponential moving average of a network's parameters: what is exported (facts 4.5)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Average[M: nn.Module]:
    """A second network that follows the first one.

    Args:
        network: begins as a copy of it.
        decay: how much of the average stays in a step: 0.999 in the release.
    """

    def __init__(self, network: M, decay: float) -> None:
        self.network: M = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay

    @torch.no_grad()
    def follow(self, network: M) -> None:
        """Go a step towards the network as it is now."""
        mine, theirs = (list[Tensor](each.parameters()) for each in (self.network, network))
        torch._foreach_lerp_(mine, theirs, 1 - self._decay)
