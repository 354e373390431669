"""Trains the network that upscales."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from ..core import checkpoints
from ..core.fabric import require_device
from ..core.train import check_training, run_training
from ..data.clips import Clip, find_clips
from ..data.pool import pack_clips
from ..data.spans import cut_spans
from ..degradation.learned.degrader import Degrader, PoolOperator
from ..degradation.learned.pool import fingerprint, read_pool
from ..degradation.pipeline import require_encoders
from ..errors import SettingError
from .config import NetworkConfig, VSRConfig
from .dataset import DegradedClips, DrawnClips
from .held_out import hold_out
from .scorer import HeldOutScorer


def train(
    settings: VSRConfig, folder: Path, *, renew: bool = False, pool: Sequence[PoolOperator] | None = None
) -> None:
    """Train the network until the last step, until it no longer improves, or until a signal asks to stop.

    Args:
        folder: folder of the run. If it holds a checkpoint, training resumes there.
        renew: train again what has other settings or sources than now, instead of refusing it.
        pool: learned operators in place of those of `lbo_pool`.

    Raises:
        TrainerError: settings, clips, codecs or checkpoints cannot be used. Most faults are found before the first
            step.
    """
    settings = _settle(settings)
    pool = _load_pool(settings) if pool is None else pool
    operators = [fingerprint(each.operator) for each in pool]
    clips, held_out = divide_clips(settings)
    scorer = _build_scorer(settings, held_out, pool)
    # Before clips are decoded, which can take an hour.
    samples = build_samples(settings, clips, pool)
    check_training(samples, settings, folder, len(pool), scorer=scorer, renew=renew)
    if renew or not checkpoints.is_finished(folder, settings.steps):
        samples = build_samples(settings, pack_clips(clips, settings.memory), pool)
    run_training(samples, settings, folder, operators, validation=settings.validation, scorer=scorer, renew=renew)


def check(settings: VSRConfig, folder: Path, *, renew: bool = False) -> None:
    """Check everything that a run needs before it starts, except its operators.

    Args:
        folder: as for `train`.
        renew: as for `train`.

    Raises:
        TrainerError: as for `train`.
    """
    settings = _settle(settings)
    clips, held_out = divide_clips(settings)
    samples, scorer = build_samples(settings, clips, ()), _build_scorer(settings, held_out, ())
    check_training(samples, settings, folder, len(settings.lbo_pool), scorer=scorer, renew=renew)


def build_samples(
    settings: VSRConfig, clips: Sequence[Clip], pool: Sequence[PoolOperator], kind: type[DegradedClips] | None = None
) -> DegradedClips:
    """Return the samples of a run.

    Args:
        clips: clips to train on.
        kind: where clips are degraded, instead of as the settings say.

    Raises:
        TrainerError: clips or codecs cannot be used.
    """
    require_encoders(settings.degradation.codec)
    kind = kind or (DrawnClips if degrades_on_device(settings) else DegradedClips)
    return kind(clips, settings.sampling, settings.degradation, settings.seed, pool)


def degrades_on_device(settings: VSRConfig) -> bool:
    """Return whether clips are degraded where the network trains."""
    if settings.degrade_on == "auto":
        return require_device(settings) == "cuda"
    return settings.degrade_on == "device"


def _settle(settings: VSRConfig) -> VSRConfig:
    """Return settings that say where clips are degraded: a run is made of it."""
    return settings.model_copy(update={"degrade_on": "device" if degrades_on_device(settings) else "workers"})


def divide_clips(settings: NetworkConfig) -> tuple[Sequence[Clip], Sequence[Clip]]:
    """Return the clips to train on, or parts of them if a pool has no room for all; and those that are held out.

    Raises:
        TrainerError: there are none, or one cannot be read.
    """
    if not settings.data:
        raise SettingError("data is not set; name a folder of HQ clips, for example data=clips")
    clips: Sequence[Clip] = find_clips(Path(settings.data).expanduser())
    held_out: Sequence[Clip] = ()
    sampling = settings.sampling
    if settings.validation.every:
        least = sampling.reach(min(sampling.strides))
        clips, held_out = hold_out(clips, settings.validation, seed=settings.seed, least=least)
    frames = sampling.reach(max(sampling.strides))
    side = ceil(sampling.size / min(sampling.zoom))  # of HQ that becomes a sample
    return cut_spans(clips, settings.memory, frames=frames, side=side, seed=settings.seed), held_out


def _build_scorer(settings: VSRConfig, held_out: Sequence[Clip], pool: Sequence[PoolOperator]) -> HeldOutScorer | None:
    return HeldOutScorer(settings, held_out, pool) if held_out else None


def _load_pool(settings: VSRConfig) -> list[Degrader]:
    if settings.stage == "vsr-final" and not settings.lbo_pool:
        raise SettingError("lbo_pool is not set; name folders of lbo train, for example lbo_pool=[lbo1,lbo2,lbo3]")
    return [Degrader(operator) for operator in read_pool(settings.lbo_pool, settings.degradation.down.lbo_mode)]
