"""Trains the network that upscales."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..core.train import run_training
from ..data.clips import Clip, find_clips
from ..data.frame_cache import cache_frames
from ..degradation import codec
from ..degradation.learned.degrader import Degrader
from ..degradation.learned.pool import fingerprint, read_pool
from ..errors import SettingError
from .config import VSRConfig
from .dataset import DegradedClips


def train(settings: VSRConfig, folder: Path) -> None:
    """Train the network until the last step, or until a signal asks to stop.

    Args:
        folder: folder of the run. If it holds a checkpoint, training resumes there.

    Raises:
        TrainerError: settings, clips, codecs or checkpoints cannot be used. Most faults are found before the first
            step.
    """
    pool = _load_pool(settings)
    run_training(_build_samples(settings, pool), settings, folder, [fingerprint(each.operator) for each in pool])


def check(settings: VSRConfig) -> None:
    """Check everything that a run needs before it starts, except its operators.

    Raises:
        TrainerError: as for `train`.
    """
    _build_samples(settings, ()).check()


def _build_samples(settings: VSRConfig, pool: Sequence[Degrader]) -> DegradedClips:
    clips = _find_clips(settings)
    codec.require_codecs(name for name, share in settings.degradation.codec.names.shares.items() if share)
    return DegradedClips(clips, settings.sampling, settings.degradation, settings.seed, pool)


def _find_clips(settings: VSRConfig) -> Sequence[Clip]:
    if not settings.data:
        raise SettingError("data is not set; name a folder of HQ clips, for example data=clips")
    return cache_frames(find_clips(Path(settings.data).expanduser()), settings.frame_cache * 1_000_000)


def _load_pool(settings: VSRConfig) -> list[Degrader]:
    if settings.stage == "vsr-final" and not settings.lbo_pool:
        raise SettingError("lbo_pool is not set; name folders of lbo train, for example lbo_pool=[lbo1,lbo2,lbo3]")
    return [Degrader(operator) for operator in read_pool(settings.lbo_pool, settings.degradation.down.lbo_mode)]
