"""Times a training step, on a smaller one where a whole one takes too long."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..core.batch import Batch
from ..core.config import RunConfig
from ..core.loop import fastest_kernels, train_step
from ..core.train_state import TrainState
from ..lbo.config import OperatorConfig
from ..losses.discriminator import smallest_side
from ..losses.objective import Objective
from ..losses.perceptual import PerceptualLoss
from ..losses.vgg.network import Depth, expected_shapes
from ..losses.vgg.weights import VggWeights
from ..vsr.config import VSRConfig
from .timing import seconds_each

if TYPE_CHECKING:
    from lightning_fabric import Fabric

DEPTH: Depth = 19
"""Depth of the VGG whose time is taken: that of the paper, with random weights."""
SMALL = ((1, 2, 64), (1, 2, 96), (1, 3, 128), (1, 5, 192), (1, 8, 256))
"""Clips, frames and pixels a side of smaller steps."""


@dataclass(frozen=True)
class Load:
    """Size of a step."""

    clips: int
    frames: int
    side: int
    """Height and width of the larger frames, in pixels."""

    @property
    def pixels(self) -> int:
        return self.clips * self.frames * self.side**2

    def __str__(self) -> str:
        return f"{self.clips} x {self.frames} frames of {self.side}x{self.side}"


@dataclass(frozen=True)
class StepTime:
    """Time of a step."""

    seconds: float
    """Of a whole step of the settings."""
    measured: Load
    whole: Load

    @property
    def scaled(self) -> bool:
        return self.measured != self.whole


def time_step(settings: RunConfig, fabric: Fabric, scaler: torch.amp.GradScaler | None, budget: float) -> StepTime:
    """Time a training step on noise. If a whole step takes too long, that of a smaller one is scaled by its pixels.

    Args:
        budget: seconds for all of it. The smallest step is timed in any case.
    """
    end = time.monotonic() + budget
    state = TrainState(settings, fabric, scaler)
    objective = Objective(settings.losses, _perceptual(settings, fabric))
    whole = _whole(settings)
    best: tuple[float, Load] | None = None
    with fastest_kernels(fabric.device):
        for load in _loads(settings, whole):
            # Twice a step: the first is not counted.
            if best and 2.2 * best[0] * load.pixels / best[1].pixels > end - time.monotonic():
                break
            batch = _noise(settings, load).to(fabric.device)
            parts = settings.parts if load == whole else 1
            left = end - time.monotonic() if load == whole else 0.0
            try:
                seconds = seconds_each(
                    lambda batch=batch, parts=parts: train_step(fabric, state, objective, batch, parts),  # type: ignore[misc]
                    left,
                    fabric.device,
                )
            except torch.OutOfMemoryError:
                if not best:
                    raise
                break
            best = seconds, load
    assert best
    return StepTime(best[0] * whole.pixels / best[1].pixels, best[1], whole)


def _loads(settings: RunConfig, whole: Load) -> Iterator[Load]:
    """Yield sizes from small to whole, of which each has sides that the losses take."""
    halved = 2 if isinstance(settings, OperatorConfig) else 1  # the operator's losses see half the side
    least = halved * smallest_side(settings.discriminator.layers) if settings.losses.gan else 0
    for clips, frames, side in SMALL:
        load = Load(min(clips, whole.clips), min(frames, whole.frames), min(max(side, least), whole.side))
        if load.pixels < whole.pixels / 1.5:
            yield load
    yield whole


def _whole(settings: RunConfig) -> Load:
    if isinstance(settings, OperatorConfig):
        return Load(settings.batch, 1, settings.size)
    assert isinstance(settings, VSRConfig)
    return Load(settings.batch, settings.sampling.frames, settings.sampling.size)


def _noise(settings: RunConfig, load: Load) -> Batch:
    """Return noise of the shapes that the samples of these settings have."""
    if isinstance(settings, OperatorConfig):
        target = load.side // 2
        given = load.side if settings.operator.halves else target
    else:
        target, given = load.side, load.side // 4
    shape = load.clips, load.frames, 3
    return Batch(
        torch.rand(*shape, given, given), torch.randint(0, 256, (*shape, target, target), dtype=torch.uint8), 0
    )


def _perceptual(settings: RunConfig, fabric: Fabric) -> PerceptualLoss | None:
    if not settings.losses.perceptual.weight:
        return None
    tensors = {
        name: torch.randn(shape) * math.sqrt(2 / (9 * shape[1])) if len(shape) > 1 else torch.zeros(shape)
        for name, shape in expected_shapes(DEPTH).items()
    }
    return PerceptualLoss(settings.losses.perceptual, VggWeights(DEPTH, "noise", tensors)).to(fabric.device)
