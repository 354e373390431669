"""The stages of training and their presets: everything that can be set about a run, in one tree.

Source: the paper's section 5.1, facts 4.1 to 4.5.
"""

from __future__ import annotations

from difflib import get_close_matches
from math import cos, pi
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from vsanimesr.network import BLOCKS, FEATURES, Shape

from .dataset import Sampling
from .degradation.settings import LEARNED, Degradation
from .degradation.settings import PRESETS as DEGRADATIONS
from .discriminator import smallest_side
from .errors import SettingError
from .losses import RADIUS
from .perceptual import Perceptual
from .settings import NonNegative, Probability, Settings

type Count = Annotated[int, Field(ge=1)]
type Rate = Annotated[float, Field(gt=0)]


class Network(Settings):
    """What is trained; the default is the released network."""

    features: Annotated[int, Field(ge=1, le=256)] = FEATURES
    """Channels of each layer but the fusion's."""
    blocks: Annotated[tuple[int, int, int], Field(strict=False)] = BLOCKS
    """Residual blocks at full, half and quarter size."""
    multi_scale: bool = True
    """False: the same layers, all at full size (the paper's table 2)."""

    @field_validator("blocks")
    @classmethod
    def _fewer(cls, blocks: tuple[int, int, int]) -> tuple[int, int, int]:
        return Shape(blocks=blocks).blocks


class Discriminator(Settings):
    """What judges the frames of a GAN stage (facts 4.4)."""

    features: Annotated[int, Field(ge=1, le=1024)] = 64
    layers: Annotated[tuple[Annotated[int, Field(ge=1, le=6)], ...], Field(strict=False, min_length=1)] = (3, 3, 3)
    """For each scale, how many layers halve the size."""


class Losses(Settings):
    """What is minimised: a weight of 0 leaves a loss out."""

    l1: NonNegative = 1.0
    mse: NonNegative = 0.0
    """The mean of squared differences, as in the release's first stage of operators (facts 3.3)."""
    sharpened: bool = False
    """L1 against the sharpened HQ frame, as in the release's first stage (facts 4.2); the paper does not say so."""
    perceptual: Perceptual = Perceptual()
    gan: NonNegative = 0.0


class Optimiser(Settings):
    """Adam, without weight decay."""

    rate: Rate = 2e-4
    """Of the network."""
    discriminator_rate: Rate = 1e-4
    betas: Annotated[tuple[Probability, Probability], Field(strict=False)] = (0.9, 0.99)
    clip: NonNegative = 0.0
    """The largest norm of the network's gradient, longer ones are shortened; 0: none is, as in the paper. A recurrence
    now and then has one that is hundreds of times as long, and a high rate makes of it thousands of lost steps."""
    schedule: Literal["constant", "halved", "cosine"] = "constant"
    """`constant` as in the paper; `halved` from the middle on, as the release has it for operators; `cosine` goes down
    to nothing at the last step: for short runs."""

    def share_at(self, step: int, steps: int) -> float:
        """Of the rates, at a step."""
        match self.schedule:
            case "constant":
                return 1.0
            case "halved":
                return 1.0 if 2 * step < steps else 0.5
            case "cosine":
                return 0.5 * (1 + cos(pi * step / steps))


class Records(Settings):
    """What is written, every how many steps."""

    log: Count = 100
    """A row of metrics.csv, and TensorBoard's scalars: means since the last one."""
    save: Count = 5000
    """A checkpoint."""
    keep: Count = 3
    """So many checkpoints stay."""
    show: Annotated[int, Field(ge=0)] = 1000
    """A strip of pictures: LR, SR, HQ; 0 is never."""


class Stage(Settings):
    """What every run has, whatever it trains."""

    data: str = ""
    """A folder: of HQ clips, or of pairs."""
    start: str = ""
    """Where the network begins: `v1`, `v2`, a file of weights, a checkpoint or a run; nothing: from scratch."""
    steps: Count = 300_000
    batch: Count = 4
    """Clips in a step, for each process."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    discriminator: Discriminator = Discriminator()
    losses: Losses = Losses()
    optimiser: Optimiser = Optimiser()
    average: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """How much of the moving average of the weights stays in a step; 0: there is none."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of what autocast puts in 16 bits; weights stay in fp32. fp16 needs a GPU."""
    channels_last: bool = False
    compile: bool = False
    """By torch.compile: minutes at the start, faster steps on a GPU."""
    workers: Annotated[int, Field(ge=0, le=256)] = 4
    """Processes that make samples, for each process that trains; 0: itself."""
    memory: Annotated[int, Field(ge=0)] = 0
    """MB of decoded pictures that each of these keeps: worth it where all clips nearly fit."""
    records: Records = Records()

    def _require_side(self, name: str, size: int) -> None:
        """Refuse frames that are too small for a loss."""
        least = {
            "discriminator.layers": smallest_side(self.discriminator.layers) if self.losses.gan else 0,
            "losses.sharpened=true": RADIUS + 1 if self.losses.sharpened else 0,
        }
        for reason, side in least.items():
            if size < side:
                raise ValueError(f"{name}={size} is too small for {reason}; set at least {side}")


class Training(Stage):
    """A run of the network that upscales."""

    stage: Literal["vsr-l1", "vsr-gan", "vsr-final"] = "vsr-l1"
    lbo_pool: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Folders of `lbo train`, or files of operators; one of them degrades a clip (see degradation.down)."""
    network: Network = Network()
    sampling: Sampling = Sampling()
    degradation: Degradation = Degradation()
    recompute: bool = False
    """Compute each frame again on the way back: the memory of one frame instead of all (see `recurrence`)."""

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        self._require_side("sampling.size", self.sampling.size)
        return self

    @model_validator(mode="after")
    def _pool_of_use(self) -> Self:
        if self.lbo_pool and not self.degradation.down.lbo:
            raise ValueError("lbo_pool is set, and degradation.down.lbo=0 never uses it; set that to 0.5, say")
        return self


FREE = {"data", "steps", "workers", "memory", "records"}
"""What may change when a run goes on: nothing in it changes what a step computes, but `steps` the end of a cosine.

Clips may move to another folder: that they are the same ones is checked by their names and lengths."""

_TINY: dict[str, object] = {
    "network": Network(features=8, blocks=(2, 1, 1)),
    "discriminator": Discriminator(features=8),
    "sampling": Sampling(frames=5, size=96),
    "steps": 10,
    "batch": 2,
    "workers": 0,
    "records": Records(log=1, save=5, show=5),
}


def preset(stage: str, name: str) -> Training:
    """The settings of a stage, before the user's own.

    `paper` is what the paper says, `release` what its code does where that differs, `debug` a network and clips so
    small that ten steps take seconds.

    Raises:
        SettingError: there is no such preset.
    """
    require_preset(name)
    gan, final = stage in ("vsr-gan", "vsr-final"), stage == "vsr-final"
    losses = Losses(
        sharpened=name == "release" and not gan,
        perceptual=Perceptual(weight=float(gan and name != "debug")),
        gan=float(gan),
    )
    given = {
        "stage": stage,
        "losses": losses,
        "optimiser": Optimiser(rate=1e-4 if gan else 2e-4),
        "degradation": (LEARNED if final else DEGRADATIONS)["release" if name == "release" else "paper"],
        **(_TINY if name == "debug" else {}),
    }
    return Training.model_validate(given)


def require_preset(name: str) -> None:
    """Refuse an unknown name.

    Raises:
        SettingError: there is no such preset.
    """
    if name not in PRESETS:
        close = get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(PRESETS)}"
        raise SettingError(f"{name!r} is not a preset; {hint}")


PRESETS = ("paper", "release", "debug")
STAGES = ("vsr-l1", "vsr-gan", "vsr-final")
