"""Downscaling has the taps of the release."""

from __future__ import annotations

import torch

from trainer.degradation.scaling import downscale


def taps(mode: str, factor: int) -> list[float]:
    """Return the weights of the pixels of a row in one output pixel, from `factor` pixels before its block to as many
    after it."""
    row = torch.zeros(3 * factor)
    found = []
    for n in range(3 * factor):
        row.zero_()[n] = 1
        found.append(downscale(row.expand(1, 1, 3 * factor, -1), factor, mode)[0, 0, 1, 1].item())
    return found


def test_taps_are_those_of_the_release() -> None:
    """See docs/paper-and-release.md, 2.2. Bicubic has a = -0.75; no mode filters against aliasing."""
    assert taps("area", 2) == taps("bilinear", 2) == [0, 0, 0.5, 0.5, 0, 0]
    assert taps("bicubic", 2) == [0, -0.09375, 0.59375, 0.59375, -0.09375, 0]
    assert taps("area", 4) == [0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0]
    assert taps("bilinear", 4) == [0, 0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0, 0]
    assert taps("bicubic", 4) == [0, 0, 0, 0, -0.09375, 0.59375, 0.59375, -0.09375, 0, 0, 0, 0]
