"""Settings of the training of an operator, and presets.

Source: section 5.1 of the paper; docs/paper-and-release.md, 3.3.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from ..core.config import PAPER_WEIGHTS, Optimiser, Records, RunConfig, loss_weights, require_preset
from ..degradation.learned.operator import FEATURES, LBO_SCALE, Framewise, Operator
from ..degradation.settings import HALVING_MODES, Modes
from ..losses.discriminator import DiscriminatorConfig
from ..losses.objective import Losses
from ..losses.perceptual import Perceptual
from ..settings import Settings


class OperatorShape(Settings):
    """Shape of the operator."""

    halves: bool = False
    """Make the operator halve the size itself, as in the release. Otherwise it follows a stage of downscaling, as in
    equation 2 of the paper."""
    features: Annotated[int, Field(ge=1, le=256)] = FEATURES
    """Channels of the two inner layers. Fewer channels degrade faster."""


class OperatorConfig(RunConfig):
    """Settings of a run that trains an operator."""

    stage: Literal["lbo-l1", "lbo-gan"] = "lbo-l1"
    """Name of the stage. The command sets it."""
    shape_settings: ClassVar[str] = "operator.features and operator.halves"
    operator: OperatorShape = OperatorShape()
    size: Annotated[int, Field(ge=32, multiple_of=LBO_SCALE)] = 256
    """Height and width of the pseudo-HQ crop in pixels. The LQ crop has half."""
    modes: Modes = HALVING_MODES
    """How pseudo-HQ is halved for an operator that keeps the size: as `degradation.down.modes` when it is used."""
    flip: bool = False
    """Flip crops horizontally, flip them vertically and transpose them, each with a probability of one half, as in the
    release (docs/paper-and-release.md, 3.3). Faults of tape and broadcast have a direction, to the right along the
    line. From flipped pairs an operator learns the mean of eight directions: a faint rim on all sides."""

    def build_network(self) -> Operator:
        return Operator(**self.operator.model_dump())

    def wrap_for_clips(self, network: nn.Module, layout: torch.memory_format) -> Framewise:
        assert isinstance(network, Operator)
        return Framewise(network, layout=layout)

    def sample_sides(self) -> tuple[int, int, int]:
        half = self.size // LBO_SCALE
        return 1, self.size if self.operator.halves else half, half

    @model_validator(mode="after")
    def _require_size(self) -> Self:
        self._require_side("half of size", self.size // LBO_SCALE)
        return self


STAGES = OperatorConfig.stages()

FINETUNE_STEPS = 10_000
_DEBUG: dict[str, object] = {
    "discriminator": DiscriminatorConfig(features=8, layers=(3,)),
    "size": 64,
    "steps": 10,
    "batch": 2,
    "workers": 0,
    "records": Records(log=1, save=5, preview=5),
}


def preset(stage: str, name: str) -> OperatorConfig:
    """Return the settings of a stage in a preset.

    `paper` trains with the losses and schedule of the network, for an operator that follows a stage of downscaling.
    `release` trains like the release's code, for an operator that halves the size. `debug` trains ten steps on tiny
    crops. `finetune` is `paper` with the 10,000 steps that narrow operators were measured with
    (docs/reports/operators.md), and with the loss weights of short runs.

    Raises:
        SettingError: there is no such preset.
    """
    require_preset(name)
    gan, release = stage == "lbo-gan", name == "release"
    perceptual, adversarial = loss_weights(FINETUNE_STEPS) if name == "finetune" else PAPER_WEIGHTS
    values = {
        "stage": stage,
        "operator": OperatorShape(halves=release),
        "flip": release,
        "losses": Losses(
            mse=float(release and not gan),
            perceptual=Perceptual(weight=perceptual if gan and name != "debug" else 0.0),
            gan=adversarial if gan else 0.0,
        ),
        "optimiser": Optimiser(rate=1e-4 if gan else 2e-4, schedule="halved" if release else "constant"),
        "discriminator": DiscriminatorConfig(layers=(3,) if release else (3, 3, 3)),
        "ema": 0.0,  # the paper does not mention it, and the release has none for operators
        "steps": FINETUNE_STEPS if name == "finetune" else 100_000,
        "batch": 16,
        **(_DEBUG if name == "debug" else {}),
    }
    return OperatorConfig.model_validate(values)
