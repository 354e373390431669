"""What is trained, with settings for two cores: the network that knows basic operators only, and an operator of each
episode."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

FAST = ("precision=bf16", "channels_last=true", "memory=2000", "optimiser.schedule=cosine", "optimiser.rate=0.001")
BASE = (
    *(*FAST, "workers=1", "average=0.99", "sampling.strides=[1,2]", "optimiser.clip=0.1"),
    *("network.features=32", "network.blocks=[3,2,1]", "sampling.frames=5", "sampling.size=128", "batch=4"),
    *("steps=3500", "records.log=100", "records.show=1000", "records.save=500"),
)
OPERATOR = (
    *(*FAST, "workers=0", "batch=8", "size=128", "operator.halves=true", "steps=3000"),
    *("records.log=100", "records.show=1000", "records.save=500"),
)
QUICK = ("steps=3", "records.log=1", "records.show=0", "batch=1")


def train(*arguments: str) -> None:
    """As a user would."""
    subprocess.run([sys.executable, "-m", "trainer", *arguments], check=True)


def base(out: Path, more: Sequence[str]) -> None:
    """Trained with basic operators only."""
    train("vsr-l1", "paper", f"data={out / 'hq'}", *BASE, *more, "-o", str(out / "base"))


def operator(out: Path, episode: Path, more: Sequence[str]) -> None:
    """Learned from an episode, by L1 only: a GAN stage wants more pictures than it has."""
    lbo = out / f"lbo-{episode.stem}"
    train("lbo", "pairs", str(episode), "-o", str(lbo), "--model", str(out / "base"), "--suggest")
    train("lbo", "train", str(lbo), "paper", "--stage", "lbo-l1", *OPERATOR, *more)
