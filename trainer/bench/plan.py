"""What is measured, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..core.config import RunConfig
from ..core.fabric import launch
from ..core.loader import cores_per_process, load_batches, worker_count
from ..core.loop import fastest_kernels, train_step
from ..core.train_state import TrainState
from ..degradation.learned.operator import NARROW_FEATURES
from ..lbo.config import OperatorConfig
from ..lbo.config import preset as operator_preset
from ..losses.objective import Objective
from ..settings import override
from ..vsr.config import VSRConfig, preset
from ..vsr.train import build_samples, degrades_on_device
from .data import DataTime, decode_clips, time_data
from .steps import StepTime, time_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WARM_UP = 3
"""Steps before waiting is measured: the first batch is never ready."""


@dataclass(frozen=True)
class Stage:
    """A stage of training."""

    name: str
    settings: RunConfig
    step: StepTime
    data: DataTime | None
    """None for an operator: its pairs are small, and nothing degrades them."""

    def supply(self, device: torch.device) -> dict[str, float]:
        """Return how many clips a second each part of the loading gives, by its name."""
        if not self.data:
            return {}
        assert isinstance(self.settings, VSRConfig)
        cores = cores_per_process()
        workers = worker_count(self.settings.workers, device) or 1
        if not degrades_on_device(self.settings):
            return {"loading": min(workers, cores) / self.data.on_core}
        core = self.data.read + self.data.parts["codec"]
        return {"reading": min(workers, cores) / self.data.read, "codec": 1 / self.data.encode, "cores": cores / core}

    def seconds(self, device: torch.device) -> dict[str, float]:
        """Return the seconds that a step would take by each thing that may limit it. The largest one does."""
        batch, supply = self.settings.batch, self.supply(device)
        step = self.step.seconds
        if self.data and device.type == "cpu":
            step += batch * self.data.on_core / cores_per_process()  # the cores that train load too
        elif self.data and self.data.device and "codec" in supply:
            step += batch * self.data.device  # the GPU degrades between the steps
        return {"step": step, **{name: batch / rate for name, rate in supply.items()}}

    def hours(self, device: torch.device) -> float:
        """Return the hours of all steps."""
        return self.settings.steps * max(self.seconds(device).values()) / 3600


@dataclass(frozen=True)
class Waiting:
    """A run of some steps with clips that are loaded meanwhile."""

    steps_per_second: float
    share: float
    """Part of the time in which the next batch was waited for."""


@dataclass(frozen=True)
class Outcome:
    """Everything that was measured."""

    device: torch.device
    stages: dict[str, tuple[Stage, ...]]
    """Stages of each preset."""
    waiting: Waiting | None
    """None where a whole step takes too long to run some."""


def run_bench(data: str, assignments: Sequence[str], seconds: float, say: Callable[[str], None]) -> Outcome:
    """Measure the presets of this machine.

    Args:
        data: folder of HQ clips.
        assignments: settings of the network's stages that differ from the presets, `name=value`.
        seconds: time for all measurements. Those that have begun are finished.
        say: is told what is measured.
    """
    l1, gan, final, other, other_gan = (
        override(preset(stage, name).model_copy(update={"data": data}), assignments)
        for stage, name in (
            *(("vsr-l1", "paper"), ("vsr-gan", "paper"), ("vsr-final", "finetune")),
            *(("vsr-l1", "release"), ("vsr-gan", "release")),
        )
    )
    fabric, scaler = launch(l1)
    degraded: dict[str, DataTime] = {}
    for name, settings in (("paper", l1), ("release", other), ("operators", final)):
        say(f"reading and degrading clips, {name}")
        degraded[name] = time_data(settings, fabric.device, 0.13 * seconds)
    steps: dict[str, StepTime] = {}
    networks: dict[str, RunConfig] = {"L1": l1, "GAN": gan}
    for name, each in (networks | {config.stage: config for config in _operators()}).items():
        say(f"steps, {name}")
        steps[name] = time_step(each, fabric, scaler, 0.12 * seconds)
    waiting = None
    if not steps["L1"].scaled:
        say("steps with clips that are loaded meanwhile")
        waiting = _wait(l1, fabric, scaler, 0.13 * seconds)
    stages = {
        "paper": (
            Stage("vsr-l1", l1, steps["L1"], degraded["paper"]),
            Stage("vsr-gan", gan, steps["GAN"], degraded["paper"]),
        ),
        "release": (
            Stage("vsr-l1", other, steps["L1"], degraded["release"]),
            Stage("vsr-gan", other_gan, steps["GAN"], degraded["release"]),
        ),
        "recipe": (
            *(Stage(each.stage, each, steps[each.stage], None) for each in _operators()),
            Stage("vsr-final", final, steps["GAN"], degraded["operators"]),
        ),
    }
    return Outcome(fabric.device, stages, waiting)


def time_stage(settings: RunConfig, seconds: float) -> float:
    """Return the seconds of a step of a stage, with those in which it waits for its clips.

    Args:
        seconds: time for all measurements. Those that have begun are finished.

    Raises:
        TrainerError: settings or clips cannot be used.
    """
    fabric, scaler = launch(settings)
    data = time_data(settings, fabric.device, seconds / 2) if isinstance(settings, VSRConfig) else None
    stage = Stage(settings.stage, settings, time_step(settings, fabric, scaler, seconds / 2), data)
    return max(stage.seconds(fabric.device).values())


def _operators() -> list[OperatorConfig]:
    """Return the stages of an operator as `recipe` trains it."""
    return [
        override(operator_preset(stage, "finetune"), [f"operator.features={NARROW_FEATURES}"])
        for stage in OperatorConfig.stages()
    ]


def _wait(settings: VSRConfig, fabric: Fabric, scaler: torch.amp.GradScaler | None, budget: float) -> Waiting:
    state = TrainState(settings, fabric, scaler)
    objective = Objective(settings.losses, None)
    samples = build_samples(settings, decode_clips(settings), ())
    batches = load_batches(samples, settings, step=0, rank=0, ranks=1, device=fabric.device)
    waited, begun, steps = 0.0, time.perf_counter(), -WARM_UP
    end = time.monotonic() + budget
    with closing(batches), fastest_kernels(fabric.device):
        while steps < 1 or time.monotonic() < end:
            if steps == 0:
                waited, begun = 0.0, time.perf_counter()
            asked = time.perf_counter()
            loaded = next(batches)
            waited += time.perf_counter() - asked
            train_step(fabric, state, objective, loaded.to(fabric.device), settings.parts)
            if fabric.device.type == "cuda":
                torch.cuda.synchronize(fabric.device)
            steps += 1
    whole = time.perf_counter() - begun
    return Waiting(steps / whole, waited / whole)
