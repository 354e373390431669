"""The runs, with the settings that differ from the preset `paper`: small enough for two cores."""

from __future__ import annotations

from dataclasses import dataclass

FAST = (
    *("precision=bf16", "channels_last=true", "workers=1", "memory=2000", "sampling.strides=[1,2]"),
    *("optimiser.schedule=cosine", "average=0.99"),
)


@dataclass(frozen=True)
class Part:
    """A run."""

    name: str
    stage: str
    start: str
    """Where its weights begin: v2, or another part; nothing: from scratch."""
    settings: tuple[str, ...]


SCRATCH = Part(
    "scratch",
    "vsr-l1",
    "",
    (
        *FAST,
        *("network.features=32", "network.blocks=[3,2,1]", "optimiser.rate=0.001", "optimiser.clip=0.1"),
        *("sampling.frames=5", "sampling.size=128", "batch=4", "steps=9000"),
        *("records.log=100", "records.show=1000", "records.save=500"),
    ),
)
FINETUNE = Part(
    "finetune",
    "vsr-l1",
    "v2",
    (
        *(*FAST, "optimiser.rate=0.0001"),
        *("sampling.frames=7", "sampling.size=160", "batch=2", "steps=2000"),
        *("records.log=20", "records.show=250", "records.save=100"),
    ),
)
GAN = Part(
    "gan",
    "vsr-gan",
    "finetune",
    (
        *(*FAST, "optimiser.rate=0.0001", "losses.perceptual.weight=0.02", "losses.gan=0.1"),
        *("sampling.frames=5", "sampling.size=128", "batch=2", "steps=500"),
        *("records.log=5", "records.show=100", "records.save=50"),
    ),
)
PARTS = {part.name: part for part in (SCRATCH, FINETUNE, GAN)}
