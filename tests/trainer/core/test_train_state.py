"""EMA: the moving average of the weights."""

from __future__ import annotations

import torch
from torch import nn

from trainer.core.train_state import EMA


def test_the_average_follows_by_its_decay_and_has_no_gradient() -> None:
    network = nn.Linear(2, 1)
    ema = EMA(network, 0.75)
    begin = ema.network.weight.clone()
    with torch.no_grad():
        network.weight.fill_(8)
        network.bias.fill_(-8)

    ema.update(network)
    ema.update(network)

    assert torch.allclose(ema.network.weight, begin * 0.75**2 + 8 * (1 - 0.75**2))
    assert (network.weight == 8).all()
    assert not any(parameter.requires_grad for parameter in ema.network.parameters())
    assert not ema.network.training
