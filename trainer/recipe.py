"""Trains a network for the faults of old episodes: pairs, operators, final training, export, a page of the result."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from vsanimesr.errors import AnimeSRError
from vsanimesr.network.colour import Colour
from vsanimesr.weights.release import MODEL_NAMES

from .advice.estimates import (
    Estimate,
    estimate_decoding,
    estimate_page,
    estimate_pairs,
    estimate_training,
    log_estimates,
)
from .advice.hq import advise_on_hq
from .advice.sources import require_fit_sources
from .core import checkpoints
from .core.start import RANDOM, describe_start, is_run
from .data.clips import Episode, require_clip
from .degradation.learned.operator import LBO_SCALE, NARROW_FEATURES
from .degradation.learned.pool import pairs_folder
from .degradation.settings import Modes
from .errors import CheckpointError, PairError, SettingError
from .lbo import pairs
from .lbo.config import STAGES, OperatorConfig
from .lbo.config import preset as operator_preset
from .lbo.factor import read_choice
from .lbo.folder import run as run_folder
from .lbo.pairs import make_pairs
from .lbo.rescaling import FACTORS, require_factor, scaled_size
from .lbo.train import Configs, check_stages, has_runs, is_trained, train_stages
from .report.page import Result, write_report
from .settings import override
from .vsr.config import VSRConfig, configure, preset
from .vsr.export import export
from .vsr.train import check, train
from .vsr.weights import load_network

_log = logging.getLogger(__name__)

FIRST_STAGE, STAGE = "vsr-l1", "vsr-final"
TWO_STAGES = {"paper"}
"""Presets whose final training has a first stage by L1, with operators too (docs/paper-and-release.md, 8.6)."""
MODEL_FILE, REPORT_FILE = "model.safetensors", "report.html"
OPERATOR_PREFIX, FIRST_PREFIX, LOSSES_PREFIX = "lbo.", "l1.", "losses."
"""Prefixes of assignments: for the training of operators; for the first stage of the network alone; and of those that
the first stage does not take from the others. All others are for the training of the network."""

type Stages = Sequence[tuple[VSRConfig, Path]]
"""The stages of the network, in order: settings and folder of the run."""


@dataclass(frozen=True)
class Recipe:
    """Inputs and outputs of a recipe."""

    episodes: Sequence[Path]
    """LQ episodes: videos, or folders of images."""
    data: str
    """Folder of HQ clips."""
    folder: Path
    """Folder for all results. What it holds is kept where it was made of the same, so the same recipe resumes where it
    stopped."""
    upscaler: str = "v2"
    """Network that makes pseudo-HQ."""
    preset: str = "finetune"
    count: int = 200
    """Largest number of windows of each episode."""
    factor: float | None = None
    """Input rescaling of all episodes; None for the factor that is suggested for each."""
    colour: Colour = "source"
    """Whose colours pseudo-HQ has (docs/colours.md)."""
    renew: bool = False
    """Train again what was trained with other settings or sources, instead of refusing it."""
    start: str = ""
    """Weights that the training of the network starts from. If empty, those of the upscaler."""
    estimate: bool = True
    """Say first how long it takes, by a trial of each stage."""
    as_is: bool = False
    """Take sources that look combed, or are anamorphic, as they are."""


def run_recipe(recipe: Recipe, assignments: Sequence[str]) -> Path | None:
    """Train a network.

    Args:
        recipe: inputs and outputs.
        assignments: texts `name=value`, or `lbo.name=value` for the training of operators. Of a preset with two stages
            of the network, `l1.name=value` is for the first one, which takes all others but losses too.

    Returns:
        The model file for the filter, or None after a request to stop.

    Raises:
        TrainerError: an episode, a setting, or something in the folder cannot be used. Most faults are found before
            anything is made.
    """
    for_operators = [text.removeprefix(OPERATOR_PREFIX) for text in assignments if text.startswith(OPERATOR_PREFIX)]
    for_network = [text for text in assignments if not text.startswith(OPERATOR_PREFIX)]
    episodes = [require_clip(path, "episode") for path in recipe.episodes]
    folders = [recipe.folder / f"lbo{number}" for number in range(1, len(episodes) + 1)]
    stages = _network_stages(recipe, folders, for_network)
    modes = stages[-1][0].degradation.down.modes
    configs = partial(operator_config, recipe.preset, modes, for_operators)
    _check(recipe, episodes, folders, stages, configs)
    if not recipe.as_is:
        require_fit_sources(recipe.episodes, Path(recipe.data).expanduser())
    advise_on_hq(Path(recipe.data).expanduser(), [], stages[0][0].sampling.zoom)
    if recipe.estimate:
        log_estimates(_estimate(recipe, episodes, folders, stages, configs))
    _remove_results(recipe, stages)
    for path, episode, folder in zip(recipe.episodes, episodes, folders, strict=True):
        _log.info("%s: pairs of %s", folder, path)
        make_pairs(
            *(episode, folder),
            model=recipe.upscaler,
            count=recipe.count,
            factor=recipe.factor,
            colour=recipe.colour,
            pick_factor=None,
        )
        advise_on_hq(Path(recipe.data).expanduser(), [folder], stages[0][0].sampling.zoom)
        if not train_stages(folder, configs, renew=recipe.renew):
            return None
    for settings, run in stages:
        train(settings, run, renew=recipe.renew)
        if not checkpoints.is_finished(run, settings.steps):
            return None
    return _write_results(recipe, episodes, folders, stages)


def _remove_results(recipe: Recipe, stages: Stages) -> None:
    """Remove results while others are trained: nobody should take them for the new ones."""
    (recipe.folder / MODEL_FILE).unlink(missing_ok=True)
    if recipe.renew or not all(checkpoints.is_finished(run, settings.steps) for settings, run in stages):
        (recipe.folder / REPORT_FILE).unlink(missing_ok=True)


def _write_results(recipe: Recipe, episodes: Sequence[Episode], folders: Sequence[Path], stages: Stages) -> Path:
    """Write the model file and the page. Return the former."""
    model = recipe.folder / MODEL_FILE
    if checkpoints.read_run(recipe.folder / STAGE)[1]["step"] == 0:
        _log.warning("no step of %s was better than its start, which is exported", recipe.folder / STAGE)
    export(recipe.folder / STAGE, model)
    try:
        _write_page(recipe, episodes, folders, stages)
    except AnimeSRError as error:
        _log.warning("%s is ready, but the page is not: %s", model, error)
    return model


def _write_page(recipe: Recipe, episodes: Sequence[Episode], folders: Sequence[Path], stages: Stages) -> None:
    model, start = recipe.folder / MODEL_FILE, stages[0][0].start
    before = recipe.upscaler if start in ("", RANDOM) else start
    with TemporaryDirectory() as temporary:
        models = {_label(before): _weights_file(before, Path(temporary)), "new model": str(model)}
        weights = f"{describe_start(before)}, {describe_start(str(model))}"
        runs = [run for _, run in stages]
        write_report(recipe.folder / REPORT_FILE, Result(episodes, folders, runs, models, weights))


def _label(model: str) -> str:
    return model if model in MODEL_NAMES else Path(model).stem


def _weights_file(model: str, folder: Path) -> str:
    """Return weights as the plugin takes them. Those of a run or checkpoint are written into a folder."""
    if not is_run(model):
        return model if model in MODEL_NAMES else str(Path(model).expanduser())
    export(Path(model).expanduser(), folder / MODEL_FILE)
    return str(folder / MODEL_FILE)


def _check(
    recipe: Recipe, episodes: Sequence[Episode], folders: Sequence[Path], network: Stages, configs: Configs
) -> None:
    """Check all stages together, before anything is made.

    Raises:
        TrainerError: as for `run_recipe`.
    """
    stages = [configs(stage) for stage in STAGES]
    for settings, _ in network:
        check_mode(settings, stages[-1])
    if recipe.factor is not None:
        require_factor(recipe.factor)
    load_network(recipe.upscaler)
    later = _check_network(recipe, network)
    changes = ""
    for episode, folder in zip(episodes, folders, strict=True):
        check_sizes(episode, recipe.factor, stages)
        if _check_operator(recipe, episode, folder, configs) and not changes:
            changes = str(folder)
    if changes and later and not recipe.renew:
        raise CheckpointError(
            f"{later} was trained with another operator than {changes} gives now. Set everything as it was; or name "
            "another folder for the new run; or add --renew to train it again"
        )


def _check_network(recipe: Recipe, network: Stages) -> Path | None:
    """Check all that the stages of the network need. Return the folder of the first one that has begun."""
    changes: Path | None = None
    begun: Path | None = None
    for settings, run in network:
        has_begun = bool(checkpoints.paths_in(run))
        if changes and has_begun and not recipe.renew:
            raise CheckpointError(
                f"{run} was trained from {changes}, which has still to be trained. Set its steps as they were, or add "
                "--renew to train it again"
            )
        check(settings.model_copy(update={"start": RANDOM}) if changes else settings, run, renew=recipe.renew)
        if not checkpoints.is_finished(run, settings.steps):
            changes = run
        begun = begun or (run if has_begun else None)
    return begun


def _estimate(
    recipe: Recipe, episodes: Sequence[Episode], folders: Sequence[Path], network: Stages, configs: Configs
) -> list[Estimate]:
    """Estimate the stages that are not finished, by a trial of each kind."""
    estimates: list[Estimate] = []
    kinds: dict[str, float] = {}
    for episode, folder in zip(episodes, folders, strict=True):
        if missing := pairs.count_missing(folder, recipe.count):
            factor = choice.factor if (choice := read_choice(folder)) else recipe.factor
            upscaler = load_network(recipe.upscaler)
            estimates.append(estimate_pairs(f"{folder}, pairs", episode, upscaler, missing, factor))
        for stage in STAGES:
            run = run_folder(folder, stage)
            estimates += estimate_training(f"{folder}, {stage}", configs(stage), run, kinds, renew=recipe.renew)
    if not all(checkpoints.is_finished(run, settings.steps) for settings, run in network):
        estimates += estimate_decoding(network[0][0])
    for settings, run in network:
        estimates += estimate_training(str(run), settings, run, kinds, renew=recipe.renew)
    if estimates:
        page = str(recipe.folder / REPORT_FILE)
        estimates.append(estimate_page(page, episodes, load_network(recipe.upscaler)))
    return estimates


def _check_operator(recipe: Recipe, episode: Episode, folder: Path, configs: Configs) -> bool:
    """Check all that an operator needs. Return whether it has still to be trained."""
    before = pairs.read_difference(
        *(episode, folder),
        model=recipe.upscaler,
        count=recipe.count,
        factor=recipe.factor,
        colour=recipe.colour,
    )
    if before and has_runs(folder) and not recipe.renew:
        raise PairError(
            f"the operator in {folder} was trained on other pairs: {before}. Give what was given before; or name "
            "another folder; or add --renew to make it again"
        )
    check_stages(folder, configs, renew=recipe.renew, with_pairs=not before and pairs_folder(folder).is_dir())
    return bool(before) or not is_trained(folder, configs)


def check_mode(settings: VSRConfig, operator: OperatorConfig) -> None:
    """Refuse operators that do not fit their use in the training of the network."""
    mode, halves = settings.degradation.down.lbo_mode, operator.operator.halves
    if halves != (mode == "replace"):
        raise SettingError(
            f"degradation.down.lbo_mode={mode} and {OPERATOR_PREFIX}operator.halves={str(halves).lower()} do not fit: "
            "operators that halve the size replace a stage of downscaling, others follow one; set one of them otherwise"
        )


def check_sizes(episode: Episode, factor: float | None, stages: Sequence[OperatorConfig]) -> None:
    """Refuse frames that are too small for the factor, or for the crops that operators learn from."""
    width, height = episode.check()
    scaled_size(width, height, min(FACTORS) if factor is None else factor)
    for stage in stages:
        if LBO_SCALE * min(width, height) < stage.size:
            raise PairError(
                f"pseudo-HQ of {episode.name} will have {LBO_SCALE * width}x{LBO_SCALE * height} pixels, and "
                f"{OPERATOR_PREFIX}size={stage.size} is larger; set a smaller one"
            )


def _network_stages(recipe: Recipe, pool: Sequence[Path], assignments: Sequence[str]) -> Stages:
    """Return the stages of the network.

    Folders are put in as they are. As text in assignments, a comma in a name would separate two folders.

    Raises:
        SettingError: an assignment is wrong, or for a stage that there is not.
    """
    folders = {"data": recipe.data, "start": recipe.start or recipe.upscaler, "lbo_pool": tuple(map(str, pool))}
    for_first = [text.removeprefix(FIRST_PREFIX) for text in assignments if text.startswith(FIRST_PREFIX)]
    for_last = [text for text in assignments if not text.startswith(FIRST_PREFIX)]
    last = configure(preset(STAGE, recipe.preset).model_copy(update=folders), for_last)
    if recipe.preset not in TWO_STAGES:
        if for_first:
            raise SettingError(
                f"{FIRST_PREFIX}{for_first[0]} is for a first stage, which the preset {recipe.preset} does not have; "
                f"leave it out, or use --preset {min(TWO_STAGES)}"
            )
        return [(last, recipe.folder / STAGE)]
    degradation = preset(STAGE, recipe.preset).degradation
    first = preset(FIRST_STAGE, recipe.preset).model_copy(update={**folders, "degradation": degradation})
    shared = [text for text in for_last if not text.startswith(LOSSES_PREFIX)]
    return [
        (override(first, [*shared, *for_first]), recipe.folder / FIRST_STAGE),
        (last.model_copy(update={"start": str(recipe.folder / FIRST_STAGE)}), recipe.folder / STAGE),
    ]


def operator_config(name: str, modes: Modes, assignments: Sequence[str], stage: str) -> OperatorConfig:
    """Return the settings of an operator's stage: those of a preset, with narrow operators, with the modes of
    downscaling of the final stage, and with assignments.

    Operators with the paper's 64 features degrade so slowly that training waits for its samples. With narrow ones the
    network learns to repair as well (docs/reports/operators.md).
    """
    config = operator_preset(stage, name)
    narrow = config.operator.model_copy(update={"features": NARROW_FEATURES})
    return override(config.model_copy(update={"operator": narrow, "modes": modes}), assignments)


def write_script(model: Path, episode: Path) -> str:
    """Return a VapourSynth script that upscales an episode with a model file."""
    return f"""\
import vapoursynth as vs
core = vs.core
clip = core.bs.VideoSource({str(episode.resolve())!r})
core.animesr.Upscale(clip, model={str(model.resolve())!r}).set_output()"""
