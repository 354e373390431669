"""Trains a network for the faults of old episodes: pairs, operators, final stage, export."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .core import checkpoints
from .data.clips import require_clip
from .degradation.learned.operator import NARROW_FEATURES
from .lbo.config import STAGES, OperatorConfig
from .lbo.config import preset as operator_preset
from .lbo.pairs import make_pairs
from .lbo.rescaling import require_factor
from .lbo.train import train_stages
from .settings import override
from .vsr.config import VSRConfig, preset
from .vsr.export import export
from .vsr.train import check, train

_log = logging.getLogger(__name__)

STAGE = "vsr-final"
MODEL_FILE = "model.safetensors"
OPERATOR_PREFIX = "lbo."
"""Prefix of assignments for the training of operators. All others are for the training of the network."""


@dataclass(frozen=True)
class Recipe:
    """Inputs and outputs of a recipe."""

    episodes: Sequence[Path]
    """LQ episodes: videos, or folders of images."""
    data: str
    """Folder of HQ clips."""
    folder: Path
    """Folder for all results. What it already holds is not made again, so the same recipe resumes where it stopped."""
    upscaler: str = "v2"
    """Network that makes pseudo-HQ, and whose weights the training starts from."""
    preset: str = "paper"
    count: int = 200
    """Largest number of windows of each episode."""
    factor: float | None = None
    """Input rescaling of all episodes; None for the factor that is suggested for each."""


def run_recipe(recipe: Recipe, assignments: Sequence[str]) -> Path | None:
    """Train a network.

    Args:
        recipe: inputs and outputs.
        assignments: texts `name=value`, or `lbo.name=value` for the training of operators.

    Returns:
        The model file for the filter, or None after a request to stop.

    Raises:
        TrainerError: an episode, a setting, or something in the folder cannot be used. Most faults are found before
            anything is made.
    """
    for_operators = [text.removeprefix(OPERATOR_PREFIX) for text in assignments if text.startswith(OPERATOR_PREFIX)]
    for_network = [text for text in assignments if not text.startswith(OPERATOR_PREFIX)]
    episodes = {path: require_clip(path, "episode") for path in recipe.episodes}
    folders = [recipe.folder / f"lbo{number}" for number in range(1, len(episodes) + 1)]
    settings = _network_config(recipe, folders, for_network)
    check(settings)
    configs = partial(_operator_config, recipe.preset, for_operators)
    for stage in STAGES:
        configs(stage)
    if recipe.factor is not None:
        require_factor(recipe.factor)
    for (path, episode), folder in zip(episodes.items(), folders, strict=True):
        _log.info("%s: pairs of %s", folder, path)
        make_pairs(episode, folder, model=recipe.upscaler, count=recipe.count, factor=recipe.factor, pick_factor=None)
        if not train_stages(folder, configs):
            return None
    run = recipe.folder / STAGE
    train(settings, run)
    if checkpoints.read_newest(run)["step"] < settings.steps:
        return None
    export(run, recipe.folder / MODEL_FILE)
    return recipe.folder / MODEL_FILE


def _network_config(recipe: Recipe, pool: Sequence[Path], assignments: Sequence[str]) -> VSRConfig:
    """Return the settings of the final stage.

    Folders are put in as they are. As text in assignments, a comma in a name would separate two folders.
    """
    folders = {"data": recipe.data, "start": recipe.upscaler, "lbo_pool": tuple(map(str, pool))}
    return override(preset(STAGE, recipe.preset).model_copy(update=folders), assignments)


def _operator_config(name: str, assignments: Sequence[str], stage: str) -> OperatorConfig:
    """Return the settings of an operator's stage: those of a preset, with narrow operators, and with assignments.

    Operators with the paper's 64 features degrade so slowly that training waits for its samples. With narrow ones the
    network learns to repair as well (docs/reports/operators.md).
    """
    config = operator_preset(stage, name)
    narrow = config.operator.model_copy(update={"features": NARROW_FEATURES})
    return override(config.model_copy(update={"operator": narrow}), assignments)


def write_script(model: Path, episode: Path) -> str:
    """Return a VapourSynth script that upscales an episode with a model file."""
    return f"""\
import vapoursynth as vs
core = vs.core
clip = core.bs.VideoSource({str(episode.resolve())!r})
core.animesr.Upscale(clip, model={str(model.resolve())!r}).set_output()"""
