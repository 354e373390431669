"""The networks of a run with their optimisers: all that a step changes."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Adam

from vsanimesr.torch_network import AnimeSR

from .average import Average
from .checkpoints import State
from .discriminator import MultiScaleDiscriminator
from .lbo.operator import Framewise, Operator
from .lbo.stages import OperatorTraining
from .recurrence import Recurrence
from .stages import Stage, Training
from .weights import load


class Players:
    """The network, its moving average, and with a GAN loss the discriminator.

    Network and discriminator are there twice: plain, with their parameters by name; and as Fabric runs them, over all
    processes and with autocast.

    Args:
        settings: of the run; weights are random, by `seed`.
        scaler: of fp16's gradients.
    """

    def __init__(self, settings: Stage, fabric: Fabric, scaler: torch.amp.GradScaler | None) -> None:
        torch.manual_seed(settings.seed)
        self._settings = settings
        self._scaler = scaler
        self._fabric = fabric
        self.network = _network(settings)
        self.average = Average(self.network, settings.average)
        self.average.network.to(fabric.device)
        self.averaged = _over_clips(self.average.network, settings, torch.contiguous_format)
        self._layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.network.to(memory_format=self._layout)
        if settings.compile:
            self.network.compile()
        self.optimiser = self._adam(self.network)
        over_clips = _over_clips(self.network, settings, self._layout)
        self.run_network: Any
        self.run_network, self.optimiser = fabric.setup(over_clips, self.optimiser)
        self.discriminator: MultiScaleDiscriminator | None = None
        if settings.losses.gan:
            self._add_discriminator()

    def _add_discriminator(self) -> None:
        self.discriminator = MultiScaleDiscriminator(**self._settings.discriminator.model_dump())
        self.discriminator.to(memory_format=self._layout)
        self.discriminator_optimiser = self._adam(self.discriminator)
        self.run_discriminator: Any
        self.run_discriminator, self.discriminator_optimiser = self._fabric.setup(
            self.discriminator, self.discriminator_optimiser
        )

    def _adam(self, module: nn.Module) -> Any:
        return Adam(module.parameters(), betas=self._settings.optimiser.betas)

    def gradient(self) -> dict[str, torch.Tensor]:
        """The norm of the network's gradient, by name; nothing with fp16, where an infinite one is part of the plan."""
        if self._scaler:
            return {}
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        return {"gradient": nn.utils.get_total_norm(gradients)}

    def clip_gradient(self) -> None:
        """Shorten the network's gradient where it is longer than the settings allow."""
        if self._settings.optimiser.clip:
            self._fabric.clip_gradients(self.run_network, self.optimiser, max_norm=self._settings.optimiser.clip)

    def begin(self) -> None:
        """Put the weights where the settings say that they begin.

        Raises:
            CheckpointError: there are none, or they are of another network.
        """
        if self._settings.start:
            load(self._settings.start, self.network, self.average.network)

    def set_rates(self, step: int) -> None:
        """What both optimisers learn at in a step."""
        optimiser = self._settings.optimiser
        share = optimiser.share_at(step, self._settings.steps)
        _set_rate(self.optimiser, share * optimiser.rate)
        if self.discriminator:
            _set_rate(self.discriminator_optimiser, share * optimiser.discriminator_rate)

    def state_dict(self) -> State:
        return {name: each.state_dict() for name, each in self._parts().items()}

    def load_state_dict(self, state: State) -> None:
        for name, each in self._parts().items():
            each.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "network": self.network,
            "average": self.average.network,
            "optimiser": self.optimiser,
        }
        if self.discriminator:
            parts |= {"discriminator": self.discriminator, "discriminator_optimiser": self.discriminator_optimiser}
        if self._scaler:
            parts["scaler"] = self._scaler
        return parts


def _network(settings: Stage) -> AnimeSR | Operator:
    match settings:
        case Training():
            return AnimeSR(**settings.network.model_dump())
        case OperatorTraining():
            return Operator(**settings.operator.model_dump())
    raise TypeError(settings)


def _over_clips(network: AnimeSR | Operator, settings: Stage, layout: torch.memory_format) -> nn.Module:
    if isinstance(network, Operator):
        return Framewise(network, layout=layout)
    return Recurrence(network, layout=layout, recompute=isinstance(settings, Training) and settings.recompute)


def _set_rate(optimiser: Any, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
