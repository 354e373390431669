"""The perceptual loss: its value, its gradient, and settings that are refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.trainer.losses.features import random_frames, random_weights, torchvision_features
from tests.trainer.losses.vgg.test_network import LAYERS, torchvision_values
from trainer.errors import LossError, SettingError
from trainer.losses.perceptual import Perceptual, PerceptualLoss
from trainer.losses.vgg.network import DEPTHS, Depth
from trainer.settings import override


def loss_with(features: nn.Sequential, depth: Depth) -> PerceptualLoss:
    """Return the loss with weights of torchvision's network."""
    weights = random_weights(depth)
    weights.tensors.update({f"features.{key}": value for key, value in features.state_dict().items()})
    return PerceptualLoss(Perceptual(), weights)


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_is_the_weighted_sum_of_the_paper(depth: Depth) -> None:
    features = torchvision_features(depth)
    sr, hq = random_frames(4, 3, 32, 24, seed=1), random_frames(4, 3, 32, 24, seed=2)

    found, expected = torchvision_values(features, sr), torchvision_values(features, hq)
    differences = [(found[layer] - expected[layer]).abs().mean().item() for layer in LAYERS[depth]]
    total = sum(weight * each for weight, each in zip((0.1, 0.1, 1, 1, 1), differences, strict=True))

    assert loss_with(features, depth)(sr, hq).item() == pytest.approx(total, rel=1e-5)


def test_only_sr_gets_a_gradient() -> None:
    loss = PerceptualLoss(Perceptual(), random_weights(16))
    sr, hq = (random_frames(2, 3, 16, 16, seed=seed).requires_grad_() for seed in (1, 2))

    loss(sr, hq).backward()

    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert hq.grad is None
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in loss.parameters())


def test_a_step_against_the_gradient_reduces_the_loss() -> None:
    loss = PerceptualLoss(Perceptual(), random_weights(16)).double()
    sr, hq = random_frames(1, 3, 16, 16, seed=1).double().requires_grad_(), random_frames(1, 3, 16, 16, seed=2).double()
    before = loss(sr, hq)
    (gradient,) = torch.autograd.grad(before, sr)
    step = 1e-8
    after = loss(sr - step * gradient, hq)

    assert (before - after).item() == pytest.approx(step * gradient.square().sum().item(), rel=1e-3)


def test_equal_frames_have_loss_0() -> None:
    frames = random_frames(2, 3, 16, 16)
    assert PerceptualLoss(Perceptual(), random_weights(16))(frames, frames).item() == 0


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from([0, 0.5, 2]), min_size=5, max_size=5).filter(any))
def test_blocks_are_weighted(blocks: list[float]) -> None:
    weights = random_weights(16)
    sr, hq = random_frames(1, 3, 16, 16, seed=1), random_frames(1, 3, 16, 16, seed=2)

    def loss(*values: float) -> float:
        value: float = PerceptualLoss(override(Perceptual(), [f"blocks={list(values)}"]), weights)(sr, hq).item()
        return value

    each = [loss(*(float(block == number) for block in range(5))) for number in range(5)]
    assert loss(*blocks) == pytest.approx(sum(value * one for value, one in zip(blocks, each, strict=True)), rel=1e-5)


def test_a_block_of_weight_0_is_not_computed() -> None:
    loss = PerceptualLoss(override(Perceptual(), ["blocks=[1,1,0,0,0]"]), random_weights(19))
    assert len([layer for layer in loss.modules() if isinstance(layer, nn.Conv2d)]) == 4


def test_frames_of_different_shapes_are_refused() -> None:
    loss = PerceptualLoss(Perceptual(), random_weights(16))
    with pytest.raises(LossError, match=r"SR has shape \(2, 3, 16, 16\), and HQ \(1, 3, 16, 16\)"):
        loss(random_frames(2, 3, 16, 16), random_frames(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("blocks=[0,0,0,0,0]", "all blocks are 0"),
        ("blocks=[1,1,1,1]", "blocks.4="),
        ("blocks=[1,1,1,1,-1]", "blocks.4=-1"),
    ],
)
def test_invalid_settings_are_refused(assignment: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        override(Perceptual(), [assignment])


def test_defaults_are_the_settings_of_the_paper() -> None:
    assert Perceptual() == Perceptual(weights="auto", blocks=(0.1, 0.1, 1, 1, 1))
    assert Perceptual.model_validate_json(Perceptual().model_dump_json()) == Perceptual()
