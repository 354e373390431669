"""Temporal measures: what moves with the picture is steady, and what was planted is found where it was planted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tests.trainer.evaluation.pictures import draw_picture
from trainer.evaluation.temporal import FLICKER, LINES, WARPING, Reference, TemporalMeasures, warp
from trainer.vsr.scorer import measure_flicker

FRAMES, HEIGHT, WIDTH = 4, 160, 192
PICTURE = torch.from_numpy(draw_picture(4)).permute(2, 0, 1)
"""Discs with outlines, without noise."""


def pan(down: int, right: int) -> Tensor:
    """A camera that moves by whole pixels a frame."""
    return torch.stack([PICTURE[:, 16 + n * down :, 16 + n * right :][:, :HEIGHT, :WIDTH] for n in range(FRAMES)])


def measure(sr: Tensor, reference: Reference) -> dict[str, float]:
    measures = TemporalMeasures(reference)
    for frame in torch.split(sr, 1):
        measures.add(frame)
    return dict(measures.values())


def change(frames: Tensor, fault: Callable[[Tensor, int], Tensor]) -> Tensor:
    return torch.cat([fault(frame, n).clamp(0, 1) for n, frame in enumerate(torch.split(frames.float() / 255, 1))])


def blur(frame: Tensor, n: int) -> Tensor:
    return functional.avg_pool2d(frame, 5, 1, 2, count_include_pad=False)


def jitter(frame: Tensor, n: int) -> Tensor:
    return frame.roll(n % 2, -1)


def flash(frame: Tensor, n: int) -> Tensor:
    return 0.9 * frame + 3 / 255 * (n % 2)


def keep(frame: Tensor, n: int) -> Tensor:
    return frame


@pytest.mark.parametrize(("down", "right"), [(2, 3), (-3, 1)])
def test_warping_error_follows_the_motion(down: int, right: int) -> None:
    hq = pan(down, right)
    plain = measure(change(hq, keep), Reference(hq, 1))[WARPING]
    stuck = 255 * (hq[1:].float() / 255 - hq[:-1].float() / 255).square().mean().sqrt().item()
    assert plain < stuck / 3
    assert measure(change(hq, jitter), Reference(hq, 1))[WARPING] > 1.5 * plain


def test_motion_found_in_lr_is_that_of_hq() -> None:
    hq = pan(4, 8)
    lr = functional.avg_pool2d(hq.float(), 4).round().byte()
    for frames, scale in (hq, 1), (lr, 4):
        flow, seen, held = Reference(frames, scale).motions[0]
        assert (scale * flow[:, seen & ~held].float()).median(1).values.tolist() == pytest.approx([8, 4], abs=0.5)
    plain, jittered = (measure(change(hq, fault), Reference(lr, 4)) for fault in (keep, jitter))
    assert jittered[WARPING] > plain[WARPING]


def test_a_held_picture_is_steady_whatever_it_shows() -> None:
    hq = pan(0, 0)
    for fault in (keep, blur):
        found = measure(change(hq, fault), Reference(hq, 1))
        assert found == pytest.approx({WARPING: 0, FLICKER: 0, LINES: 1}, abs=1e-3)


def test_flashing_is_flicker() -> None:
    hq = pan(0, 0)
    assert measure(change(hq, flash), Reference(hq, 1))[FLICKER] == pytest.approx(3, rel=0.05)
    lr = functional.avg_pool2d(hq.float(), 4).round().byte()
    assert measure(change(hq, flash), Reference(lr, 4))[FLICKER] == pytest.approx(3, rel=0.05)


def test_lines_that_wobble_or_fade_are_unstable() -> None:
    def fade(frame: Tensor, n: int) -> Tensor:
        return torch.where(frame.mean(1, keepdim=True) < 0.12, frame + 0.1 * (n % 2), frame)

    hq = pan(0, 0)
    assert measure(change(hq, jitter), Reference(hq, 1))[LINES] < 0.9
    assert measure(change(hq, fade), Reference(hq, 1))[LINES] < 0.95


@pytest.mark.parametrize("scale", [1, 4])
def test_a_clip_with_hardly_a_line_has_no_line_stability(scale: int) -> None:
    """A dash that comes and goes would say 0 of HQ itself."""
    hq = torch.full((FRAMES, 3, HEIGHT, WIDTH), 200, dtype=torch.uint8)
    hq[1, :, 80:84, 80:100] = 100
    reference = Reference(hq[..., ::scale, ::scale], scale)
    assert WARPING in measure(hq.float() / 255, reference)
    assert LINES not in measure(hq.float() / 255, reference)
    assert LINES not in measure(change(pan(0, 0), jitter), reference)  # what lines a model draws does not count
    lines = hq.clone()
    lines[..., 40:44, :] = 100
    drawn = measure(lines.float() / 255, Reference(lines[..., ::scale, ::scale], scale))
    assert drawn[LINES] > 0.8


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_flicker_is_that_of_the_scores_in_training(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    hq = torch.randint(0, 6, (3, 3, 32, 40), generator=random, dtype=torch.uint8)
    sr = torch.rand(hq.shape, generator=random)
    expected = measure_flicker(sr, hq.float() / 255)
    found = measure(sr, Reference(hq, 1)).get(FLICKER)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-4))


def test_nothing_held_has_no_flicker() -> None:
    hq = torch.stack([torch.full((3, 32, 40), 20 * n, dtype=torch.uint8) for n in range(3)])
    assert FLICKER not in measure(hq.float() / 255, Reference(hq, 1))


def test_what_is_held_does_not_move() -> None:
    flow, seen, held = Reference(pan(2, 3), 1).motions[0]
    assert 0 < held.float().mean() < 1
    assert not flow[:, held].any()
    assert seen[held].all()


def test_motion_is_the_same_each_time() -> None:
    hq = pan(2, 3)
    for one, other in zip(Reference(hq, 1).motions, Reference(hq, 1).motions, strict=True):
        assert all(map(torch.equal, one, other))


@settings(max_examples=20, deadline=None)
@given(st.integers(-3, 3), st.integers(-3, 3), st.integers(8, 20), st.integers(8, 20))
def test_warping_takes_pixels_from_where_the_flow_points(right: int, down: int, height: int, width: int) -> None:
    frame = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(height))
    flow = torch.tensor([right, down]).float()[:, None, None].expand(2, height, width)
    inner = slice(4, height - 4), slice(4, width - 4)
    expected = frame.roll((-down, -right), (-2, -1))
    assert torch.allclose(warp(frame, flow)[:, :, *inner], expected[:, :, *inner], atol=1e-4)
