"""Puts a training run together from its settings, and runs it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from ..data.samples import Samples
from ..losses.objective import Objective
from ..losses.perceptual import PerceptualLoss
from ..losses.vgg.weights import VggWeights, read_vgg
from ..origin import Origin
from . import checkpoints
from .batch import Batch
from .config import RunConfig
from .fabric import launch, process_count, require_device
from .loader import tune_malloc
from .loop import run_loop
from .run import Run, describe_sources, require_same
from .start import check_start, require_start
from .train_state import TrainState
from .validation import Scorer, Validation, Validator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_log = logging.getLogger(__name__)


class Teacher(Protocol):
    """Another network, whose outputs are learned instead of the samples' targets."""

    def sources(self) -> Origin:
        """Return what the teacher is made of, by content."""
        ...

    def to(self, device: torch.device) -> object:
        """Move the network to a device."""
        ...

    def teach(self, batch: Batch) -> Batch:
        """Return a batch on the device, with the outputs of the teacher as its target."""
        ...

    def objective(self, perceptual: PerceptualLoss | None) -> Objective:
        """Return what compares outputs with the teacher's."""
        ...


def run_training(
    samples: Samples,
    settings: RunConfig,
    folder: Path,
    operators: Sequence[str] = (),
    *,
    validation: Validation | None = None,
    scorer: Scorer | None = None,
    teacher: Teacher | None = None,
    renew: bool = False,
) -> None:
    """Train a network until the last step, until it no longer improves, or until a signal asks to stop.

    Args:
        folder: folder of the run. If it holds a checkpoint, training resumes there.
        operators: fingerprints of the learnable basic operators that degrade the samples.
        validation: when to score the network, and when to end. None for a network that is not scored.
        scorer: what scores it.
        teacher: what it learns from besides the samples.
        renew: train again what has other settings or sources than now, instead of refusing it.

    Raises:
        TrainerError: settings, samples, weights or a checkpoint cannot be used. Most faults are found before the first
            step.
    """
    require_start(settings)
    tune_malloc()
    fabric, scaler = launch(settings)
    if fabric.is_global_zero:
        samples.check()
        if scorer:
            scorer.check()
    state = TrainState(settings, fabric, scaler)
    vgg = _read_vgg(settings, fabric)
    perceptual = PerceptualLoss(settings.losses.perceptual, vgg).to(fabric.device) if vgg else None
    objective = teacher.objective(perceptual) if teacher else Objective(settings.losses, perceptual)
    if teacher:
        teacher.to(fabric.device)
    writes = fabric.is_global_zero
    sources = {}
    if writes:
        ranks = fabric.world_size
        sources = describe_sources(
            samples, settings, folder=folder, vgg=vgg, scorer=scorer, operators=operators, ranks=ranks
        ) | (teacher.sources() if teacher else {})
    validator = Validator(validation, scorer if writes else None, fabric.broadcast) if validation and scorer else None
    with fabric.rank_zero_first():  # it may remove a run, which the others should not load then
        run = Run(folder, settings, state, samples, sources, validator, writes=writes, renew=renew)
    run_loop(settings, fabric, samples, state, objective, run, teacher.teach if teacher else None)


def check_training(
    samples: Samples,
    settings: RunConfig,
    folder: Path,
    operator_count: int = 0,
    *,
    scorer: Scorer | None = None,
    renew: bool = False,
) -> None:
    """Check everything that a run needs, except its operators, without training and without changing anything.

    Args:
        folder: as for `run_training`.
        operator_count: number of operators that will degrade the samples.
        scorer: as for `run_training`.
        renew: as for `run_training`.

    Raises:
        TrainerError: as for `run_training`.
    """
    vgg = check_settings(settings, folder)
    samples.check()
    if scorer:
        scorer.check()
    if checkpoints.paths_in(folder) and not renew:
        ranks = process_count()
        sources = describe_sources(samples, settings, folder=folder, vgg=vgg, scorer=scorer, operators=(), ranks=ranks)
        require_same(folder, settings, sources | {"operators": str(operator_count)})


def check_settings(settings: RunConfig, folder: Path) -> VggWeights | None:
    """Check what a run needs besides its samples. Return the weights of the perceptual loss, if it has one.

    Raises:
        TrainerError: as for `run_training`.
    """
    require_start(settings)
    require_device(settings)
    if not checkpoints.paths_in(folder):
        check_start(settings)
    perceptual = settings.losses.perceptual
    return read_vgg(perceptual.weights) if perceptual.weight else None


def _read_vgg(settings: RunConfig, fabric: Fabric) -> VggWeights | None:
    """Return the weights of the perceptual loss, or None without this loss."""
    if not settings.losses.perceptual.weight:
        return None
    with fabric.rank_zero_first(local=True):  # one process may have to download them
        vgg = read_vgg(settings.losses.perceptual.weights)
    _log.info("the perceptual loss compares features of %s", vgg.name)
    return vgg
