"""Puts a training run together from its settings, and runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_fabric import Fabric

from ..data.samples import Samples
from ..losses.objective import Objective
from ..losses.perceptual import PerceptualLoss
from ..losses.vgg.weights import VggWeights, read_vgg
from .config import RunConfig
from .fabric import launch
from .loader import tune_malloc
from .loop import run_loop
from .run import Run, Sources
from .train_state import TrainState


def run_training(samples: Samples, settings: RunConfig, folder: Path, operators: Sequence[str] = ()) -> None:
    """Train a network until the last step, or until a signal asks to stop.

    Args:
        folder: folder of the run. If it holds a checkpoint, training resumes there.
        operators: fingerprints of the learnable basic operators that degrade the samples.

    Raises:
        TrainerError: settings, samples, weights or a checkpoint cannot be used. Most faults are found before the first
            step.
    """
    tune_malloc()
    fabric, scaler = launch(settings)
    if fabric.is_global_zero:
        samples.check()
    state = TrainState(settings, fabric, scaler)
    vgg = _read_vgg(settings, fabric)
    perceptual = PerceptualLoss(settings.losses.perceptual, vgg).to(fabric.device) if vgg else None
    objective = Objective(settings.losses, perceptual)
    sources = Sources(samples.lengths(), vgg.name if vgg else "", list(operators))
    run = Run(folder, settings, state, samples, sources, writes=fabric.is_global_zero)
    run_loop(settings, fabric, samples, state, objective, run)


def _read_vgg(settings: RunConfig, fabric: Fabric) -> VggWeights | None:
    """Return the weights of the perceptual loss, or None without this loss."""
    if not settings.losses.perceptual.weight:
        return None
    with fabric.rank_zero_first(local=True):  # one process may have to download them
        return read_vgg(settings.losses.perceptual.weights)
