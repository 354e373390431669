"""L1, the GAN's losses and the sharpened target, beside computations of their own."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.losses import l1, sharpened, taken_for_made, taken_for_real
from trainer.objective import Objective, total
from trainer.stages import Losses

from .clips import drawn_clip


def test_l1_is_the_mean_of_all_differences() -> None:
    assert l1(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])).item() == 1.5


def test_each_scale_of_the_discriminator_counts_the_same_however_large_its_map() -> None:
    maps = [torch.full((2, 1, 30, 30), 0.5), torch.full((2, 1, 2, 2), -1.0)]

    assert taken_for_real(maps).item() == pytest.approx((0.25 + 4) / 2)
    assert taken_for_made(maps).item() == pytest.approx((0.25 + 1) / 2)


@given(st.integers(0, 2**32 - 1), st.integers(30, 70), st.integers(30, 70))
def test_the_sharpened_target_is_what_opencv_makes_of_the_formula(seed: int, height: int, width: int) -> None:
    """Facts 4.2: weight 0.3, radius 50, threshold 10."""
    frame = cv2.resize(np.random.default_rng(seed).random((6, 6, 3)), (width, height)).astype(np.float32)

    residue = frame - cv2.GaussianBlur(frame, (51, 51), 0)
    soft = cv2.GaussianBlur((np.abs(residue) * 255 > 10).astype(np.float32), (51, 51), 0)
    expected = soft * np.clip(frame + 0.3 * residue, 0, 1) + (1 - soft) * frame

    found = sharpened(torch.from_numpy(frame).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    on_the_threshold = np.abs(np.abs(residue) * 255 - 10).min() < 1e-4  # there the mask is either's rounding
    assert on_the_threshold or np.abs(found - expected).max() < 1e-5


def test_the_sharpened_target_is_as_exact_with_autocast() -> None:
    drawn = drawn_clip(1).float() / 255

    with torch.autocast("cpu", torch.bfloat16):
        found = sharpened(drawn)

    assert torch.equal(found, sharpened(drawn))


def test_sharpening_leaves_flat_areas_alone_and_stays_in_range() -> None:
    flat = torch.full((1, 3, 64, 64), 0.3)
    drawn = drawn_clip(1).float() / 255

    assert torch.allclose(sharpened(flat), flat, atol=1e-6)
    assert 0 <= sharpened(drawn).min() < sharpened(drawn).max() <= 1
    assert (sharpened(drawn) - drawn).abs().max() > 0.02


class Judge(torch.nn.Module):
    """A discriminator that says what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, frames: torch.Tensor) -> list[torch.Tensor]:
        return [self.factor * frames.mean((1, 2, 3), keepdim=True)]


def clips() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 3, 32, 32, generator=generator), torch.rand(2, 3, 3, 32, 32, generator=generator)


def test_losses_of_weight_zero_are_left_out_and_others_are_multiplied() -> None:
    sr, hq = clips()
    judge = Judge()
    both = Objective(Losses(l1=0.5, gan=2.0), None).of_network(sr, hq, judge)  # type: ignore[arg-type]

    assert list(both) == ["l1", "gan"]
    assert both["l1"].item() == pytest.approx(0.5 * (sr - hq).abs().mean().item())
    expected = 2 * (2 * sr.flatten(0, 1).mean((1, 2, 3)) - 1).square().mean().item()
    assert both["gan"].item() == pytest.approx(expected)
    assert total(both).item() == pytest.approx(both["l1"].item() + both["gan"].item())
    assert list(Objective(Losses(l1=0.0, gan=1.0), None).of_network(sr, hq, judge)) == ["gan"]  # type: ignore[arg-type]


def test_the_network_s_half_leaves_the_discriminator_as_it_was() -> None:
    sr, hq = clips()
    sr.requires_grad_()
    judge = Judge()

    total(Objective(Losses(gan=1.0), None).of_network(sr, hq, judge)).backward()  # type: ignore[arg-type, no-untyped-call]

    assert sr.grad is not None
    assert sr.grad.abs().max() > 0
    assert judge.factor.grad is None
    assert judge.factor.requires_grad


def test_the_l1_target_is_sharpened_only_where_it_is_asked_for() -> None:
    sr, hq = clips()

    plain = Objective(Losses(), None).of_network(sr, hq, None)["l1"]
    other = Objective(Losses(sharpened=True), None).of_network(sr, hq, None)["l1"]

    assert plain == l1(sr, hq)
    assert other == l1(sr.flatten(0, 1), sharpened(hq.flatten(0, 1))) != plain


def test_the_discriminator_learns_real_from_the_first_half_of_its_batch() -> None:
    maps = [torch.tensor([1.0, 1.0, 0.0, 0.0]).view(4, 1, 1, 1)]

    losses = Objective(Losses(gan=1.0), None).of_discriminator(maps)

    assert {name: loss.item() for name, loss in losses.items()} == {"real": 0, "made": 0}


def test_losses_are_weighted_and_those_of_no_weight_left_out() -> None:
    made, target = torch.rand(2, 1, 3, 8, 8), torch.rand(2, 1, 3, 8, 8)
    difference = made - target

    found = Objective(Losses(l1=0.5, mse=2), None).of_network(made, target, None)

    assert found.keys() == {"l1", "mse"}
    assert found["l1"].item() == pytest.approx(0.5 * difference.abs().mean().item())
    assert found["mse"].item() == pytest.approx(2 * difference.square().mean().item())
    assert Objective(Losses(l1=0, mse=1), None).of_network(made, target, None).keys() == {"mse"}
    assert Objective(Losses(), None).of_network(made, target, None).keys() == {"l1"}
