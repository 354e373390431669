"""Sharpened lines: crisper and darker, without halos, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from trainer.data import lines
from trainer.data.lines import find_lines, sharpen_lines

INK, PAPER = 40, 200
SIDE = 48


def soften(frame: Tensor) -> Tensor:
    """Blur a frame as a camera or a scaler does: a line without soft flanks has nothing to sharpen."""
    kernel = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    planes = functional.pad(frame.float()[:, None], (2, 2, 2, 2), mode="replicate")
    planes = functional.conv2d(functional.conv2d(planes, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))
    return planes[:, 0].round().byte()


def stripe(width: int, of: int, on: int) -> Tensor:
    """Return a soft vertical stripe in the middle, uint8 (3, SIDE, SIDE)."""
    frame = torch.full((3, SIDE, SIDE), on)
    frame[:, :, SIDE // 2 : SIDE // 2 + width] = of
    return soften(frame)


def step() -> Tensor:
    frame = torch.full((3, SIDE, SIDE), PAPER)
    frame[:, :, SIDE // 2 :] = INK
    return soften(frame)


@pytest.mark.parametrize("contrast", [30, 160])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_dark_line_becomes_darker_and_crisper_and_its_surroundings_stay(width: int, contrast: int) -> None:
    frame = stripe(width, PAPER - contrast, PAPER)

    found = sharpen_lines(frame).int()

    row, before = found[0, SIDE // 2], frame[0, SIDE // 2].int()
    middle = SIDE // 2 + width // 2
    assert row[middle] < before[middle]
    assert row.diff().abs().max() > 1.1 * before.diff().abs().max()
    assert torch.equal(found[..., : middle - 8], frame[..., : middle - 8].int())
    assert torch.equal(found[..., middle + 8 :], frame[..., middle + 8 :].int())
    assert row.max() <= PAPER  # no bright halo


@pytest.mark.parametrize("frame", [step(), 255 - step(), stripe(2, PAPER, INK), stripe(6, PAPER, INK)])
def test_beside_edges_and_bright_lines_nothing_becomes_darker_or_brighter_than_it_was(frame: Tensor) -> None:
    found = sharpen_lines(frame)

    assert not torch.equal(found, frame)
    assert found.min() >= frame.min()
    assert found.max() <= frame.max()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_pixels_stay_within_the_bounds_of_those_around_them(height: int, width: int, seed: int, smooth: bool) -> None:
    frame = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), np.uint8))
    frame = soften(soften(frame)) if smooth else frame

    found = sharpen_lines(frame)

    assert (found.shape, found.dtype) == (frame.shape, frame.dtype)
    around = 2 * lines.AROUND + 1
    level = frame[None].float()
    highest = functional.max_pool2d(level, around, 1, lines.AROUND)
    lowest = -functional.max_pool2d(-level, around, 1, lines.AROUND)
    assert (found <= highest).all()
    assert (found >= lowest - lines.DEEPEN * (highest.max() - lowest) - 1).all()
    off_lines = find_lines(lines._sharpen(level / 255))[0, 0] == 0
    assert torch.equal(found[:, off_lines], frame[:, off_lines])


def test_specks_are_left_alone_and_lines_are_not() -> None:
    frame = torch.full((3, SIDE, SIDE), PAPER)
    frame[:, 8:11, 8:11] = INK
    frame[:, 30:32, 6:40] = INK
    frame[:, 12:36, 43:45] = INK
    frame = soften(frame)

    changed = (sharpen_lines(frame) != frame).any(0)

    assert not changed[:20, :20].any()
    assert changed[28:34, 10:36].any(0).all()
    assert changed[15:33, 40:48].any(1).all()


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_each_frame_is_a_function_of_itself(count: int, seed: int) -> None:
    noise = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 3, 20, 24), np.uint8))
    clip = torch.stack([soften(soften(frame)) for frame in noise])

    together = sharpen_lines(clip)

    assert torch.equal(sharpen_lines(clip[None])[0], together)
    for frame, found in zip(clip, together, strict=True):
        assert (sharpen_lines(frame).int() - found.int()).abs().max() <= 1  # sums of other lengths round otherwise


def test_mirrored_and_turned_frames_give_mirrored_and_turned_results() -> None:
    torch.manual_seed(0)
    frame = soften(soften(torch.randint(0, 256, (3, SIDE, SIDE))))
    found = sharpen_lines(frame).int()

    for axes in ([-1], [-2], [-1, -2]):
        assert (sharpen_lines(frame.flip(axes)).int() - found.flip(axes)).abs().max() <= 1
    assert (sharpen_lines(frame.mT.contiguous()).int() - found.mT).abs().max() <= 1
