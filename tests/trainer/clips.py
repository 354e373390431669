"""Clips made for tests."""

from __future__ import annotations

import torch
from torch import Tensor


def drawn_clip(frames: int = 15, height: int = 128, width: int = 128) -> Tensor:
    """Flat areas with hard edges that move, as drawn animation has them: uint8 (frames, 3, height, width)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pictures = []
    for n in range(frames):
        field = ((x + 2 * n) // 24 + y // 18) % 5
        colours = torch.tensor([[230, 200, 170], [60, 40, 50], [200, 60, 60], [70, 110, 190], [245, 245, 240]])
        picture = colours[field]
        picture[(x - width // 2 - n).square() + (y - height // 2).square() < (height // 5) ** 2] = torch.tensor(
            [20, 20, 25]
        )
        pictures.append(picture)
    return torch.stack(pictures).permute(0, 3, 1, 2).to(torch.uint8).contiguous()
