"""The MODELs of `evaluate`: what a name stands for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsanimesr.errors import suggestion
from vsanimesr.weights.release import MODEL_NAMES

from ..baselines.load import NAMES, is_baseline, load_baseline
from ..errors import CheckpointError, SettingError
from ..evaluation.upscaler import Bicubic, NetworkUpscaler
from ..vsr.evaluation import BICUBIC
from ..vsr.weights import load_network

if TYPE_CHECKING:
    from ..evaluation.models import Model
    from ..evaluation.sets import SetClip
    from ..evaluation.upscaler import Upscaler

SUFFIXES = (".pth", ".safetensors", ".pt")
"""Of files of weights, and of checkpoints."""


def describe_models() -> str:
    """Return what a MODEL can be."""
    return (
        f"{', '.join(MODEL_NAMES)}, a run, a checkpoint, a weights file; for clips, a folder of results; or a "
        f"baseline: {', '.join(NAMES)}"
    )


def open_upscalers(names: Sequence[str], taken: Collection[str]) -> list[Upscaler]:
    """Return bicubic, and the upscalers with these names, each once.

    Args:
        taken: names that stand for something else beside them.

    Raises:
        TrainerError: a name is taken or unknown, or what it names cannot be loaded.
    """
    return [Bicubic(), *(_open_upscaler(name) for name in _choose(names, taken))]


def open_models(names: Sequence[str], clips: Sequence[SetClip]) -> list[Model]:
    """Return what these names stand for, each once, without bicubic. A missing result is told before the work.

    Raises:
        TrainerError: a name is taken, ambiguous or unknown, or what it names cannot be loaded.
    """
    # Not at the top: these modules need the packages.
    from ..evaluation.models import HQ, LR, is_results

    for name in names:
        if _is_known(name) and is_results(Path(name), clips):
            raise SettingError(f"MODEL {name} is an upscaler, and a folder of results too; name the folder ./{name}")
    models = [_open_model(name, clips) for name in _choose(names, (HQ, LR))]
    for model in models:
        for clip in clips:
            model.identity(clip)
    return models


def _choose(names: Sequence[str], taken: Collection[str]) -> Iterator[str]:
    """Yield each name once, without bicubic."""
    for name in dict.fromkeys(names):
        if name in taken:
            raise SettingError(f"MODEL {name} would be taken for {name} in the tables; name it ./{name}")
        if name != BICUBIC:
            yield name


def _is_known(name: str) -> bool:
    """Return whether a name stands for an upscaler wherever the command is called."""
    return name == BICUBIC or name in MODEL_NAMES or is_baseline(name)


def _open_model(name: str, clips: Sequence[SetClip]) -> Model:
    from ..evaluation.lr import knows_lr
    from ..evaluation.models import Results, Running, is_results

    folder = Path(name).expanduser()
    if is_results(folder, clips):
        return Results(folder, name, known=knows_lr(folder, clips))
    try:
        return Running(_open_upscaler(name))
    except CheckpointError as error:
        if not folder.is_dir():
            raise
        raise CheckpointError(f"{error}; or a folder of results, with {folder / clips[0].name} and so on") from None


def _open_upscaler(name: str) -> Upscaler:
    if is_baseline(name):
        return load_baseline(name)
    path = Path(name).expanduser()
    if not (_is_known(name) or path.is_dir() or (path.is_file() and path.suffix.lower() in SUFFIXES)):
        hint = suggestion(name, [BICUBIC, *MODEL_NAMES, *NAMES])
        raise CheckpointError(f"MODEL {name!r} is unknown; {hint or f'use {describe_models()}'}")
    return NetworkUpscaler(name, load_network(name))
