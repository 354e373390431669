"""Settings and presets of the stages that train the upscaling network.

Source: docs/paper-and-release.md, 4.1 to 4.5.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, ValidationInfo, field_validator, model_validator
from torch import nn

from vsanimesr.network.shapes import BLOCKS, FEATURES, SCALE, Shape
from vsanimesr.network.torch_network import AnimeSR

from ..core.config import PAPER_WEIGHTS, Count, Optimiser, Records, RunConfig, loss_weights, require_preset
from ..core.validation import Validation
from ..degradation.settings import LBO_PRESETS, Degradation
from ..degradation.settings import PRESETS as DEGRADATIONS
from ..losses.discriminator import DiscriminatorConfig
from ..losses.objective import Losses
from ..losses.perceptual import Perceptual
from ..settings import NonNegative, Settings, Shares, override
from .dataset import Sampling
from .recurrence import Recurrence, StateRecurrence

_log = logging.getLogger(__name__)

STAGES = ("vsr-l1", "vsr-gan", "vsr-final")


class Network(Settings):
    """Shape of the network. The default is that of the released networks."""

    features: Annotated[int, Field(ge=1, le=256)] = FEATURES
    """Channels of each layer, except the layer that fuses the scales."""
    blocks: Annotated[tuple[int, int, int], Field(strict=False)] = BLOCKS
    """Number of residual blocks at full, half and quarter size."""
    fusion: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Channels between the two convolutions of the layer that fuses the scales; null for 96 more than twice the
    features, as in the released networks."""
    multi_scale: bool = True
    """Run blocks at three sizes. If false, the same layers all run at full size, as in the paper's ablation (its table
    2); only the trainer runs such a network."""

    @field_validator("blocks")
    @classmethod
    def _require_shape(cls, blocks: tuple[int, int, int]) -> tuple[int, int, int]:
        return Shape(blocks=blocks).blocks

    @property
    def shape(self) -> Shape:
        """Its widths and depth."""
        return Shape(self.features, self.blocks, self.fusion)

    @field_validator("fusion")
    @classmethod
    def _normalise_fusion(cls, fusion: int | None, info: ValidationInfo) -> int | None:
        """Return None for the usual number too: it is the same network."""
        return Shape(info.data.get("features", FEATURES), fusion=fusion).fusion


class NetworkConfig(RunConfig):
    """Settings of a run whose network upscales."""

    shape_settings: ClassVar[str] = "network.features, network.blocks, network.fusion and network.multi_scale"

    network: Network = Network()
    sampling: Sampling = Sampling()
    degradation: Degradation = Degradation()
    validation: Validation = Validation()
    recompute: bool = False
    """Compute each frame again in the backward pass. This takes the memory of one frame instead of all, and a third
    more time."""

    def build_network(self) -> AnimeSR:
        return AnimeSR(**self.network.model_dump())

    def wrap_for_clips(self, network: nn.Module, layout: torch.memory_format) -> Recurrence:
        assert isinstance(network, AnimeSR)
        return Recurrence(network, layout=layout, recompute=self.recompute)

    def sample_sides(self) -> tuple[int, int, int]:
        return self.sampling.frames, self.sampling.size // SCALE, self.sampling.size

    @model_validator(mode="after")
    def _require_size(self) -> Self:
        self._require_side("sampling.size", self.sampling.size)
        return self

    @model_validator(mode="after")
    def _require_score_of_last_step(self) -> Self:
        every = self.validation.every
        if every and self.steps % every:
            raise ValueError(
                f"validation.every={every} does not divide steps={self.steps}, so the last step would not be scored; "
                "set one of them otherwise"
            )
        return self


class VSRConfig(NetworkConfig):
    """Settings of a run that trains the network that upscales."""

    stage: Literal["vsr-l1", "vsr-gan", "vsr-final"] = "vsr-l1"
    """Name of the stage. The command sets it."""
    lbo_pool: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Learned operators: folders of `lbo train`, or files of operators. One of them degrades the clips of a step, or
    each clip (degradation.down.lbo_choice), as degradation.down.lbo says."""
    degrade_on: Literal["auto", "workers", "device"] = "auto"
    """Where clips are degraded. `workers`: in the processes that load them, by operators made for a CPU. `device`:
    whole batches where the network trains, ahead of it; only the codec stays on the CPU. Values differ by rounding.
    `auto`: `device` on a GPU, else `workers`."""

    @model_validator(mode="after")
    def _require_use_of_pool(self) -> Self:
        if self.lbo_pool and not self.degradation.down.lbo:
            mode = self.degradation.down.lbo_mode
            use = 1 if mode == "after_down" else 0.5  # as in the presets
            raise ValueError(
                f"lbo_pool is set, and degradation.down.lbo=0 never uses it; set that to {use}, which fits "
                f"degradation.down.lbo_mode={mode}"
            )
        return self


class Mix(Shares):
    """Relative frequencies of the kinds of degradation that a student learns on."""

    own: NonNegative = 1
    """Frequency of what the group degradation says."""
    release: NonNegative = 1
    """Frequency of the degradation of the released code."""
    dvd: NonNegative = 1
    """Frequency of the faults of a DVD of fair quality."""
    clean: NonNegative = 1
    """Frequency of clips that are only scaled down and hardly compressed."""


class Distillation(Settings):
    """How a student is cut out of its teacher, and what it learns of it."""

    mix: Mix = Mix()
    clips: Count = 24
    """Clips by which the student is cut out of the teacher."""
    kept: Annotated[int, Field(ge=0)] = 0
    """Number of samples that the teacher answers once, before the first step. All epochs use them again, and so do
    other students on the same clips. 0: each sample is new, and the teacher runs in each step."""
    state: NonNegative = 0.05
    """Weight of the difference of the hidden states, in units of their deviation."""
    perceptual_frames: Count = 1
    """Frames of a sample that the perceptual loss compares: the last, and others at even distances before it."""


GROWTH = 10.0
"""Limit of a student's state, relative to that after the first frame. On 15 clips those of v1, v2 and v2-fast stayed
within 1.4 times that. Those of small students grew to 1e12 over 15 frames, and were lost."""


class DistilConfig(NetworkConfig):
    """Settings of a run in which a student learns from its teacher."""

    stage: Literal["distil"] = "distil"
    """Name of the stage. The command sets it."""
    teacher: str = ""
    """The network to learn from: `v1`, `v2`, a weights file, a checkpoint or the folder of a run. The command sets
    it."""
    distillation: Distillation = Distillation()

    def wrap_for_training(self, network: nn.Module, layout: torch.memory_format) -> StateRecurrence:
        assert isinstance(network, AnimeSR)
        return StateRecurrence(network, layout=layout, recompute=self.recompute, growth=GROWTH)

    @model_validator(mode="after")
    def _require_no_discriminator(self) -> Self:
        if self.losses.gan or self.losses.sharpen or self.sampling.sharpen_lines:
            raise ValueError(
                "a student learns its teacher's frames as they are: set losses.gan=0 losses.sharpen=false "
                "sampling.sharpen_lines=false"
            )
        return self

    @model_validator(mode="after")
    def _require_scales(self) -> Self:
        if not self.network.multi_scale:
            raise ValueError("a student is cut out of a network of three scales: set network.multi_scale=true")
        return self


NETWORK_CONFIGS = (VSRConfig, DistilConfig)
"""Settings of all runs whose network upscales."""

_TINY: dict[str, object] = {
    "network": Network(features=8, blocks=(2, 1, 1)),
    "discriminator": DiscriminatorConfig(features=8),
    "sampling": Sampling(frames=5, size=96),
    "steps": 10,
    "batch": 2,
    "workers": 0,
    "records": Records(log=1, save=5, preview=5),
}


FINETUNE_STEPS = 20_000
_FINETUNE: dict[str, object] = {
    "steps": FINETUNE_STEPS,
    "validation": Validation(every=500, patience=8),
    "records": Records(save=500),
}


def preset(stage: str, name: str) -> VSRConfig:
    """Return the preset settings of a stage.

    Args:
        name: `finetune` to improve a released network: few steps, scored on held-out clips, with an end when they no
            longer help; `paper` for what the paper says; `release` for what the released code does, where it differs;
            `debug` for a network and clips so small that ten steps take seconds.

    Raises:
        SettingError: there is no such preset.
    """
    require_preset(name)
    gan, final = stage in ("vsr-gan", "vsr-final"), stage == "vsr-final"
    perceptual, adversarial = loss_weights(FINETUNE_STEPS) if name == "finetune" else PAPER_WEIGHTS
    losses = Losses(
        sharpen=name == "release" and not gan,
        perceptual=Perceptual(weight=perceptual if gan and name != "debug" else 0.0),
        gan=adversarial if gan else 0.0,
    )
    values = {
        "stage": stage,
        "losses": losses,
        "optimiser": Optimiser(rate=1e-4 if gan else 2e-4),
        "degradation": (LBO_PRESETS if final else DEGRADATIONS)["release" if name == "release" else "paper"],
        **{"debug": _TINY, "finetune": _FINETUNE}.get(name, {}),
    }
    return VSRConfig.model_validate(values)


DISTIL_PRESETS = ("fast", "debug")


def distil_preset(teacher: str, name: str) -> DistilConfig:
    """Return the preset settings of a distillation.

    Args:
        name: `fast` for what made v2-fast, a student of 0.28 of the work of v2 (docs/reports/fast.md); `debug` for a
            student and clips so small that ten steps take seconds.

    Raises:
        SettingError: there is no such preset.
    """
    require_preset(name, DISTIL_PRESETS)
    values: dict[str, object] = {
        "teacher": teacher,
        "network": Network(features=32, fusion=112),
        "sampling": Sampling(frames=15, size=192),
        "batch": 2,
        "optimiser": Optimiser(rate=5e-4, clip=0.1, schedule="cosine", warm_up=200),
        "steps": 6000,
        "validation": Validation(every=500),
        "records": Records(save=500),
    }
    if name == "debug":
        student = {"network": Network(features=8, fusion=16), "distillation": Distillation(clips=4)}
        values |= _TINY | student | {"validation": Validation()}
    return DistilConfig.model_validate(values)


def configure(base: VSRConfig, assignments: Sequence[str]) -> VSRConfig:
    """Return the settings of a preset with some of them changed. The weights of the perceptual and the GAN loss fit the
    number of steps (`loss_weights`) where they are not among the changes. Those of the preset `debug` stay.

    Raises:
        SettingError: as for `override`.
    """
    settings = override(base, assignments)
    names = ("losses.perceptual.weight", "losses.gan")
    given = {text.partition("=")[0] for text in assignments}
    if not (base.losses.gan and base.losses.perceptual.weight):  # an L1 stage, or debug
        return settings
    weights = dict(zip(names, loss_weights(settings.steps), strict=True))
    taken = [f"{name}={weight}" for name, weight in weights.items() if name not in given]
    if taken:
        _log.info("%s, as fits %d steps", " and ".join(taken), settings.steps)
    return override(settings, taken)
