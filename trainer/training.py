"""One training run from its settings: everything is checked, then put together, then it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightning_fabric import Fabric

from .clips import Clip, find_clips
from .dataset import DegradedClips
from .degradation import codec
from .errors import SettingError
from .fabric import launched
from .heap import keep_freed
from .lbo.degrader import Degrader
from .lbo.pool import fingerprint, read_pool
from .loop import steps
from .objective import Objective
from .perceptual import PerceptualLoss
from .players import Players
from .remembered import remembered
from .run import Run, Sources
from .sample import Samples
from .stages import Stage, Training
from .vgg_weights import VggWeights, read_vgg


def train(settings: Training, folder: Path) -> None:
    """Train the network until the last step, or until somebody asks to stop.

    Args:
        folder: of the run; where it holds a checkpoint, training goes on from there.

    Raises:
        TrainerError: something about settings, clips, codecs or checkpoints is wrong: before the first step where that
            can be known.
    """
    pool = _pool(settings)
    train_on(_samples(settings, pool), settings, folder, [fingerprint(each.operator) for each in pool])


def check(settings: Training) -> None:
    """See whether a run could begin, but for its operators.

    Raises:
        TrainerError: as `train`.
    """
    _samples(settings, ()).check()


def train_on(samples: Samples, settings: Stage, folder: Path, operators: Sequence[str] = ()) -> None:
    """The same on samples, of whatever kind.

    Args:
        operators: fingerprints of those that the samples are degraded by.

    Raises:
        TrainerError: as `train`.
    """
    keep_freed()
    fabric, scaler = launched(settings)
    if fabric.is_global_zero:
        samples.check()
    players = Players(settings, fabric, scaler)
    vgg = _vgg(settings, fabric)
    perceptual = PerceptualLoss(settings.losses.perceptual, vgg).to(fabric.device) if vgg else None
    objective = Objective(settings.losses, perceptual)
    sources = Sources(samples.lengths(), vgg.name if vgg else "", list(operators))
    run = Run(folder, settings, players, samples, sources, writes=fabric.is_global_zero)
    steps(settings, fabric, samples, players, objective, run)


def _samples(settings: Training, pool: Sequence[Degrader]) -> DegradedClips:
    clips = _clips(settings)
    codec.require(name for name, share in settings.degradation.codec.names.shares.items() if share)
    return DegradedClips(clips, settings.sampling, settings.degradation, settings.seed, pool)


def _clips(settings: Training) -> Sequence[Clip]:
    if not settings.data:
        raise SettingError("data is not set; name a folder of HQ clips, for example data=clips")
    return remembered(find_clips(Path(settings.data).expanduser()), settings.memory * 1_000_000)


def _pool(settings: Training) -> list[Degrader]:
    if settings.stage == "vsr-final" and not settings.lbo_pool:
        raise SettingError("lbo_pool is not set; name what lbo train made, for example lbo_pool=[lbo1,lbo2,lbo3]")
    return [Degrader(operator) for operator in read_pool(settings.lbo_pool, settings.degradation.down.lbo_mode)]


def _vgg(settings: Stage, fabric: Fabric) -> VggWeights | None:
    if not settings.losses.perceptual.weight:
        return None
    with fabric.rank_zero_first(local=True):  # it may have to be fetched
        return read_vgg(settings.losses.perceptual.weights)
