"""What is trained, with settings for two cores: the network that knows basic operators only, an operator of each
episode, and the network again, with and without them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from trainer.lbo.operator import NARROW

FAST = ("precision=bf16", "channels_last=true", "memory=2500", "optimiser.schedule=cosine", "optimiser.rate=0.001")
NETWORK = (
    *(*FAST, "workers=1", "average=0.99", "sampling.strides=[1,2]", "optimiser.clip=0.1"),
    *("network.features=32", "network.blocks=[3,2,1]", "sampling.size=128"),
    *("records.log=100", "records.show=500", "records.save=500"),
)
SHORT = (*NETWORK, "sampling.frames=5", "batch=4", "steps=3500")
LONG = (*NETWORK, "sampling.frames=12", "batch=2", "optimiser.rate=0.0005")
"""After 4000 steps of five frames a recurrence may hold for five frames and then come apart; it has to see more."""
BASE = (*LONG, "steps=1500")
FINETUNE = (*LONG, "steps=800", "losses.gan=0", "losses.perceptual.weight=0")
"""By L1: what is compared is degradations, and a GAN stage of so few steps would add its own."""
POOLED = ("degradation.down.lbo_mode=replace", "degradation.down.lbo=0.5")
"""Half of the scalings down are an operator's, as in the release."""
OPERATOR = (
    *(*FAST, "workers=0", "batch=8", "size=128", "operator.halves=true", "steps=2500"),
    *("records.log=100", "records.show=1000", "records.save=500"),
)
FACTOR = ("--factor", "0.6")
"""What one would choose on the page that rescaled.png shows: waves are gone, and detail is not."""
UNPAIRED_STEPS = 1000
NARROW_STEPS = 10_000
"""Of narrow operators: four times as many as of those of the paper's width, which take as long."""
QUICK = ("steps=3", "records.log=1", "records.show=0", "batch=1")


def train(*arguments: str) -> None:
    """As a user would."""
    subprocess.run([sys.executable, "-m", "trainer", *arguments], check=True)


def base(out: Path, more: Sequence[str]) -> None:
    """Trained with basic operators only: on many short clips first, then on longer ones."""
    data, short = f"data={out / 'hq'}", out / "short"
    train("vsr-l1", "paper", data, *SHORT, *more, "-o", str(short))
    train("vsr-l1", "paper", data, f"start={short}", *BASE, *more, "-o", str(out / "base"))


def lbo(out: Path, name: str) -> Path:
    """The folder of the operator of an episode."""
    return out / f"lbo-{name}"


def operator(out: Path, episode: Path, more: Sequence[str]) -> None:
    """Learned from an episode, by L1 only: a GAN stage wants more pictures than it has."""
    folder = str(lbo(out, episode.stem))
    train("lbo", "pairs", str(episode), "-o", folder, "--model", str(out / "base"), *FACTOR)
    train("lbo", "train", folder, "paper", "--stage", "lbo-l1", *OPERATOR, *more)


def narrow(out: Path, name: str, more: Sequence[str]) -> None:
    """From the same pairs, an operator that degrades clips in a fraction of the time."""
    folder = narrow_lbo(out, name)
    if not folder.is_dir():
        shutil.copytree(lbo(out, name) / "pairs", folder / "pairs")
    own = (f"operator.features={NARROW}", f"steps={NARROW_STEPS}")
    train("lbo", "train", str(folder), "paper", "--stage", "lbo-l1", *OPERATOR, *own, *more)


def narrow_lbo(out: Path, name: str) -> Path:
    """The folder of the narrow operator of an episode."""
    return out / f"lbo-{name}-{NARROW}"


def finetuned(out: Path, variant: str, pool: Sequence[Path], more: Sequence[str]) -> None:
    """With a pool of operators, by their folders; an empty one is basic operators only."""
    stage = "vsr-final" if pool else "vsr-gan"
    operators = (f"lbo_pool=[{','.join(map(str, pool))}]", *POOLED) if pool else ()
    given = (f"data={out / 'hq'}", f"start={out / 'base'}", *FINETUNE, *operators, *more)
    train(stage, "paper", *given, "-o", str(out / f"final-{variant}"))
