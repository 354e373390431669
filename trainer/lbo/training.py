"""Training an operator: by L1, then with the perceptual and GAN losses too."""

from __future__ import annotations

from pathlib import Path

from ..errors import SettingError
from ..training import train_on
from .pairs import Pairs
from .stages import OperatorTraining


def train_operator(settings: OperatorTraining, folder: Path) -> None:
    """Train until the last step, or until somebody asks to stop.

    Args:
        folder: of the run; where it holds a checkpoint, training goes on from there.

    Raises:
        TrainerError: something about settings, pairs or checkpoints is wrong: before the first step where that can be
            known.
    """
    if not settings.data:
        raise SettingError("data is not set; name a folder of lbo pairs, for example data=lbo1")
    pairs = Pairs(
        Path(settings.data).expanduser(),
        size=settings.size,
        halves=settings.operator.halves,
        seed=settings.seed,
        turns=settings.turned,
        memory=settings.memory * 1_000_000,
    )
    train_on(pairs, settings, folder)
