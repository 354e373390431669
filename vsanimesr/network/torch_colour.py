"""Colours of the source in PyTorch, for the backend `torch`. It computes the same as `graph`; see `colour`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .colour import GAUSSIAN, PASSES, RADIUS
from .shapes import COLOURS, SCALE
from .torch_network import AnimeSR


class RestoringColours(nn.Module):
    """A step whose SR frame has the colours of the source. It takes the network's place; the state is the network's.

    What it adds is computed in float32, whatever the network's dtype.

    Args:
        network: on its device.
        size: width and height of the frames that it is given, which are padded.
    """

    def __init__(self, network: AnimeSR, size: tuple[int, int]) -> None:
        super().__init__()
        self._network = network
        gaussian = torch.from_numpy(GAUSSIAN).to(network.bilinear.device)
        # The sum of the weights that lie within the frame, for each column and each row.
        across, down = (
            functional.conv1d(gaussian.new_ones(1, 1, side), gaussian[None, None], padding=RADIUS) for side in size
        )
        self._gaussian: Tensor
        self._across: Tensor
        self._down: Tensor
        self.register_buffer("_gaussian", gaussian.expand(COLOURS, 1, -1).contiguous())
        self.register_buffer("_across", across[:, :, None, :])
        self.register_buffer("_down", down[:, :, :, None])

    def forward(
        self, prev: Tensor, cur: Tensor, next: Tensor, sr: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run one step, as `AnimeSR.forward` does."""
        frame, new_sr, new_hidden = self._network(prev, cur, next, sr, hidden)
        return self.restore(frame, cur), new_sr, new_hidden

    def restore(self, frame: Tensor, cur: Tensor) -> Tensor:
        """Return an SR frame, (batch, 3, 4 * height, 4 * width), with the colours of its LR frame."""
        for _ in range(PASSES):
            shift = self._smooth(cur - functional.avg_pool2d(frame.clamp(0, 1), SCALE))
            frame = frame + functional.pixel_shuffle(self._network.upsample_bilinear(shift), SCALE)
        return frame

    def _smooth(self, x: Tensor) -> Tensor:
        """Take the Gaussian mean. Pixels beyond the edge have no weight."""
        x = functional.conv2d(x, self._gaussian[..., None], padding=(RADIUS, 0), groups=COLOURS) / self._down
        return functional.conv2d(x, self._gaussian[..., None, :], padding=(0, RADIUS), groups=COLOURS) / self._across
