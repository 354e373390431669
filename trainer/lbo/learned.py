"""From pairs to an operator: both stages, then what is used and what is looked at."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from vsanimesr.files import write_whole

from .. import checkpoints
from ..errors import SettingError
from ..settings import changed
from . import folder
from .operator import Operator
from .patches import drawn_patches
from .pool import save_operator
from .stages import STAGES, OperatorTraining, preset
from .training import train_operator

_log = logging.getLogger(__name__)


def learn(path: Path, name: str, assignments: Sequence[str], stages: Sequence[str] = STAGES) -> bool:
    """Train stages one after the other, each from where the one before it ended.

    Args:
        path: the folder of an operator, with its pairs.
        name: of the preset.
        assignments: changes of it, `name=value` each.
        stages: of `STAGES`.

    Returns:
        Whether all are done, and the operator is written; else somebody has asked to stop.

    Raises:
        TrainerError: as `train_operator`.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise SettingError("an operator is small, and trained by one process; start python -m trainer without torchrun")
    for stage in sorted(stages, key=STAGES.index):
        first = stage == STAGES[0]
        own = [f"data={path}", *([] if first else [f"start={folder.run(path, STAGES[0])}"])]
        settings = changed(preset(stage, name), [*own, *assignments])
        run = folder.run(path, stage)
        train_operator(settings, run)
        state = checkpoints.newest(run)
        if state["step"] < settings.steps:
            return False
        _write(path, state, settings)
    return True


def _write(path: Path, state: checkpoints.State, settings: OperatorTraining) -> None:
    operator = Operator(**settings.operator.model_dump())
    operator.load_state_dict(state["average"])
    operator.requires_grad_(False).eval()
    save_operator(path / folder.OPERATOR, operator)
    buffer = io.BytesIO()
    drawn_patches(operator, path).save(buffer, "png")
    write_whole(path / folder.PATCHES, buffer.getvalue())
    _log.info("%s is the operator after %s; %s shows it", path / folder.OPERATOR, settings.stage, folder.PATCHES)
