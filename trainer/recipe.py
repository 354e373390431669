"""From bad old episodes to a network that repairs them: pairs, operators, the final stage, export."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import checkpoints
from .clips import opened_clip
from .export import export
from .lbo import stages
from .lbo.learned import learn
from .lbo.making import make_pairs
from .lbo.operator import NARROW
from .lbo.rescaling import require_factor
from .settings import changed
from .stages import preset
from .training import check, train

_log = logging.getLogger(__name__)

STAGE = "vsr-final"
MODEL = "model.safetensors"
OPERATOR_PREFIX = "lbo."
"""Of assignments that are for the operators' training; all others are for the network's."""
OPERATORS = f"operator.features={NARROW}"
"""What operators have where nobody says otherwise. Those of the paper have 64, and degrading by them takes several
times as long as all the rest, so that the network waits for its samples; with narrow ones it learns to repair as well
(docs/operators.md)."""


@dataclass(frozen=True)
class Recipe:
    """What is made of what.

    The upscaler makes pseudo-HQ, and is where the network begins; `factor` is that of all episodes, None for what is
    suggested for each.
    """

    episodes: Sequence[Path]
    data: str
    """A folder of HQ clips."""
    folder: Path
    """Where everything is kept. What lies there is not made again: the same recipe goes on where it was stopped."""
    upscaler: str = "v2"
    preset: str = "paper"
    count: int = 200
    """Of windows of each episode, at most."""
    factor: float | None = None


def follow(recipe: Recipe, assignments: Sequence[str]) -> Path | None:
    """Make a network.

    Returns:
        The file to upscale with; None where somebody has asked to stop.

    Raises:
        TrainerError: something is wrong with an episode, a setting, or what lies in the folder: before anything is
            made, where that can be known.
    """
    own = [OPERATORS, *(text.removeprefix(OPERATOR_PREFIX) for text in assignments if text.startswith(OPERATOR_PREFIX))]
    rest = [text for text in assignments if not text.startswith(OPERATOR_PREFIX)]
    episodes = {path: opened_clip(path, "episode") for path in recipe.episodes}
    folders = [recipe.folder / f"lbo{number}" for number in range(1, len(episodes) + 1)]
    given = [f"data={recipe.data}", f"start={recipe.upscaler}", f"lbo_pool=[{','.join(map(str, folders))}]"]
    settings = changed(preset(STAGE, recipe.preset), [*given, *rest])
    check(settings)
    for stage in stages.STAGES:
        changed(stages.preset(stage, recipe.preset), own)
    if recipe.factor is not None:
        require_factor(recipe.factor)
    for (path, episode), folder in zip(episodes.items(), folders, strict=True):
        _log.info("%s: pairs of %s", folder, path)
        make_pairs(episode, folder, model=recipe.upscaler, count=recipe.count, factor=recipe.factor, picks=None)
        if not learn(folder, recipe.preset, own):
            return None
    run = recipe.folder / STAGE
    train(settings, run)
    if checkpoints.newest(run)["step"] < settings.steps:
        return None
    export(run, recipe.folder / MODEL)
    return recipe.folder / MODEL


def script(model: Path, episode: Path) -> str:
    """The four lines that use it."""
    return f"""\
import vapoursynth as vs
core = vs.core
clip = core.bs.VideoSource({str(episode.resolve())!r})
core.animesr.Upscale(clip, model={str(model.resolve())!r}).set_output()"""
