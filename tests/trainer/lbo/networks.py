"""Small networks for tests."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from vsanimesr.network.shapes import SCALE, SR_CHANNELS
from vsanimesr.network.torch_network import AnimeSR


class Bilinear(AnimeSR):
    """A network with zero weights. Its output is the frame, enlarged."""

    def __init__(self) -> None:
        super().__init__(features=2, blocks=(1, 1, 1))
        for parameter in self.parameters():
            parameter.requires_grad_(False).zero_()


class Tinting(Bilinear):
    """A network that shifts colours by TINT, whole range 1."""

    TINT = (0.02, -0.01, 0.05)

    def __init__(self) -> None:
        super().__init__()
        bias = self.recurrent_cell.fusion[2].bias
        assert isinstance(bias, torch.Tensor)
        bias[:SR_CHANNELS] = torch.tensor(self.TINT).repeat_interleave(SCALE**2)


def save_network(network: AnimeSR, path: Path) -> str:
    save_file(network.state_dict(), path)
    return str(path)


def save_debug_network(path: Path) -> str:
    """Save a random network with the size of the preset `debug`."""
    torch.manual_seed(0)
    return save_network(AnimeSR(features=8, blocks=(2, 1, 1)), path)
