"""Faults of tape, composite video and fields: each does what it says, and nothing else."""

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

NONE: dict[str, Operator] = {
    "chroma_bleed": lambda clip: chroma_bleed(clip, 0, 0),
    "dot_crawl": lambda clip: dot_crawl(clip, 0, 1.0, 0, 0.5),
    "halo": lambda clip: halo(clip, 0, 2),
    "halo without a radius": lambda clip: halo(clip, 0.4, 0),
    "interlace_residue": lambda clip: interlace_residue(clip, 0, 1),
}
SOME: dict[str, Operator] = {
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
some = pytest.mark.parametrize("operator", SOME.values(), ids=SOME)


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def luma(clip: Tensor) -> Tensor:
    return torch.einsum("c,fchw->fhw", LUMA, clip)


def halves(left: tuple[float, float, float], right: tuple[float, float, float], frames: int = 1) -> Tensor:
    """One colour beside another: (frames, 3, 32, 32)."""
    colours = torch.tensor([left, right]).T.repeat_interleave(16, 1)
    return colours[None, :, None].expand(frames, 3, 32, 32).contiguous()


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("operator", NONE.values(), ids=NONE)
def test_nothing_asked_nothing_changed(operator: Operator) -> None:
    clip = noise(3, 3, 9, 11)

    assert torch.equal(operator(clip.clone()), clip)


@some
@settings(max_examples=60, deadline=None)
@given(shape=shapes)
def test_a_clip_of_any_size(operator: Operator, shape: tuple[int, int, int, int]) -> None:
    clip = noise(*shape)
    before = clip.clone()
    result = operator(clip)

    assert result.shape == clip.shape
    assert result.dtype == torch.float32
    assert result.isfinite().all()
    assert torch.equal(clip, before)
    assert torch.equal(operator(clip), result)


@some
def test_there_is_something_to_see(operator: Operator) -> None:
    clip = noise(3, 3, 32, 32)

    assert (operator(clip) - clip).abs().mean() > 0.005


@some
@given(colour=st.tuples(*[st.floats(0, 1, width=32)] * 3), width=sides, height=sides)
@settings(max_examples=30, deadline=None)
def test_an_even_picture_stays_even(
    operator: Operator, colour: tuple[float, float, float], width: int, height: int
) -> None:
    clip = torch.tensor(colour)[None, :, None, None].expand(2, 3, height, width)

    same(operator(clip), clip)


@settings(max_examples=40, deadline=None)
@given(shape=shapes, width=st.floats(0, 8), shift=st.floats(-5, 5))
def test_bleeding_leaves_luma(shape: tuple[int, int, int, int], width: float, shift: float) -> None:
    clip = noise(*shape)

    same(luma(chroma_bleed(clip, width, shift)), luma(clip))


def test_chroma_goes_to_the_right() -> None:
    clip = noise(1, 3, 8, 32)
    chroma = (clip - luma(clip)[:, None])[:, :, :, :-2]
    result = chroma_bleed(clip, 0, 2)

    same((result - luma(result)[:, None])[:, :, :, 2:], chroma)


def test_chroma_goes_by_parts_of_a_pixel() -> None:
    clip = noise(1, 3, 8, 32)
    one, two = chroma_bleed(clip, 0, 1), chroma_bleed(clip, 0, 2)

    same(chroma_bleed(clip, 0, 1.25), 0.75 * one + 0.25 * two)


@pytest.mark.parametrize("width", [1.0, 2.5, 6.0])
def test_chroma_is_as_wide_as_it_says(width: float) -> None:
    clip = torch.full((1, 3, 1, 101), 0.5)
    clip[0, :, 0, 50] += torch.tensor([0.5, -0.5 * 0.299 / 0.587, 0.0])  # a spot of colour, as bright as the rest
    spread = chroma_bleed(clip, width, 3)[0, 0, 0] - 0.5
    at = torch.arange(101.0)
    centre = (spread * at).sum() / spread.sum()

    assert centre == pytest.approx(53, abs=0.01)
    assert (spread * (at - centre) ** 2).sum() / spread.sum() == pytest.approx(width**2, rel=0.05)


@given(shape=shapes, comb=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_no_dots_without_chroma(shape: tuple[int, int, int, int], comb: float) -> None:
    grey = noise(*shape)[:, :1].expand(shape)

    same(dot_crawl(grey, 1, 0.5, comb=comb), grey)


def test_dots_are_grey_and_change_sign_from_line_to_line_and_frame_to_frame() -> None:
    clip = halves((0.8, 0.1, 0.1), (0.1, 0.3, 0.9), frames=3)
    dots = dot_crawl(clip, 1, 0.5) - clip

    assert dots.abs().amax() > 0.05
    same(dots[:, :, 1:], -dots[:, :, :-1])
    same(dots[1:], -dots[:-1])
    same(dots, dots[:, :1].expand_as(dots))


def test_dots_are_at_the_edge_and_as_fine_as_the_subcarrier() -> None:
    clip = halves((0.8, 0.1, 0.1), (0.1, 0.3, 0.9))
    dots = (dot_crawl(clip, 1, 0.5) - clip)[0, 0, 0]
    spectrum = torch.fft.rfft(dots, 132).abs()

    assert dots[10:22].abs().amax() > 10 * dots[[0, 1, 2, 29, 30, 31]].abs().amax()
    assert abs(int(spectrum.argmax()) - 35) < 12


def test_half_a_cycle_of_phase_turns_the_dots_over() -> None:
    clip = noise(2, 3, 16, 16)

    same(dot_crawl(clip, 1, 0.3 + math.pi) - clip, clip - dot_crawl(clip, 1, 0.3))


def test_a_comb_filter_leaves_dots_above_and_below_and_a_notch_filter_at_the_sides() -> None:
    upright = halves((0.8, 0.1, 0.1), (0.1, 0.3, 0.9))
    lying = upright.transpose(2, 3)

    same(dot_crawl(upright, 1, 0, comb=1), upright)
    same(dot_crawl(lying, 1, 0, comb=0), lying)
    hanging = (dot_crawl(lying, 1, 0, comb=1) - lying).abs().amax((0, 1, 3))
    assert hanging[15:17].min() > 0.05
    assert hanging[:15].max() < 1e-5
    assert hanging[17:].max() < 1e-5


def test_rainbows_leave_luma_and_colour_grey_detail() -> None:
    wave = 0.5 + 0.4 * torch.cos(2 * math.pi * 35 / 132 * torch.arange(48.0))
    clip = wave.expand(2, 3, 4, 48)
    result = dot_crawl(clip, 0, 0, 0.5)
    colour = result - luma(result)[:, None]

    same(luma(result), luma(clip))
    # In step with the V axis, all of the detail becomes V, which is 0.877 of R - Y.
    torch.testing.assert_close(colour[0, 0, 0, 12:36], torch.full((24,), 0.5 * 0.4 / 0.877), rtol=0, atol=2e-3)
    same(colour[:, :, 1:], -colour[:, :, :-1])
    same(colour[1:], -colour[:-1])


def test_a_halo_overshoots_beside_an_edge_by_its_strength_and_ends() -> None:
    result = halo(halves((0.2,) * 3, (0.6,) * 3), 0.25, 3)[0]

    same(result, result[:1].expand_as(result))
    line = result[0, 16]
    assert line.min() == pytest.approx(0.2 - 0.25 * 0.4, abs=0.01)
    assert line.max() == pytest.approx(0.6 + 0.25 * 0.4, abs=0.01)
    assert int(line.argmin()) in {13, 14, 15}
    assert int(line.argmax()) in {16, 17, 18}
    same(line[:9], torch.full((9,), 0.2))
    same(line[23:], torch.full((9,), 0.6))


def test_halos_are_stronger_at_the_sides() -> None:
    upright = halves((0.2,) * 3, (0.6,) * 3)
    lying = upright.transpose(2, 3).contiguous()
    beside, above = halo(upright, 0.25, 2) - upright, halo(lying, 0.25, 2) - lying

    assert 0.2 < above.abs().amax() / beside.abs().amax() < 0.6


def test_halos_leave_colours() -> None:
    clip = noise(2, 3, 12, 12)
    change = halo(clip, 0.4, 2) - clip

    same(change, change[:, :1].expand_as(change))


@given(shape=shapes, parity=st.integers(0, 1), strength=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_what_is_still_is_not_combed(shape: tuple[int, int, int, int], parity: int, strength: float) -> None:
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
    same(result[:-1, :, parity::2], mixed[:, :, parity::2])
    assert torch.equal(result[:, :, 1 - parity :: 2], clip[:, :, 1 - parity :: 2])
    assert torch.equal(result[-1], clip[-1])
