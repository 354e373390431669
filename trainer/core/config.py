"""Settings that every run has, whatever network it trains.

Source: docs/paper-and-release.md, 4.1 to 4.5.
"""

from __future__ import annotations

from math import cos, pi
from typing import Annotated, ClassVar, Literal, get_args

import torch
from pydantic import Field
from torch import nn

from vsanimesr.errors import suggestion

from ..errors import SettingError
from ..losses.discriminator import DiscriminatorConfig, smallest_side
from ..losses.objective import SHARPEN_RADIUS, Losses
from ..settings import NonNegative, Probability, Settings

type Count = Annotated[int, Field(ge=1)]
type Rate = Annotated[float, Field(gt=0)]

PRESETS = ("paper", "release", "debug")


class Optimiser(Settings):
    """The optimiser: Adam without weight decay."""

    rate: Rate = 2e-4
    """Learning rate of the network."""
    discriminator_rate: Rate = 1e-4
    """Learning rate of the discriminator."""
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = (0.9, 0.99)
    """Adam's decay rates for the mean of the gradient and of its square."""
    clip: NonNegative = 0.0
    """Largest norm of the network's gradient: a longer gradient is shortened to it. 0 turns clipping off, as in the
    paper. A recurrent network now and then gets a gradient that is hundreds of times as long as usual. With a high
    learning rate, such a gradient undoes thousands of steps."""
    schedule: Literal["constant", "halved", "cosine"] = "constant"
    """Course of the learning rates. `constant`: as in the paper. `halved`: half the rate from the middle of the run on,
    as the release does for operators. `cosine`: falls to zero at the last step; good for short runs."""

    def rate_factor(self, step: int, steps: int) -> float:
        """Return the factor by which the schedule multiplies the learning rates at a step."""
        match self.schedule:
            case "constant":
                return 1.0
            case "halved":
                return 1.0 if 2 * step < steps else 0.5
            case "cosine":
                return 0.5 * (1 + cos(pi * step / steps))


class Records(Settings):
    """What a run writes, and how often."""

    log: Count = 100
    """Steps between two rows of metrics.csv, which TensorBoard shows too. A row holds means over these steps."""
    save: Count = 5000
    """Steps between two checkpoints."""
    keep: Count = 3
    """Number of checkpoints to keep. Older ones are deleted."""
    preview: Annotated[int, Field(ge=0)] = 1000
    """Steps between two preview pictures, which show LR, SR and HQ side by side. 0 writes none."""


class RunConfig(Settings):
    """Settings of a run."""

    shape_settings: ClassVar[str]
    """The settings that decide the shape of the network's weights, for errors."""

    stage: str
    """Name of the stage. The command sets it."""
    data: str = ""
    """Folder of the training data: HQ clips, or the folder of an operator with its pairs."""
    start: str = ""
    """Weights to start from: `v1`, `v2`, a weights file, a checkpoint, or the folder of a run. If empty, the weights
    are random."""
    steps: Count = 300_000
    """Number of training steps."""
    batch: Count = 4
    """Clips in a step, for each process that trains."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random: initial weights, order of clips, crops, degradations."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: Losses = Losses()
    optimiser: Optimiser = Optimiser()
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the moving average of the weights (EMA), which is what is exported: after each step, this share of the
    average stays. 0 turns the average off."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format of the computation, by autocast. Weights stay in fp32. fp16 needs a GPU."""
    channels_last: bool = False
    """Memory layout of frames and weights: channels last. Faster with bf16 or fp16."""
    compile: bool = False
    """Compile the network with torch.compile: minutes at the start, then faster steps on a GPU."""
    workers: Annotated[int, Field(ge=0, le=256)] = 4
    """Processes that load and degrade clips, for each process that trains. 0: the training process does it itself."""
    frame_cache: Annotated[int, Field(ge=0)] = 0
    """Decoded frames to keep in memory, in MB for each worker. Helps if nearly all clips fit."""
    records: Records = Records()

    @classmethod
    def stages(cls) -> tuple[str, ...]:
        """Return the names of the stages that these settings are for."""
        return get_args(cls.model_fields["stage"].annotation)

    def build_network(self) -> nn.Module:
        """Create the network to train, with random weights."""
        raise NotImplementedError

    def wrap_for_clips(self, network: nn.Module, layout: torch.memory_format) -> nn.Module:
        """Wrap a network of `build_network` so that it takes clips, (batch, frames, 3, height, width)."""
        raise NotImplementedError

    def _require_side(self, name: str, size: int) -> None:
        """Refuse frames that are too small for a loss.

        Args:
            name: the setting that gives their size, for the error.
            size: height and width in pixels.
        """
        least = {
            "discriminator.layers": smallest_side(self.discriminator.layers) if self.losses.gan else 0,
            "losses.sharpen=true": SHARPEN_RADIUS + 1 if self.losses.sharpen else 0,
        }
        for reason, side in least.items():
            if size < side:
                raise ValueError(f"{name}={size} is too small for {reason}; set at least {side}")


CHANGEABLE = {"data", "steps", "workers", "frame_cache", "records"}
"""Settings that may change when a run is resumed. None of them changes what a step computes, except `steps` with a
cosine schedule.

Clips may move to another folder: their names and lengths tell whether they are the same clips."""


def require_preset(name: str) -> None:
    """Refuse an unknown preset.

    Raises:
        SettingError: there is no such preset.
    """
    if name not in PRESETS:
        hint = suggestion(name, PRESETS) or f"there are {', '.join(PRESETS)}"
        raise SettingError(f"{name!r} is not a preset; {hint}")
