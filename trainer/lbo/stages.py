"""The stages of training an operator and their presets (the paper's section 5.1, facts 3.3)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..perceptual import Perceptual
from ..settings import Settings
from ..stages import Discriminator, Losses, Optimiser, Records, Stage, require_preset
from .operator import FEATURES, HALVING


class Shape(Settings):
    """What is trained."""

    halves: bool = False
    """Whether it halves the size itself (the release), or comes after a scaling down (the paper's equation 2)."""
    features: Annotated[int, Field(ge=1, le=256)] = FEATURES
    """Channels of its two inner layers. A narrower one degrades faster."""


class OperatorTraining(Stage):
    """A run of an operator."""

    stage: Literal["lbo-l1", "lbo-gan"] = "lbo-l1"
    operator: Shape = Shape()
    size: Annotated[int, Field(ge=32, multiple_of=HALVING)] = 256
    """Sides of the pseudo-HQ crop, in pixels; the LQ one has half."""
    turned: bool = False
    """Whether crops are mirrored left to right, upside down, and along the diagonal, each for half of them, as in the
    release (facts 3.3). What tape and broadcast do is done along the line, to the right: an operator that learns from
    mirrored pairs learns the mean of eight directions, a faint rim on all sides."""

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        self._require_side("half of size", self.size // HALVING)
        return self


STAGES = ("lbo-l1", "lbo-gan")

_TINY: dict[str, object] = {
    "discriminator": Discriminator(features=8, layers=(3,)),
    "size": 64,
    "steps": 10,
    "batch": 2,
    "workers": 0,
    "records": Records(log=1, save=5, show=5),
}


def preset(stage: str, name: str) -> OperatorTraining:
    """The settings of a stage, before the user's own.

    `paper` trains as the network is trained, an operator that comes after a scaling down; `release` as its code does,
    one that halves; `debug` for ten steps on tiny crops.

    Raises:
        SettingError: there is no such preset.
    """
    require_preset(name)
    gan, released = stage == "lbo-gan", name == "release"
    given = {
        "stage": stage,
        "operator": Shape(halves=released),
        "turned": released,
        "losses": Losses(
            mse=float(released and not gan),
            perceptual=Perceptual(weight=float(gan and name != "debug")),
            gan=float(gan),
        ),
        "optimiser": Optimiser(rate=1e-4 if gan else 2e-4, schedule="halved" if released else "constant"),
        "discriminator": Discriminator(layers=(3,) if released else (3, 3, 3)),
        "average": 0.0,  # the paper does not speak of one, the release has none here
        "steps": 100_000,
        "batch": 16,
        **(_TINY if name == "debug" else {}),
    }
    return OperatorTraining.model_validate(given)
