"""The training runs, in pairs: a switch off and on, all else the same."""

from __future__ import annotations

from dataclasses import dataclass

START = "v2-fast"
SHAPE = ("network.features=32", "network.fusion=112")
"""Of the network that all start from."""
COMMON = (
    *(f"start={START}", *SHAPE, "precision=bf16", "channels_last=true", "workers=0"),
    *("optimiser.rate=0.0001", "optimiser.clip=0.1", "optimiser.schedule=cosine", "optimiser.warm_up=20", "ema=0.99"),
    *("sampling.frames=7", "sampling.size=160", "sampling.strides=[1,2]", "batch=2"),
    *("records.log=20", "records.preview=0", "records.save=50"),
)
STEPS, SEEDS = 800, 3
QUICK = ("steps=2", "sampling.frames=3", "sampling.size=96", "batch=1", "records.log=1")

HQ, COMPRESSED, CLEANED = "train", "compressed", "cleaned"
"""Training sets: drawn clips; parts of them, compressed as HQ from the web is; the same, cleaned by v2."""
CRF = 27.0
"""Of that compression."""


@dataclass(frozen=True)
class Variant:
    """A way to train."""

    name: str
    data: str
    settings: tuple[str, ...] = ()
    partner: str = ""
    """The variant without the switch; empty if this is one."""


VARIANTS = (
    Variant("plain", HQ),
    Variant("lines", HQ, ("sampling.sharpen_lines=true",), "plain"),
    Variant("intra", HQ, ("degradation.codec.intra.probability=0.5",), "plain"),
    Variant("compressed", COMPRESSED),
    Variant("cleaned", CLEANED, (), "compressed"),
)
