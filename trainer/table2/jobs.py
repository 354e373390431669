"""What has to be trained and scored, as jobs, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..core import checkpoints
from ..vsr.config import VSRConfig
from ..vsr.train import train
from .ledger import Job
from .nn_only import UnpairedPictures, load_nn_only, train_or_load, train_with_nn_only

type Load = Callable[[], VSRConfig]
"""Returns settings, which may be known only when other jobs are done."""

TRAINING, NN_ONLY_TRAINING = "training", "training of NN-only"
"""Kinds of jobs."""


def training(
    name: str,
    load: Load,
    folder: Path,
    *,
    estimate: float,
    made_of: Sequence[str],
    inputs: Sequence[Path],
    nn_only: Path | None = None,
    renew: bool = False,
) -> Job:
    """Return the training of a network that upscales.

    Args:
        load: returns its settings. What they are made of is in `made_of` and `inputs`.
        folder: of the run.
        nn_only: file of NN-only in place of the whole degradation.
        renew: as for `vsr.train.train`.
    """

    def run() -> None:
        if nn_only:
            train_with_nn_only(load(), load_nn_only(nn_only), folder, renew=renew)
        else:
            train(load(), folder, renew=renew)

    files = (*inputs, *([nn_only] if nn_only else []))
    return Job(name, estimate, tuple(made_of), files, folder, run, checkpoints.has_ended, TRAINING)


def nn_only_degradation(
    name: str,
    hq: Path,
    episodes: Sequence[Path],
    file: Path,
    *,
    steps: int,
    seed: int,
    bf16: bool,
    estimate: float,
    made_of: Sequence[str],
    vgg: str = "auto",
) -> Job:
    """Return the training of NN-only.

    Args:
        hq: folder of HQ clips.
        file: of the network.
        made_of: texts that tell the clips, the episodes and the weights of VGG from others.
        vgg: as for `train_or_load`.
    """
    texts = (*made_of, str(steps), str(seed), str(bf16))

    def run() -> None:
        file.unlink(missing_ok=True)  # what is there is of something else
        file.parent.mkdir(parents=True, exist_ok=True)
        load = partial(UnpairedPictures.load, hq, episodes)
        train_or_load(load, file, steps, seed=seed, bf16=bf16, vgg=vgg, made_of=" ".join(texts))

    return Job(name, estimate, texts, (), file, run, kind=NN_ONLY_TRAINING)
