"""The runs, with the settings that differ from the preset `paper`: small enough for two cores."""

from __future__ import annotations

from dataclasses import dataclass

FAST = ("precision=bf16", "channels_last=true", "workers=1", "sampling.strides=[1,2]", "optimiser.schedule=cosine")


@dataclass(frozen=True)
class Part:
    """A run."""

    name: str
    stage: str
    start: str
    """Where its weights begin: v2, or another part; nothing: from scratch."""
    settings: tuple[str, ...]


PARTS = {
    part.name: part
    for part in (
        Part(
            "scratch",
            "vsr-l1",
            "",
            (
                *FAST,
                *("network.features=24", "network.blocks=[3,2,1]", "optimiser.rate=0.001", "average=0.99"),
                *("sampling.frames=7", "sampling.size=128", "batch=4", "steps=5000"),
                *("records.log=50", "records.show=500", "records.save=500"),
            ),
        ),
        Part(
            "finetune",
            "vsr-l1",
            "v2",
            (
                *FAST,
                *("optimiser.rate=0.0001", "average=0.99"),
                *("sampling.frames=7", "sampling.size=160", "batch=2", "steps=1500"),
                *("records.log=20", "records.show=250", "records.save=100"),
            ),
        ),
        Part(
            "gan",
            "vsr-gan",
            "finetune",
            (
                *FAST,
                *("optimiser.rate=0.00005", "optimiser.discriminator_rate=0.0001", "average=0.99"),
                *("sampling.frames=5", "sampling.size=128", "batch=1", "steps=400"),
                *("records.log=5", "records.show=100", "records.save=50"),
            ),
        ),
    )
}
