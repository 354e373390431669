"""VGG has torchvision's features and weight names, and computes only the layers that are needed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.trainer.losses.features import random_frames, random_tensors, torchvision_features
from trainer.errors import LossError
from trainer.losses.vgg.network import DEPTHS, Depth, Vgg, expected_shapes, last_layers

LAYERS: dict[Depth, tuple[str, ...]] = {
    16: ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
    19: ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"),
}


def torchvision_values(features: nn.Sequential, frames: Tensor) -> dict[str, Tensor]:
    """Return torchvision's features before and after each ReLU, by layer. Layers are counted independently here."""
    mean, deviation = (
        torch.tensor(values).view(1, 3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    values = (frames - mean) / deviation
    found = {}
    block, number = 1, 0
    for layer in features[:-1]:  # without the last pooling
        values = layer(values)
        if isinstance(layer, nn.MaxPool2d):
            block, number = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            number += 1
            found[f"conv{block}_{number}"] = values
        else:
            found[f"relu{block}_{number}"] = values
    return found


@pytest.mark.parametrize("depth", DEPTHS)
@settings(deadline=None, max_examples=5)
@given(height=st.integers(16, 40), width=st.integers(16, 40), batch=st.integers(1, 3))
def test_features_are_torchvision_s(depth: Depth, height: int, width: int, batch: int) -> None:
    reference = torchvision_features(depth)
    state = {f"features.{key}": value for key, value in reference.state_dict().items()}
    frames = random_frames(batch, 3, height, width)

    expected = torchvision_values(reference, frames)
    found: dict[str, Tensor] = Vgg(depth, tuple(expected), state)(frames)

    assert len(found) == 2 * (depth - 3)
    assert found.keys() == expected.keys()
    for layer, values in expected.items():
        torch.testing.assert_close(found[layer], values, msg=layer)


@pytest.mark.parametrize("depth", DEPTHS)
def test_names_and_shapes_are_torchvision_s(depth: Depth) -> None:
    state = torchvision_features(depth).state_dict()

    assert {f"features.{key}": tuple(value.shape) for key, value in state.items()} == expected_shapes(depth)
    assert list(Vgg(depth, LAYERS[depth], random_tensors(depth)).state_dict()) == list(expected_shapes(depth))


@pytest.mark.parametrize("depth", DEPTHS)
def test_last_layers_of_each_block(depth: Depth) -> None:
    assert last_layers(depth, "conv") == LAYERS[depth]
    assert last_layers(depth, "relu") == tuple(layer.replace("conv", "relu") for layer in LAYERS[depth])


def count_calls(network: Vgg, frames: Tensor) -> int:
    """Return the number of convolutions that run."""
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    network(frames)
    return calls


@pytest.mark.parametrize(("layers", "convolutions"), [(("conv1_1",), 1), (("relu3_3", "conv2_1"), 7), ((), 0)])
def test_deeper_layers_are_not_computed(layers: tuple[str, ...], convolutions: int) -> None:
    network = Vgg(19, layers, random_tensors(19))

    assert count_calls(network, random_frames(1, 3, 16, 16)) == convolutions
    assert len(network.state_dict()) == 2 * convolutions, "layers that are not computed are not kept either"


def test_features_do_not_depend_on_the_other_layers() -> None:
    """An in-place ReLU could change the features before it."""
    tensors, frames = random_tensors(16), random_frames(1, 3, 24, 24)
    every = [f"{kind}{layer[4:]}" for layer in LAYERS[16] for kind in ("conv", "relu")]
    together: dict[str, Tensor] = Vgg(16, every, tensors)(frames)

    for layer in every:
        alone: dict[str, Tensor] = Vgg(16, (layer,), tensors)(frames)
        assert alone.keys() == {layer}
        assert torch.equal(alone[layer], together[layer])
        assert (alone[layer].min() < 0) == layer.startswith("conv")


def test_weights_are_frozen_and_gradients_reach_the_frames() -> None:
    tensors = random_tensors(16)
    network = Vgg(16, ("conv3_3",), tensors)
    frames = random_frames(1, 3, 16, 16).requires_grad_()

    network(frames)["conv3_3"].sum().backward()

    assert frames.grad is not None
    assert frames.grad.abs().sum() > 0
    assert not [name for name, weight in network.named_parameters() if weight.requires_grad]
    assert not network.training
    network.half()
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values()), "the given tensors do not change"


def test_the_frames_are_not_changed() -> None:
    frames = random_frames(1, 3, 16, 16)
    before = frames.clone()
    Vgg(16, ("relu5_3",), random_tensors(16))(frames)
    assert torch.equal(frames, before)


@pytest.mark.parametrize("layer", ["conv3_5", "conv6_1", "conv0_1", "pool3", "relu", "3_1"])
def test_unknown_layers_are_refused(layer: str) -> None:
    with pytest.raises(ValueError, match=f"VGG19 has no layer '{layer}'"):
        Vgg(19, ("conv1_1", layer), {})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((16, 3, 16), r"have shape \(16, 3, 16\)"),
        ((1, 1, 16, 16), r"have shape \(1, 1, 16, 16\)"),
        ((1, 3, 16, 15), "15x16 pixels, and VGG needs 16x16"),
    ],
)
def test_frames_of_a_wrong_shape_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(LossError, match=message):
        Vgg(16, ("conv5_1",), random_tensors(16))(torch.zeros(shape))
