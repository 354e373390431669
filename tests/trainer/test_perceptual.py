"""The perceptual loss is the paper's sum, only SR gets a gradient, and settings that make no sense are refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.errors import LossError, SettingError
from trainer.perceptual import Perceptual, PerceptualLoss
from trainer.settings import changed
from trainer.vgg import DEPTHS, Depth

from .features import pictures, random_weights, torchvision_features
from .test_vgg import LAYERS, torchvision_values


def loss_over(features: nn.Sequential, depth: Depth) -> PerceptualLoss:
    """The loss of the paper, over torchvision's network."""
    weights = random_weights(depth)
    weights.tensors.update({f"features.{key}": value for key, value in features.state_dict().items()})
    return PerceptualLoss(Perceptual(), weights)


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_is_the_sum_of_the_paper(depth: Depth) -> None:
    features = torchvision_features(depth)
    sr, hq = pictures(4, 3, 32, 24, seed=1), pictures(4, 3, 32, 24, seed=2)

    found, wanted = torchvision_values(features, sr), torchvision_values(features, hq)
    differences = [(found[layer] - wanted[layer]).abs().mean().item() for layer in LAYERS[depth]]
    expected = sum(weight * each for weight, each in zip((0.1, 0.1, 1, 1, 1), differences, strict=True))

    assert loss_over(features, depth)(sr, hq).item() == pytest.approx(expected, rel=1e-5)


def test_only_sr_gets_a_gradient() -> None:
    loss = PerceptualLoss(Perceptual(), random_weights(16))
    sr, hq = (pictures(2, 3, 16, 16, seed=seed).requires_grad_() for seed in (1, 2))

    loss(sr, hq).backward()

    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert hq.grad is None
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in loss.parameters())


def test_its_gradient_leads_to_hq() -> None:
    """A step against it makes the loss smaller, as far as the gradient says."""
    loss = PerceptualLoss(Perceptual(), random_weights(16)).double()
    sr, hq = pictures(1, 3, 16, 16, seed=1).double().requires_grad_(), pictures(1, 3, 16, 16, seed=2).double()
    before = loss(sr, hq)
    (gradient,) = torch.autograd.grad(before, sr)
    step = 1e-8
    after = loss(sr - step * gradient, hq)

    assert (before - after).item() == pytest.approx(step * gradient.square().sum().item(), rel=1e-3)


def test_equal_frames_cost_nothing() -> None:
    frames = pictures(2, 3, 16, 16)
    assert PerceptualLoss(Perceptual(), random_weights(16))(frames, frames).item() == 0


@settings(deadline=None, max_examples=10)
@given(st.lists(st.sampled_from([0, 0.5, 2]), min_size=5, max_size=5).filter(any))
def test_blocks_count_as_much_as_they_are_set_to(blocks: list[float]) -> None:
    weights = random_weights(16)
    sr, hq = pictures(1, 3, 16, 16, seed=1), pictures(1, 3, 16, 16, seed=2)

    def cost(*values: float) -> float:
        found: float = PerceptualLoss(changed(Perceptual(), [f"blocks={list(values)}"]), weights)(sr, hq).item()
        return found

    each = [cost(*(float(block == number) for block in range(5))) for number in range(5)]
    assert cost(*blocks) == pytest.approx(sum(value * one for value, one in zip(blocks, each, strict=True)), rel=1e-5)


def test_of_a_block_with_0_nothing_is_computed() -> None:
    loss = PerceptualLoss(changed(Perceptual(), ["blocks=[1,1,0,0,0]"]), random_weights(19))
    assert len([layer for layer in loss.modules() if isinstance(layer, nn.Conv2d)]) == 4


def test_frames_of_two_sizes() -> None:
    loss = PerceptualLoss(Perceptual(), random_weights(16))
    with pytest.raises(LossError, match=r"SR is of shape \(2, 3, 16, 16\), and HQ of \(1, 3, 16, 16\)"):
        loss(pictures(2, 3, 16, 16), pictures(1, 3, 16, 16))


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("blocks=[0,0,0,0,0]", "all blocks are 0"),
        ("blocks=[1,1,1,1]", "blocks.4="),
        ("blocks=[1,1,1,1,-1]", "blocks.4=-1"),
        ("weights=3", "weights=3"),
    ],
)
def test_settings_that_make_no_sense(assignment: str, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        changed(Perceptual(), [assignment])


def test_the_settings_of_the_paper() -> None:
    assert Perceptual() == Perceptual(weights="auto", blocks=(0.1, 0.1, 1, 1, 1))
    assert Perceptual.model_validate_json(Perceptual().model_dump_json()) == Perceptual()
