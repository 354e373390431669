"""Synthetic clips for tests."""

from __future__ import annotations

import torch
from torch import Tensor


def cartoon_clip(frames: int = 15, height: int = 128, width: int = 128) -> Tensor:
    """Return flat moving areas with hard edges, as in cartoons: uint8 (frames, 3, height, width)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    colours = torch.tensor([[230, 200, 170], [60, 40, 50], [200, 60, 60], [70, 110, 190], [245, 245, 240]])
    clip = []
    for n in range(frames):
        frame = colours[((x + 2 * n) // 24 + y // 18) % 5]
        disc = (x - width // 2 - n).square() + (y - height // 2).square() < (height // 5) ** 2
        frame[disc] = torch.tensor([20, 20, 25])
        clip.append(frame)
    return torch.stack(clip).permute(0, 3, 1, 2).to(torch.uint8).contiguous()
