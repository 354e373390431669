"""The discriminator: its sizes, scales and norms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from trainer.losses.discriminator import MultiScaleDiscriminator, smallest_side


def frames(side: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(side))


def test_sizes_are_those_of_the_release() -> None:
    """See docs/paper-and-release.md, 4.4."""
    discriminator = MultiScaleDiscriminator()

    assert sum(parameter.numel() for parameter in discriminator.parameters()) == 8_294_211
    assert [sum(p.numel() for p in scale.parameters()) for scale in discriminator.scales] == 3 * [2_764_737]
    assert [tuple(each.shape) for each in discriminator(frames(256))] == [(1, 1, 30, 30), (1, 1, 14, 14), (1, 1, 6, 6)]


def test_each_scale_sees_the_frame_at_half_the_size_of_the_previous_one() -> None:
    discriminator = MultiScaleDiscriminator(features=4).eval()
    half = functional.interpolate(frames(192), (96, 96), mode="bilinear", align_corners=True)
    quarter = functional.interpolate(half, (48, 48), mode="bilinear", align_corners=True)

    maps = discriminator(frames(192))

    for scale, scaled, expected in zip(discriminator.scales, (frames(192), half, quarter), maps, strict=True):
        assert torch.equal(scale(scaled), expected)


def test_weights_have_a_spectral_norm_of_1_after_some_steps() -> None:
    discriminator = MultiScaleDiscriminator(features=4)
    for _ in range(200):
        discriminator(frames(96))

    convolutions = [module for module in discriminator.modules() if isinstance(module, nn.Conv2d)]

    assert len(convolutions) == 15
    for conv in convolutions:
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)


def test_frames_of_a_batch_are_independent() -> None:
    discriminator = MultiScaleDiscriminator(features=4).eval()
    pair = torch.cat([frames(96), 1 - frames(96)])

    for alone, together in zip(discriminator(frames(96)), discriminator(pair), strict=True):
        assert torch.allclose(alone[0], together[0], atol=1e-6)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_frames_need_the_smallest_side(layers: list[int]) -> None:
    discriminator = MultiScaleDiscriminator(features=1, layers=tuple(layers)).eval()
    side = smallest_side(tuple(layers))

    assert all(each.numel() for each in discriminator(frames(side)))
    with pytest.raises(RuntimeError):
        discriminator(frames(side - 1))
