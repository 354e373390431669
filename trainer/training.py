"""One training run from its settings: everything is checked, then put together, then it runs."""

from __future__ import annotations

from pathlib import Path

from lightning_fabric import Fabric

from .clips import Clip, find_clips
from .dataset import DegradedClips
from .degradation import codec
from .errors import SettingError
from .fabric import launched
from .heap import keep_freed
from .loop import steps
from .objective import Objective
from .perceptual import PerceptualLoss
from .players import Players
from .remembered import Memory, RememberedClip
from .run import Run, Sources
from .stages import Training
from .vgg_weights import VggWeights, read_vgg


def train(settings: Training, folder: Path) -> None:
    """Train until the last step, or until somebody asks to stop.

    Args:
        folder: of the run; where it holds a checkpoint, training goes on from there.

    Raises:
        TrainerError: something about settings, clips, codecs or checkpoints is wrong: before the first step where that
            can be known.
    """
    keep_freed()
    clips = _clips(settings)
    codec.require(name for name, share in settings.degradation.codec.names.shares.items() if share)
    samples = DegradedClips(clips, settings.sampling, settings.degradation, settings.seed)
    fabric, scaler = launched(settings)
    if fabric.is_global_zero:
        samples.check()
    players = Players(settings, fabric, scaler)
    vgg = _vgg(settings, fabric)
    perceptual = PerceptualLoss(settings.losses.perceptual, vgg).to(fabric.device) if vgg else None
    objective = Objective(settings.losses, perceptual)
    sources = Sources(samples.lengths(), vgg.name if vgg else "")
    run = Run(folder, settings, players, samples, sources, writes=fabric.is_global_zero)
    steps(settings, fabric, samples, players, objective, run)


def _clips(settings: Training) -> list[Clip]:
    if not settings.data:
        raise SettingError("data is not set; name a folder of HQ clips, for example data=clips")
    clips = find_clips(Path(settings.data).expanduser())
    if not settings.memory:
        return clips
    memory = Memory(settings.memory * 1_000_000)
    return [RememberedClip(clip, memory) for clip in clips]


def _vgg(settings: Training, fabric: Fabric) -> VggWeights | None:
    if not settings.losses.perceptual.weight:
        return None
    with fabric.rank_zero_first(local=True):  # it may have to be fetched
        return read_vgg(settings.losses.perceptual.weights)
