"""Training runs with settings for two cores: a base network that knows basic operators only, operators of each episode,
and networks finetuned with and without them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from trainer.degradation.learned.operator import NARROW_FEATURES

from ..commands import train

FAST = ("precision=bf16", "channels_last=true", "optimiser.schedule=cosine", "optimiser.rate=0.001")
NETWORK = (
    *(*FAST, "workers=1", "ema=0.99", "sampling.strides=[1,2]", "optimiser.clip=0.1"),
    *("network.features=32", "network.blocks=[3,2,1]", "sampling.size=128"),
    *("records.log=100", "records.preview=500", "records.save=500"),
)
SHORT = (*NETWORK, "sampling.frames=5", "batch=4", "steps=3500")
LONG = (*NETWORK, "sampling.frames=12", "batch=2", "optimiser.rate=0.0005")
"""After 4000 steps of five frames, a recurrence can be stable for five frames and diverge later. It needs longer clips.
"""
BASE = (*LONG, "steps=1500")
FINETUNE = (*LONG, "steps=800", "losses.gan=0", "losses.perceptual.weight=0")
"""L1 only: the study compares degradations, and a GAN stage this short would add artefacts of its own."""
POOL = ("degradation.down.lbo_mode=replace", "degradation.down.lbo=0.5")
"""As in the release, an operator replaces half of the scalings."""
OPERATOR = (
    *(*FAST, "workers=0", "batch=8", "size=128", "operator.halves=true", "steps=2500"),
    *("records.log=100", "records.preview=1000", "records.save=500"),
)
FACTOR = ("--factor", "0.6")
"""The factor that a person would choose on the page in rescaled.png: the waves are gone, the detail is not."""
NN_ONLY_STEPS = 1000
NARROW_STEPS = 10_000
"""Steps of narrow operators: four times as many as of the paper's, in the same time."""
QUICK = ("steps=3", "records.log=1", "records.preview=0", "batch=1")


def train_base(out: Path, more: Sequence[str]) -> None:
    """Train with basic operators only: on many short clips first, then on longer ones."""
    data, short = f"data={out / 'hq'}", out / "short"
    train("vsr-l1", "paper", data, *SHORT, *more, "-o", str(short))
    train("vsr-l1", "paper", data, f"start={short}", *BASE, *more, "-o", str(out / "base"))


def operator_folder(out: Path, name: str) -> Path:
    """Return the folder of an episode's operator."""
    return out / f"lbo-{name}"


def narrow_operator_folder(out: Path, name: str) -> Path:
    """Return the folder of an episode's narrow operator."""
    return out / f"lbo-{name}-{NARROW_FEATURES}"


def train_operator(out: Path, episode: Path, more: Sequence[str]) -> None:
    """Learn an operator from an episode, with L1 only: a GAN stage needs more pictures than the episode has."""
    folder = str(operator_folder(out, episode.stem))
    train("lbo", "pairs", str(episode), "-o", folder, "--model", str(out / "base"), *FACTOR)
    train("lbo", "train", folder, "paper", "--stage", "lbo-l1", *OPERATOR, *more)


def train_narrow_operator(out: Path, name: str, more: Sequence[str]) -> None:
    """Learn an operator from the same pairs that degrades clips in a fraction of the time."""
    folder = narrow_operator_folder(out, name)
    if not folder.is_dir():
        shutil.copytree(operator_folder(out, name) / "pairs", folder / "pairs")
    narrow = (f"operator.features={NARROW_FEATURES}", f"steps={NARROW_STEPS}")
    train("lbo", "train", str(folder), "paper", "--stage", "lbo-l1", *OPERATOR, *narrow, *more)


def finetune(out: Path, variant: str, pool: Sequence[Path], more: Sequence[str]) -> None:
    """Finetune the base network.

    Args:
        pool: folders of operators; empty: basic operators only.
    """
    stage = "vsr-final" if pool else "vsr-gan"
    operators = (f"lbo_pool=[{','.join(map(str, pool))}]", *POOL) if pool else ()
    settings = (f"data={out / 'hq'}", f"start={out / 'base'}", *FINETUNE, *operators, *more)
    train(stage, "paper", *settings, "-o", str(out / f"final-{variant}"))
