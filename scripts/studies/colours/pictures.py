"""Pages of crops, to look for halos."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from trainer.previews import SIDE, Cell, draw_page

from .correction import Picture
from .versions import Version

GAIN = 8
"""By how much differences to HQ are amplified."""


def draw_versions(versions: Sequence[Version], at: tuple[int, int]) -> Image.Image:
    """Draw a square of the last frame of each version, and its difference to HQ, amplified, on grey.

    Args:
        at: left and top of the square, in SR pixels.
    """
    left, top = at

    def cell(label: str, picture: Picture) -> Cell:
        return Cell(label, torch.from_numpy(picture[:, top : top + SIDE, left : left + SIDE]).clamp(0, 1))

    frames = [(version.name, version.sr[-1].clip(0, 1)) for version in versions]
    hq = versions[0].hq[-1]
    return draw_page(
        [
            [*(cell(name, frame) for name, frame in frames), cell("HQ", hq)],
            [cell(f"{name}: error x{GAIN}", 0.5 + GAIN * (frame - hq)) for name, frame in frames],
        ]
    )
