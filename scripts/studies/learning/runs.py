"""The training runs and their settings, where these differ from the preset `paper`: small enough for two cores."""

from __future__ import annotations

from dataclasses import dataclass

FAST = (
    *("precision=bf16", "channels_last=true", "workers=1", "sampling.strides=[1,2]"),
    *("optimiser.schedule=cosine", "ema=0.99"),
)


@dataclass(frozen=True)
class Run:
    """A training run."""

    stage: str
    start: str
    """Initial weights: v2 or another run; empty: random weights."""
    settings: tuple[str, ...]


RUNS = {
    "scratch": Run(
        "vsr-l1",
        "",
        (
            *FAST,
            *("network.features=32", "network.blocks=[3,2,1]", "optimiser.rate=0.001", "optimiser.clip=0.1"),
            *("sampling.frames=5", "sampling.size=128", "batch=4", "steps=9000"),
            *("records.log=100", "records.preview=1000", "records.save=500"),
        ),
    ),
    "finetune": Run(
        "vsr-l1",
        "v2",
        (
            *(*FAST, "optimiser.rate=0.0001"),
            *("sampling.frames=7", "sampling.size=160", "batch=2", "steps=2000"),
            *("records.log=20", "records.preview=250", "records.save=100"),
        ),
    ),
    "gan": Run(
        "vsr-gan",
        "finetune",
        (
            *(*FAST, "optimiser.rate=0.0001", "losses.perceptual.weight=0.02", "losses.gan=0.1"),
            *("sampling.frames=5", "sampling.size=128", "batch=2", "steps=500"),
            *("records.log=5", "records.preview=100", "records.save=50"),
        ),
    ),
}
