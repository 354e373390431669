"""What the study reduces, all in one place. Everything else is as `python -m trainer recipe` has it.

Two cores have to train about 60 runs in a night. So networks are small, steps few, crops and batches small. Few steps
need a higher learning rate that falls: at the rate for 20,000 steps, hardly anything would change.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.settings import describe
from trainer.vsr.config import preset

_SMALL = ("network.features=24", "network.blocks=[3,2,1]", "discriminator.features=16")
_FEW = ("optimiser.schedule=cosine", "workers=1", "records.preview=0")


@dataclass(frozen=True)
class Reductions:
    """Settings in place of the defaults, and numbers of runs."""

    base: tuple[str, ...]
    """Of the network that takes the place of v2, trained by L1 with basic operators. Another one, with
    `network.multi_scale=false`, is compared with it."""
    final: tuple[str, ...]
    """Of recipe's training of the network."""
    operator: tuple[str, ...]
    """Of recipe's training of operators."""
    validation: tuple[str, ...]
    """Of the scores while the network is trained, if the trainer has them."""
    nn_only_steps: int
    seeds: int
    scored_every: int
    """Frames between two of which LPIPS is measured; PSNR is of all."""
    scenes: int
    """Number of an episode's frames by which the best factor is found."""
    clip_frames: int = 24
    clips: int | None = None
    """Largest number of clips of each kind; None for all."""
    size: tuple[int, int] = (768, 432)
    """Width and height of HQ in pixels."""

    def network_settings(self) -> tuple[str, ...]:
        """Return the settings of recipe's training of the network."""
        names = {each.name for each in describe(preset("vsr-final", "paper"))}
        return self.final + tuple(text for text in self.validation if text.partition("=")[0] in names)

    def describe(self) -> str:
        """Return all settings as lines of Markdown."""
        parts = {
            "base network, `vsr-l1 paper`": self.base,
            "network, `recipe`": self.network_settings(),
            "operators, `recipe lbo.`": self.operator,
        }
        lines = [f"* {name}: {', '.join(f'`{text}`' for text in texts)}" for name, texts in parts.items()]
        return "\n".join([*lines, f"* {self.nn_only_steps} steps of NN-only; {self.seeds} seeds"])


FULL = Reductions(
    base=(
        *(*_SMALL, *_FEW, "optimiser.rate=0.001", "optimiser.clip=0.1", "ema=0.99"),
        *("sampling.frames=7", "sampling.size=64", "batch=2", "steps=1500", "records.save=250"),
    ),
    final=(
        *(*_SMALL, *_FEW, "optimiser.rate=0.0005", "optimiser.clip=0.1", "ema=0.99"),
        *("sampling.frames=5", "sampling.size=96", "batch=1", "steps=200", "records.log=20", "records.save=40"),
    ),
    operator=(
        *(*_FEW, "discriminator.features=16", "optimiser.rate=0.001"),
        *("size=192", "batch=1", "steps=400", "records.log=50", "records.save=100"),
    ),
    validation=("validation.every=40", "validation.windows=3", "validation.frames=6", "validation.size=128"),
    nn_only_steps=400,
    seeds=3,
    scored_every=12,
    scenes=6,
)
_TINY = ("discriminator.features=4", "discriminator.layers=[2]", "workers=0", "records.preview=0", "steps=2", "batch=1")
_BRIEF = (
    *(*_TINY, "network.features=4", "network.blocks=[1,1,1]"),
    *("sampling.frames=2", "sampling.size=64", "sampling.strides=[1]"),
)
QUICK = Reductions(
    base=_BRIEF,
    final=_BRIEF,
    operator=(*_TINY, "size=64"),
    validation=("validation.every=1", "validation.windows=1", "validation.frames=2", "validation.size=64"),
    nn_only_steps=2,
    seeds=1,
    scored_every=24,
    scenes=1,
    clip_frames=17,
    clips=1,
    size=(256, 256),
)
"""For a trial run: its scores mean nothing."""
