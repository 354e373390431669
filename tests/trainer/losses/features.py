"""Random weights of VGG, and torchvision's VGG."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torchvision.models import vgg as torchvision_vgg

from trainer.losses.vgg.network import Depth, expected_shapes
from trainer.losses.vgg.weights import VggWeights

LETTERS: dict[Depth, str] = {16: "D", 19: "E"}  # torchvision's names of the two configurations


def random_tensors(depth: Depth, seed: int = 0) -> dict[str, Tensor]:
    """Return weights that keep the scale of features, so that differences are visible at any depth."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for key, shape in expected_shapes(depth).items():
        scale = (2 / (9 * shape[1])) ** 0.5 if len(shape) == 4 else 0.3
        tensors[key] = torch.randn(shape, generator=generator) * scale
    return tensors


def random_weights(depth: Depth, seed: int = 0) -> VggWeights:
    return VggWeights(depth, f"random VGG{depth}", random_tensors(depth, seed))


@cache
def torchvision_features(depth: Depth) -> nn.Sequential:
    """Return torchvision's `features` with random weights. Its ReLUs do not work in place."""
    with torch.random.fork_rng([]):
        torch.manual_seed(depth)
        features: nn.Sequential = torchvision_vgg.make_layers(torchvision_vgg.cfgs[LETTERS[depth]])
        for layer in features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                layer.bias = nn.Parameter(0.3 * torch.randn(layer.out_channels))
    return features.requires_grad_(False)


def random_frames(*shape: int, seed: int = 0) -> Tensor:
    """Return noise in [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))
