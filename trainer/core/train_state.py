"""Everything that a training step changes: networks, EMA, optimisers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from ..losses.discriminator import MultiScaleDiscriminator
from .checkpoints import State
from .config import RunConfig
from .start import load_start

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class TrainState:
    """The network with its EMA and optimiser, and with a GAN loss the discriminator with its optimiser.

    Network and discriminator exist twice: as plain modules, whose parameters have their own names, and as Fabric runs
    them, over all processes and with autocast (`run_network`, `run_discriminator`).

    Args:
        settings: settings of the run. Weights are random, by `seed`.
        scaler: scaler of fp16 gradients, else None.
    """

    def __init__(self, settings: RunConfig, fabric: Fabric, scaler: torch.amp.GradScaler | None) -> None:
        torch.manual_seed(settings.seed)
        self._settings = settings
        self._scaler = scaler
        self._fabric = fabric
        self.network = settings.build_network()
        self.ema = EMA(self.network, settings.ema)
        self.ema.network.to(fabric.device)
        self.preview_network = settings.wrap_for_clips(self.ema.network, torch.contiguous_format)
        self.network.to(memory_format=settings.layout)
        if settings.compile:
            self.network.compile()
        self.optimiser = self._build_adam(self.network)
        wrapped = settings.wrap_for_training(self.network, settings.layout)
        self.run_network: Any
        self.run_network, self.optimiser = fabric.setup(wrapped, self.optimiser)
        self.discriminator: MultiScaleDiscriminator | None = None
        if settings.losses.gan:
            self._add_discriminator()

    def _add_discriminator(self) -> None:
        self.discriminator = MultiScaleDiscriminator(**self._settings.discriminator.model_dump())
        self.discriminator.to(memory_format=self._settings.layout)
        self.discriminator_optimiser = self._build_adam(self.discriminator)
        self.run_discriminator: Any
        self.run_discriminator, self.discriminator_optimiser = self._fabric.setup(
            self.discriminator, self.discriminator_optimiser
        )

    def set_discriminator(self, *, fixed: bool) -> None:
        """Say whether the norms of the discriminator's weights stay as the last pass has left them.

        Else each pass brings them closer to the true ones. A batch in parts takes one such step, like a whole one.
        """
        if self.discriminator:
            self.discriminator.train(not fixed)

    def _build_adam(self, module: nn.Module) -> Any:
        return Adam(module.parameters(), betas=self._settings.optimiser.betas)

    def load_start(self) -> None:
        """Load the weights that the settings start from, if they name any.

        Raises:
            CheckpointError: there are none, or they belong to another network.
        """
        if self._settings.start:
            load_start(self._settings.start, self.network, self.ema.network, self._settings.shape_settings)

    def gradient_norm(self) -> dict[str, Tensor]:
        """Return the norm of the network's gradient, by name.

        Empty with fp16: there the scaler tries scales that overflow now and then, and skips those steps.
        """
        if self._scaler:
            return {}
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        return {"gradient_norm": nn.utils.get_total_norm(gradients)}

    def clip_gradient(self) -> None:
        """Shorten the network's gradient to the length that the settings allow."""
        if self._settings.optimiser.clip:
            self._fabric.clip_gradients(
                self.run_network,
                self.optimiser,
                max_norm=self._settings.optimiser.clip,
                error_if_nonfinite=False,  # that would wait for the GPU; the loop looks at the norm
            )

    def set_rates(self, step: int) -> None:
        """Set the learning rates of both optimisers for a step."""
        optimiser = self._settings.optimiser
        factor = optimiser.rate_factor(step, self._settings.steps)
        _set_rate(self.optimiser, factor * optimiser.rate)
        if self.discriminator:
            _set_rate(self.discriminator_optimiser, factor * optimiser.discriminator_rate)

    def weights(self) -> State:
        """Return the weights of the last step, and their moving average, by name."""
        return {"network": self.network.state_dict(), "ema": self.ema.network.state_dict()}

    def state_dict(self) -> State:
        """Return the state of all parts, by name."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: State) -> None:
        """Put back a state of `state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"network": self.network, "ema": self.ema.network, "optimiser": self.optimiser}
        if self.discriminator:
            parts |= {"discriminator": self.discriminator, "discriminator_optimiser": self.discriminator_optimiser}
        if self._scaler:
            parts["scaler"] = self._scaler
        return parts


def _set_rate(optimiser: Any, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


class EMA[M: nn.Module]:
    """Exponential moving average of a network's weights, as a second network.

    Args:
        network: the averages begin as a copy of its weights.
        decay: share of the average that stays in a step: 0.999 in the release.
    """

    def __init__(self, network: M, decay: float) -> None:
        self.network: M = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay

    @torch.no_grad()
    def update(self, network: M) -> None:
        """Move the averages towards the current weights of the network."""
        averages, weights = (list[Tensor](each.parameters()) for each in (self.network, network))
        torch._foreach_lerp_(averages, weights, 1 - self._decay)
