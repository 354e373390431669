"""Settings that every run has, whatever network it trains.

Source: docs/paper-and-release.md, 4.1 to 4.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi
from typing import Annotated, ClassVar, Literal, Self, get_args

import torch
from pydantic import Field, PlainValidator, model_validator
from torch import nn

from vsanimesr.errors import suggestion

from ..errors import SettingError
from ..losses.discriminator import DiscriminatorConfig, smallest_side
from ..losses.objective import SHARPEN_RADIUS, Losses
from ..origin import Origin, settings_origin
from ..settings import NonNegative, Probability, Settings

type Count = Annotated[int, Field(ge=1)]
type Rate = Annotated[float, Field(gt=0)]

MOST_WORKERS = 256


def _read_workers(value: object) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    number = int(value) if isinstance(value, str) and value.isdecimal() else value  # as text in name=value
    if type(number) is not int or not 0 <= number <= MOST_WORKERS:
        raise ValueError(f"write auto, or a number from 0 to {MOST_WORKERS}")
    return number


type Workers = Annotated[int | Literal["auto"], PlainValidator(_read_workers)]

PRESETS = ("finetune", "paper", "release", "debug")

SHORT_RUN = 20_000
"""Number of steps up to which a run counts as short. Measured were 500 steps (docs/reports/learning.md); the paper's
weights are made for 300,000. Where between the two the border should be was not measured."""
SHORT_WEIGHTS, PAPER_WEIGHTS = (0.02, 0.1), (1.0, 1.0)
"""Weights of the perceptual and the GAN loss in short runs, and in the paper."""


def loss_weights(steps: int) -> tuple[float, float]:
    """Return the weights of the perceptual and the GAN loss for a run of so many steps.

    With the paper's weights, the perceptual loss outweighs all others, and in a short run dark areas get a pattern
    before anything else improves.
    """
    return SHORT_WEIGHTS if steps <= SHORT_RUN else PAPER_WEIGHTS


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
    """Course of the learning rates after the warm-up. `constant`: as in the paper. `halved`: half the rate from the
    middle of the run on, as the release does for operators. `cosine`: falls to zero at the last step; good for short
    runs."""
    warm_up: Annotated[int, Field(ge=0)] = 0
    """Number of steps at the start in which the learning rates rise to their full height. Adam's first steps move each
    weight by the whole rate, whatever its gradient, which can make a trained recurrent network unstable."""

    def rate_factor(self, step: int, steps: int) -> float:
        """Return the factor by which warm-up and schedule multiply the learning rates at a step."""
        warm = min(1.0, (step + 1) / (self.warm_up + 1))
        match self.schedule:
            case "constant":
                return warm
            case "halved":
                return warm if 2 * step < steps else warm / 2
            case "cosine":
                return warm * 0.5 * (1 + cos(pi * step / steps))


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
    """Weights to start from: a name such as `v2` (`animesr weights` lists them), a weights file, a checkpoint, the
    folder of a run, or `random`. If empty, the weights are random too, but with a GAN loss that is refused: a GAN does
    not train well from there."""
    steps: Count = 300_000
    """Number of training steps."""
    batch: Count = 4
    """Clips in a step, for each process that trains."""
    parts: Count = 1
    """Parts in which a batch is run, one after the other. The gradients are those of the whole batch, to rounding, and
    take the memory of a part."""
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
    workers: Workers = "auto"
    """Processes that load clips, for each process that trains. `auto`: as many as the cores of this machine can feed.
    0: the training process does it itself."""
    memory: NonNegative = 16.0
    """GB of decoded clips to keep in a file of the cache folder, which all workers and later runs share. Reading is
    fastest if it fits into the main memory too. If HQ clips need more, the run learns from parts of all of them, which
    the log says; with more it learns from more of each. 0: frames are decoded each time they are used."""
    records: Records = Records()

    @property
    def layout(self) -> torch.memory_format:
        """The memory layout of frames and weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @model_validator(mode="after")
    def _require_equal_parts(self) -> Self:
        if self.batch % self.parts:
            raise ValueError(f"parts={self.parts} does not divide batch={self.batch}; set a number that does")
        return self

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

    def wrap_for_training(self, network: nn.Module, layout: torch.memory_format) -> nn.Module:
        """Wrap a network as for clips, with the outputs that the losses compare: its frames, unless said otherwise."""
        return self.wrap_for_clips(network, layout)

    def sample_sides(self) -> tuple[int, int, int]:
        """Return the frames of a sample, and the sides of its input and its target in pixels."""
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


PLACES = {"data", "start", "teacher", "lbo_pool", "losses.perceptual.weights"}
"""Settings that name files. The origin of a run names their content instead, so they may move."""
FREE = {"workers", "memory", "records"}
"""Settings that change no result. Where `memory` does, the parts of the clips are among the sources of the run."""


def deciding(settings: RunConfig) -> Origin:
    """Return the settings that decide a result. Of those that name files, an origin has the content instead."""
    return settings_origin(settings, PLACES | FREE)


def lasting(settings: RunConfig) -> Origin:
    """Return the settings that must stay as they are when a run is resumed.

    A run may be given more steps if the learning rate does not depend on their number.
    """
    steps = {"steps"} if settings.optimiser.schedule == "constant" else set()
    return settings_origin(settings, PLACES | FREE | steps)


def require_preset(name: str, presets: Sequence[str] = PRESETS) -> None:
    """Refuse an unknown preset.

    Raises:
        SettingError: there is no such preset.
    """
    if name not in presets:
        hint = suggestion(name, presets) or f"there are {', '.join(presets)}"
        raise SettingError(f"{name!r} is not a preset; {hint}")
