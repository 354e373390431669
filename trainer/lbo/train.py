"""Training of an operator on its pairs: both stages, the operator's file, and a page that shows its effect."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from vsanimesr.files import write_atomic

from ..core import checkpoints
from ..core.train import run_training
from ..degradation.learned.pool import OPERATOR_FILE, save_operator
from ..errors import SettingError
from . import folder
from .config import STAGES, OperatorConfig
from .dataset import Pairs
from .patches import render_patches

_log = logging.getLogger(__name__)

type Configs = Callable[[str], OperatorConfig]
"""Returns the settings of a stage."""


def train_stages(path: Path, configs: Configs, stages: Sequence[str] = STAGES) -> bool:
    """Train stages one after the other, each from the weights of the previous one.

    Args:
        path: folder of an operator, with its pairs.
        configs: settings of each stage. `data` and `start` follow from the folder if they are empty.
        stages: names from `STAGES`.

    Returns:
        True after the last step, with the operator written; False after a request to stop.

    Raises:
        TrainerError: like `train_operator`.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingError("an operator is small and trained by one process; run python -m trainer without torchrun")
    for stage in sorted(stages, key=STAGES.index):
        config = configs(stage)
        previous = "" if stage == STAGES[0] else str(folder.run(path, STAGES[0]))
        config = config.model_copy(update={"data": config.data or str(path), "start": config.start or previous})
        run = folder.run(path, stage)
        train_operator(config, run)
        state = checkpoints.read_newest(run)
        if state["step"] < config.steps:
            return False
        _write_operator(path, state, config)
    return True


def train_operator(settings: OperatorConfig, folder: Path) -> None:
    """Train until the last step, or until a request to stop.

    Args:
        folder: folder of the run. If it holds a checkpoint, training resumes from it.

    Raises:
        TrainerError: settings, pairs or checkpoints cannot be used. Most faults are found before the first step.
    """
    if not settings.data:
        raise SettingError("data is not set; name a folder of lbo pairs, for example data=lbo1")
    pairs = Pairs(
        Path(settings.data).expanduser(),
        size=settings.size,
        halves=settings.operator.halves,
        seed=settings.seed,
        flip=settings.flip,
        cache_size=settings.frame_cache * 1_000_000,
    )
    run_training(pairs, settings, folder)


def _write_operator(path: Path, state: checkpoints.State, settings: OperatorConfig) -> None:
    operator = settings.build_network()
    operator.load_state_dict(state["ema"])
    operator.requires_grad_(False).eval()
    save_operator(path / OPERATOR_FILE, operator)
    buffer = io.BytesIO()
    render_patches(operator, path).save(buffer, "png")
    write_atomic(path / folder.PATCHES_FILE, buffer.getvalue())
    _log.info(
        "wrote the operator after %s to %s; %s shows its effect",
        *(settings.stage, path / OPERATOR_FILE, folder.PATCHES_FILE),
    )
