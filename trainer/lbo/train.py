"""Training of an operator on its pairs: both stages, the operator's file, and a page that shows its effect."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vsanimesr.files import write_atomic

from ..core import checkpoints
from ..core.fabric import process_count
from ..core.start import RANDOM
from ..core.train import check_settings, check_training, run_training
from ..degradation.learned.pool import OPERATOR_FILE, PAIRS_PREFIX, read_operator_origin, save_operator
from ..errors import CheckpointError, SettingError
from ..origin import read_origin
from . import folder
from .config import STAGES, OperatorConfig
from .dataset import Pairs
from .effect import measure_effect, warn_if_worse, write_effect
from .patches import render_patches

_log = logging.getLogger(__name__)

type Configs = Callable[[str], OperatorConfig]
"""Returns the settings of a stage."""


def train_stages(path: Path, configs: Configs, stages: Sequence[str] = STAGES, *, renew: bool = False) -> bool:
    """Train stages one after the other, each from the weights of the previous one. All are checked before the first.

    Args:
        path: folder of an operator, with its pairs.
        configs: settings of each stage. `data` and `start` follow from the folder if they are empty.
        stages: names from `STAGES`.
        renew: train again what has other settings or sources than now, instead of refusing it.

    Returns:
        True after the last step, with the operator written; False after a request to stop.

    Raises:
        TrainerError: like `train_operator`.
    """
    check_stages(path, configs, stages, renew=renew)
    settings = list(_stage_settings(path, configs, stages))
    if not _is_later(path, settings[-1]) and (renew or not all(_is_finished(path, each) for each in settings)):
        for name in (OPERATOR_FILE, folder.EFFECT_FILE):  # while it is trained, nobody should take the old one for it
            (path / name).unlink(missing_ok=True)
    for each in settings:
        train_operator(each, folder.run(path, each.stage), renew=renew)
        if not _is_finished(path, each):
            return False
    _write_operator(path, settings[-1])
    return True


def check_stages(
    path: Path, configs: Configs, stages: Sequence[str] = STAGES, *, renew: bool = False, with_pairs: bool = True
) -> None:
    """Check everything that stages need, without training and without changing anything. See `train_stages`.

    Args:
        with_pairs: whether there are pairs to check too.

    Raises:
        TrainerError: like `train_operator`; or a stage was begun from weights that its previous one would now change.
    """
    if process_count() > 1:
        raise SettingError("an operator is small and trained by one process; run python -m trainer without torchrun")
    changes = ""
    for settings in list(_stage_settings(path, configs, stages)):
        run = folder.run(path, settings.stage)
        if changes and checkpoints.paths_in(run) and not renew:
            raise CheckpointError(
                f"{run} was trained from {changes}, which has more steps to train now. Set its steps as they were, or "
                "add --renew to train it again"
            )
        unpacked = settings.model_copy(update={"memory": 0.0})
        known = unpacked.model_copy(update={"start": RANDOM}) if changes else unpacked
        if with_pairs:
            check_training(_build_pairs(known), known, run, renew=renew)
        else:
            check_settings(known, run)
        if not _is_finished(path, settings):
            changes = settings.stage


def has_runs(path: Path) -> bool:
    """Return whether an operator was trained here, or begun."""
    return any(checkpoints.paths_in(folder.run(path, stage)) for stage in STAGES)


def is_trained(path: Path, configs: Configs) -> bool:
    """Return whether all stages have all their steps."""
    return all(_is_finished(path, settings) for settings in _stage_settings(path, configs, STAGES))


def train_operator(settings: OperatorConfig, folder: Path, *, renew: bool = False) -> None:
    """Train until the last step, or until a request to stop.

    Args:
        folder: folder of the run. If it holds a checkpoint, training resumes from it.
        renew: train again what has other settings or sources than now, instead of refusing it.

    Raises:
        TrainerError: settings, pairs or checkpoints cannot be used. Most faults are found before the first step.
    """
    finished = checkpoints.is_finished(folder, settings.steps) and not renew
    pairs = _build_pairs(settings.model_copy(update={"memory": 0.0}) if finished else settings)
    run_training(pairs, settings, folder, renew=renew)


def _stage_settings(path: Path, configs: Configs, stages: Sequence[str]) -> Iterator[OperatorConfig]:
    """Yield the settings of stages, in order. The first one may start from anything, the others from the one before."""
    first, *_ = stages = sorted(stages, key=STAGES.index)
    for stage in stages:
        config = configs(stage)
        previous = "" if stage == STAGES[0] else str(folder.run(path, STAGES[STAGES.index(stage) - 1]))
        start = (config.start or previous) if stage == first else previous
        yield config.model_copy(update={"data": config.data or str(path), "start": start})


def _build_pairs(settings: OperatorConfig) -> Pairs:
    if not settings.data:
        raise SettingError("data is not set; name a folder of lbo pairs, for example data=lbo1")
    return Pairs(
        Path(settings.data).expanduser(),
        size=settings.size,
        halves=settings.operator.halves,
        seed=settings.seed,
        flip=settings.flip,
        modes=settings.modes,
        memory=settings.memory,
    )


def _is_finished(path: Path, settings: OperatorConfig) -> bool:
    """Return whether the run of a stage has all its steps."""
    return checkpoints.is_finished(folder.run(path, settings.stage), settings.steps)


def _is_later(path: Path, settings: OperatorConfig) -> bool:
    """Return whether the operator in the folder is of a later stage."""
    stage = read_operator_origin(path).get("stage", STAGES[0])
    return STAGES.index(stage) > STAGES.index(settings.stage)


def _write_operator(path: Path, settings: OperatorConfig) -> None:
    """Write the operator of a stage and its page. One of a later stage stays."""
    if _is_later(path, settings):
        _log.info("%s stays: it is of a later stage than %s", path / OPERATOR_FILE, settings.stage)
        return
    run = folder.run(path, settings.stage)
    state = checkpoints.read_newest(run)
    operator = settings.build_network()
    operator.load_state_dict(state["ema"])
    operator.requires_grad_(False).eval()
    pairs = {f"{PAIRS_PREFIX}{name}": text for name, text in read_origin(folder.pairs(path)).items()}
    save_operator(path / OPERATOR_FILE, operator, checkpoints.origin_of(run, state, OperatorConfig) | pairs)
    buffer = io.BytesIO()
    render_patches(operator, path).save(buffer, "png")
    write_atomic(path / folder.PATCHES_FILE, buffer.getvalue())
    effect = measure_effect(operator, path)
    write_effect(path, effect)
    _log.info(
        "wrote the operator after %s to %s; %s shows its effect: %s",
        *(settings.stage, path / OPERATOR_FILE, folder.PATCHES_FILE, effect),
    )
    warn_if_worse(effect, path / OPERATOR_FILE)
