"""Settings and presets of the stages that train the upscaling network.

Source: docs/paper-and-release.md, 4.1 to 4.5.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, field_validator, model_validator
from torch import nn

from vsanimesr.network.shapes import BLOCKS, FEATURES, Shape
from vsanimesr.network.torch_network import AnimeSR

from ..core.config import Optimiser, Records, RunConfig, require_preset
from ..degradation.settings import LBO_PRESETS, Degradation
from ..degradation.settings import PRESETS as DEGRADATIONS
from ..losses.discriminator import DiscriminatorConfig
from ..losses.objective import Losses
from ..losses.perceptual import Perceptual
from ..settings import Settings
from .dataset import Sampling
from .recurrence import Recurrence

STAGES = ("vsr-l1", "vsr-gan", "vsr-final")


class Network(Settings):
    """Shape of the network. The default is that of the released networks."""

    features: Annotated[int, Field(ge=1, le=256)] = FEATURES
    """Channels of each layer, except the layer that fuses the scales."""
    blocks: Annotated[tuple[int, int, int], Field(strict=False)] = BLOCKS
    """Number of residual blocks at full, half and quarter size."""
    multi_scale: bool = True
    """Run blocks at three sizes. If false, the same layers all run at full size, as in the paper's ablation (its table
    2); only the trainer runs such a network."""

    @field_validator("blocks")
    @classmethod
    def _require_shape(cls, blocks: tuple[int, int, int]) -> tuple[int, int, int]:
        return Shape(blocks=blocks).blocks


class VSRConfig(RunConfig):
    """Settings of a run that trains the network that upscales."""

    shape_settings: ClassVar[str] = "network.features, network.blocks and network.multi_scale"

    stage: Literal["vsr-l1", "vsr-gan", "vsr-final"] = "vsr-l1"
    """Name of the stage. The command sets it."""
    lbo_pool: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Learned operators: folders of `lbo train`, or files of operators. One of them degrades a clip, as
    degradation.down.lbo says."""
    network: Network = Network()
    sampling: Sampling = Sampling()
    degradation: Degradation = Degradation()
    recompute: bool = False
    """Compute each frame again in the backward pass. This takes the memory of one frame instead of all, and a third
    more time."""

    def build_network(self) -> AnimeSR:
        return AnimeSR(**self.network.model_dump())

    def wrap_for_clips(self, network: nn.Module, layout: torch.memory_format) -> Recurrence:
        assert isinstance(network, AnimeSR)
        return Recurrence(network, layout=layout, recompute=self.recompute)

    @model_validator(mode="after")
    def _require_size(self) -> Self:
        self._require_side("sampling.size", self.sampling.size)
        return self

    @model_validator(mode="after")
    def _require_use_of_pool(self) -> Self:
        if self.lbo_pool and not self.degradation.down.lbo:
            raise ValueError("lbo_pool is set, and degradation.down.lbo=0 never uses it; set that to 0.5, for example")
        return self


_TINY: dict[str, object] = {
    "network": Network(features=8, blocks=(2, 1, 1)),
    "discriminator": DiscriminatorConfig(features=8),
    "sampling": Sampling(frames=5, size=96),
    "steps": 10,
    "batch": 2,
    "workers": 0,
    "records": Records(log=1, save=5, preview=5),
}


def preset(stage: str, name: str) -> VSRConfig:
    """Return the preset settings of a stage.

    Args:
        name: `paper` for what the paper says; `release` for what the released code does, where it differs; `debug` for
            a network and clips so small that ten steps take seconds.

    Raises:
        SettingError: there is no such preset.
    """
    require_preset(name)
    gan, final = stage in ("vsr-gan", "vsr-final"), stage == "vsr-final"
    losses = Losses(
        sharpen=name == "release" and not gan,
        perceptual=Perceptual(weight=float(gan and name != "debug")),
        gan=float(gan),
    )
    values = {
        "stage": stage,
        "losses": losses,
        "optimiser": Optimiser(rate=1e-4 if gan else 2e-4),
        "degradation": (LBO_PRESETS if final else DEGRADATIONS)["release" if name == "release" else "paper"],
        **(_TINY if name == "debug" else {}),
    }
    return VSRConfig.model_validate(values)
