"""L1, the GAN losses, the sharpened target and the weighted losses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.clips import cartoon_clip
from trainer.losses.objective import Losses, Objective, l1, lsgan, sharpen, total_loss


def test_l1_is_the_mean_of_all_differences() -> None:
    assert l1(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])).item() == 1.5


def test_scales_of_the_discriminator_have_equal_weight() -> None:
    maps = [torch.full((2, 1, 30, 30), 0.5), torch.full((2, 1, 2, 2), -1.0)]

    assert lsgan(maps, real=True).item() == pytest.approx((0.25 + 4) / 2)
    assert lsgan(maps, real=False).item() == pytest.approx((0.25 + 1) / 2)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(30, 70), st.integers(30, 70))
def test_the_sharpened_target_equals_opencv(seed: int, height: int, width: int) -> None:
    """See docs/paper-and-release.md, 4.2: weight 0.3, radius 50, threshold 10."""
    frame = cv2.resize(np.random.default_rng(seed).random((6, 6, 3)), (width, height)).astype(np.float32)

    residue = frame - cv2.GaussianBlur(frame, (51, 51), 0)
    soft = cv2.GaussianBlur((np.abs(residue) * 255 > 10).astype(np.float32), (51, 51), 0)
    expected = soft * np.clip(frame + 0.3 * residue, 0, 1) + (1 - soft) * frame

    found = sharpen(torch.from_numpy(frame).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    on_the_threshold = np.abs(np.abs(residue) * 255 - 10).min() < 1e-4  # where rounding decides the mask
    assert on_the_threshold or np.abs(found - expected).max() < 1e-5


def test_autocast_does_not_change_the_sharpened_target() -> None:
    frames = cartoon_clip(1).float() / 255

    with torch.autocast("cpu", torch.bfloat16):
        found = sharpen(frames)

    assert torch.equal(found, sharpen(frames))


def test_sharpening_keeps_flat_areas_and_the_range() -> None:
    flat = torch.full((1, 3, 64, 64), 0.3)
    frames = cartoon_clip(1).float() / 255

    assert torch.allclose(sharpen(flat), flat, atol=1e-6)
    assert 0 <= sharpen(frames).min() < sharpen(frames).max() <= 1
    assert (sharpen(frames) - frames).abs().max() > 0.02


class MeanDiscriminator(torch.nn.Module):
    """A discriminator that returns the mean of a frame times a factor."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, frames: torch.Tensor) -> list[torch.Tensor]:
        return [self.factor * frames.mean((1, 2, 3), keepdim=True)]


def clips() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 3, 32, 32, generator=generator), torch.rand(2, 3, 3, 32, 32, generator=generator)


def test_losses_are_weighted_and_weight_0_is_left_out() -> None:
    sr, hq = clips()
    discriminator = MeanDiscriminator()
    both = Objective(Losses(l1=0.5, gan=2.0), None).generator_losses(sr, hq, discriminator)  # type: ignore[arg-type]

    assert list(both) == ["l1", "gan"]
    assert both["l1"].item() == pytest.approx(0.5 * (sr - hq).abs().mean().item())
    expected = 2 * (2 * sr.flatten(0, 1).mean((1, 2, 3)) - 1).square().mean().item()
    assert both["gan"].item() == pytest.approx(expected)
    assert total_loss(both).item() == pytest.approx(both["l1"].item() + both["gan"].item())
    assert list(Objective(Losses(l1=0.0, gan=1.0), None).generator_losses(sr, hq, discriminator)) == ["gan"]  # type: ignore[arg-type]


def test_generator_losses_do_not_change_the_discriminator() -> None:
    sr, hq = clips()
    sr.requires_grad_()
    discriminator = MeanDiscriminator()

    total_loss(Objective(Losses(gan=1.0), None).generator_losses(sr, hq, discriminator)).backward()  # type: ignore[arg-type, no-untyped-call]

    assert sr.grad is not None
    assert sr.grad.abs().max() > 0
    assert discriminator.factor.grad is None
    assert discriminator.factor.requires_grad


def test_the_l1_target_is_sharpened_only_if_set() -> None:
    sr, hq = clips()

    plain = Objective(Losses(), None).generator_losses(sr, hq, None)["l1"]
    other = Objective(Losses(sharpen=True), None).generator_losses(sr, hq, None)["l1"]

    assert plain == l1(sr, hq)
    assert other == l1(sr.flatten(0, 1), sharpen(hq.flatten(0, 1))) != plain


def test_the_first_half_of_the_discriminator_s_batch_is_real() -> None:
    maps = [torch.tensor([1.0, 1.0, 0.0, 0.0]).view(4, 1, 1, 1)]

    losses = Objective(Losses(gan=1.0), None).discriminator_losses(maps)

    assert {name: loss.item() for name, loss in losses.items()} == {"d_real": 0, "d_fake": 0}


def test_mse_is_weighted_and_left_out_like_other_losses() -> None:
    output, target = torch.rand(2, 1, 3, 8, 8), torch.rand(2, 1, 3, 8, 8)
    difference = output - target

    found = Objective(Losses(l1=0.5, mse=2), None).generator_losses(output, target, None)

    assert found.keys() == {"l1", "mse"}
    assert found["l1"].item() == pytest.approx(0.5 * difference.abs().mean().item())
    assert found["mse"].item() == pytest.approx(2 * difference.square().mean().item())
    assert Objective(Losses(l1=0, mse=1), None).generator_losses(output, target, None).keys() == {"mse"}
    assert Objective(Losses(), None).generator_losses(output, target, None).keys() == {"l1"}
