"""The moving average of the weights."""

from __future__ import annotations

import torch
from torch import nn

from trainer.average import Average


def test_it_follows_by_its_decay_and_is_no_part_of_the_gradient() -> None:
    network = nn.Linear(2, 1)
    average = Average(network, 0.75)
    begin = average.network.weight.clone()
    with torch.no_grad():
        network.weight.fill_(8)
        network.bias.fill_(-8)

    average.follow(network)
    average.follow(network)

    assert torch.allclose(average.network.weight, begin * 0.75**2 + 8 * (1 - 0.75**2))
    assert (network.weight == 8).all()
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert not average.network.training
