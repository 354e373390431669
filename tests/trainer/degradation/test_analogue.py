"""Faults of tape, composite video and deinterlacing: each has its effect and no other."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.degradation.analogue import chroma_bleed, dot_crawl, halo, interlace_residue

type Operator = Callable[[Tensor], Tensor]

WITHOUT_EFFECT: dict[str, Operator] = {
    "chroma_bleed": lambda clip: chroma_bleed(clip, 0, 0),
    "dot_crawl": lambda clip: dot_crawl(clip, 0, 1.0, 0, 0.5),
    "halo": lambda clip: halo(clip, 0, 2),
    "halo without a radius": lambda clip: halo(clip, 0.4, 0),
    "interlace_residue": lambda clip: interlace_residue(clip, 0, 1),
}
WITH_EFFECT: dict[str, Operator] = {
    "chroma_bleed": lambda clip: chroma_bleed(clip, 3, 1.5),
    "shift alone": lambda clip: chroma_bleed(clip, 0, -0.7),
    "dot_crawl": lambda clip: dot_crawl(clip, 0.8, 1.0),
    "rainbow": lambda clip: dot_crawl(clip, 0, 1.0, 0.5, 0.5),
    "halo": lambda clip: halo(clip, 0.3, 1.7),
    "even parity": lambda clip: interlace_residue(clip, 0.5, 0),
    "odd parity": lambda clip: interlace_residue(clip, 0.5, 1),
}
LUMA = torch.tensor([0.299, 0.587, 0.114])

sides = st.integers(1, 24)
shapes = st.tuples(st.integers(1, 4), st.just(3), sides, sides)
each_operator = pytest.mark.parametrize("operator", WITH_EFFECT.values(), ids=WITH_EFFECT)


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def luma(clip: Tensor) -> Tensor:
    return torch.einsum("c,fchw->fhw", LUMA, clip)


def two_colours(left: tuple[float, float, float], right: tuple[float, float, float], frames: int = 1) -> Tensor:
    """Return one colour beside another, (frames, 3, 32, 32)."""
    colours = torch.tensor([left, right]).T.repeat_interleave(16, 1)
    return colours[None, :, None].expand(frames, 3, 32, 32).contiguous()


def assert_same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("operator", WITHOUT_EFFECT.values(), ids=WITHOUT_EFFECT)
def test_a_strength_of_0_changes_nothing(operator: Operator) -> None:
    clip = noise(3, 3, 9, 11)

    assert torch.equal(operator(clip.clone()), clip)


@each_operator
@settings(max_examples=60, deadline=None)
@given(shape=shapes)
def test_clips_of_any_size_keep_shape_dtype_and_input(operator: Operator, shape: tuple[int, int, int, int]) -> None:
    clip = noise(*shape)
    before = clip.clone()
    result = operator(clip)

    assert result.shape == clip.shape
    assert result.dtype == torch.float32
    assert result.isfinite().all()
    assert torch.equal(clip, before)
    assert torch.equal(operator(clip), result)


@each_operator
def test_each_fault_is_visible(operator: Operator) -> None:
    clip = noise(3, 3, 32, 32)

    assert (operator(clip) - clip).abs().mean() > 0.005


@each_operator
@given(colour=st.tuples(*[st.floats(0, 1, width=32)] * 3), width=sides, height=sides)
@settings(max_examples=30, deadline=None)
def test_a_flat_frame_stays_flat(
    operator: Operator, colour: tuple[float, float, float], width: int, height: int
) -> None:
    clip = torch.tensor(colour)[None, :, None, None].expand(2, 3, height, width)

    assert_same(operator(clip), clip)


@settings(max_examples=40, deadline=None)
@given(shape=shapes, width=st.floats(0, 8), shift=st.floats(-5, 5))
def test_chroma_bleed_keeps_luma(shape: tuple[int, int, int, int], width: float, shift: float) -> None:
    clip = noise(*shape)

    assert_same(luma(chroma_bleed(clip, width, shift)), luma(clip))


def test_chroma_shifts_to_the_right() -> None:
    clip = noise(1, 3, 8, 32)
    chroma = (clip - luma(clip)[:, None])[:, :, :, :-2]
    result = chroma_bleed(clip, 0, 2)

    assert_same((result - luma(result)[:, None])[:, :, :, 2:], chroma)


def test_chroma_shifts_by_fractions_of_a_pixel() -> None:
    clip = noise(1, 3, 8, 32)
    one, two = chroma_bleed(clip, 0, 1), chroma_bleed(clip, 0, 2)

    assert_same(chroma_bleed(clip, 0, 1.25), 0.75 * one + 0.25 * two)


@pytest.mark.parametrize("width", [1.0, 2.5, 6.0])
def test_the_width_is_the_standard_deviation_of_the_blur(width: float) -> None:
    clip = torch.full((1, 3, 1, 101), 0.5)
    clip[0, :, 0, 50] += torch.tensor([0.5, -0.5 * 0.299 / 0.587, 0.0])  # a spot of colour with the luma of the rest
    spread = chroma_bleed(clip, width, 3)[0, 0, 0] - 0.5
    at = torch.arange(101.0)
    centre = (spread * at).sum() / spread.sum()

    assert centre == pytest.approx(53, abs=0.01)
    assert (spread * (at - centre) ** 2).sum() / spread.sum() == pytest.approx(width**2, rel=0.05)


@given(shape=shapes, comb=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_there_are_no_dots_without_chroma(shape: tuple[int, int, int, int], comb: float) -> None:
    grey = noise(*shape)[:, :1].expand(shape)

    assert_same(dot_crawl(grey, 1, 0.5, comb=comb), grey)


def test_dots_are_grey_and_change_sign_from_line_to_line_and_frame_to_frame() -> None:
    clip = two_colours((0.8, 0.1, 0.1), (0.1, 0.3, 0.9), frames=3)
    dots = dot_crawl(clip, 1, 0.5) - clip

    assert dots.abs().amax() > 0.05
    assert_same(dots[:, :, 1:], -dots[:, :, :-1])
    assert_same(dots[1:], -dots[:-1])
    assert_same(dots, dots[:, :1].expand_as(dots))


def test_dots_are_at_the_edge_and_have_the_frequency_of_the_subcarrier() -> None:
    clip = two_colours((0.8, 0.1, 0.1), (0.1, 0.3, 0.9))
    dots = (dot_crawl(clip, 1, 0.5) - clip)[0, 0, 0]
    spectrum = torch.fft.rfft(dots, 132).abs()

    assert dots[10:22].abs().amax() > 10 * dots[[0, 1, 2, 29, 30, 31]].abs().amax()
    assert abs(int(spectrum.argmax()) - 35) < 12


def test_half_a_cycle_of_phase_inverts_the_dots() -> None:
    clip = noise(2, 3, 16, 16)

    assert_same(dot_crawl(clip, 1, 0.3 + math.pi) - clip, clip - dot_crawl(clip, 1, 0.3))


def test_a_comb_filter_leaves_dots_above_and_below_a_notch_filter_at_the_sides() -> None:
    vertical = two_colours((0.8, 0.1, 0.1), (0.1, 0.3, 0.9))
    horizontal = vertical.transpose(2, 3)

    assert_same(dot_crawl(vertical, 1, 0, comb=1), vertical)
    assert_same(dot_crawl(horizontal, 1, 0, comb=0), horizontal)
    dots = (dot_crawl(horizontal, 1, 0, comb=1) - horizontal).abs().amax((0, 1, 3))
    assert dots[15:17].min() > 0.05
    assert dots[:15].max() < 1e-5
    assert dots[17:].max() < 1e-5


def test_rainbows_keep_luma_and_colour_grey_detail() -> None:
    wave = 0.5 + 0.4 * torch.cos(2 * math.pi * 35 / 132 * torch.arange(48.0))
    clip = wave.expand(2, 3, 4, 48)
    result = dot_crawl(clip, 0, 0, 0.5)
    colour = result - luma(result)[:, None]

    assert_same(luma(result), luma(clip))
    # In phase with the V axis, all detail becomes V = 0.877 (R - Y).
    torch.testing.assert_close(colour[0, 0, 0, 12:36], torch.full((24,), 0.5 * 0.4 / 0.877), rtol=0, atol=2e-3)
    assert_same(colour[:, :, 1:], -colour[:, :, :-1])
    assert_same(colour[1:], -colour[:-1])


def test_a_halo_overshoots_by_its_strength_and_has_an_end() -> None:
    result = halo(two_colours((0.2,) * 3, (0.6,) * 3), 0.25, 3)[0]

    assert_same(result, result[:1].expand_as(result))
    line = result[0, 16]
    assert line.min() == pytest.approx(0.2 - 0.25 * 0.4, abs=0.01)
    assert line.max() == pytest.approx(0.6 + 0.25 * 0.4, abs=0.01)
    assert int(line.argmin()) in {13, 14, 15}
    assert int(line.argmax()) in {16, 17, 18}
    assert_same(line[:9], torch.full((9,), 0.2))
    assert_same(line[23:], torch.full((9,), 0.6))


def test_halos_are_stronger_at_the_sides_of_an_edge() -> None:
    vertical = two_colours((0.2,) * 3, (0.6,) * 3)
    horizontal = vertical.transpose(2, 3).contiguous()
    beside, above = halo(vertical, 0.25, 2) - vertical, halo(horizontal, 0.25, 2) - horizontal

    assert 0.2 < above.abs().amax() / beside.abs().amax() < 0.6


def test_halos_keep_colours() -> None:
    clip = noise(2, 3, 12, 12)
    change = halo(clip, 0.4, 2) - clip

    assert_same(change, change[:, :1].expand_as(change))


@given(shape=shapes, parity=st.integers(0, 1), strength=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_still_clip_is_not_combed(shape: tuple[int, int, int, int], parity: int, strength: float) -> None:
    clip = noise(*shape)[:1].repeat(3, 1, 1, 1)

    assert torch.equal(interlace_residue(clip, strength, parity), clip)


@given(shape=shapes, parity=st.integers(0, 1), strength=st.floats(0.01, 1))
@settings(max_examples=40, deadline=None)
def test_lines_of_one_parity_show_the_next_frame(
    shape: tuple[int, int, int, int], parity: int, strength: float
) -> None:
    clip = noise(*shape)
    result = interlace_residue(clip, strength, parity)

    mixed = (1 - strength) * clip[:-1] + strength * clip[1:]
    assert_same(result[:-1, :, parity::2], mixed[:, :, parity::2])
    assert torch.equal(result[:, :, 1 - parity :: 2], clip[:, :, 1 - parity :: 2])
    assert torch.equal(result[-1], clip[-1])
