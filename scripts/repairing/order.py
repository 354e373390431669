"""The order of the paper's table 2: networks finetuned with several degradations, from the same start, for as long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from trainer.clips import Clip, find_clips
from trainer.dataset import DegradedClips
from trainer.degradation.levels import clip_of
from trainer.evaluation import MULTIPLE, Score, means, scores_of
from trainer.metrics import Lpips
from trainer.remembered import remembered
from trainer.settings import changed
from trainer.stages import preset
from trainer.training import train_on
from trainer.weights import opened
from vsanimesr.torch_network import AnimeSR

from . import runs
from .episodes import hq_of
from .hidden import Hidden
from .unpaired import Large

EVERY = 24
"""Frames, of which LPIPS looks at one."""
NN_ONLY = "nn-only"
ALL = "all"
ALONE = (
    *("degradation.down.factors=[4]", "degradation.down.modes.bilinear=0", "degradation.down.modes.bicubic=0"),
    *("degradation.down.lbo=1", "degradation.noise.sigma=[0,0]", "degradation.blur.isotropic=1"),
    *("degradation.blur.sigma=[0.2,0.2]", "degradation.codec.crf=[1,1]"),
)
"""NN-only degrades by itself: of what is around it nothing can be seen."""


class Degrades:
    """The large network as an operator that comes after scaling down."""

    def __init__(self, large: Large) -> None:
        self._large = large.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, clip: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            degraded: Tensor = self._large(clip.contiguous(memory_format=torch.channels_last))
        return degraded.float().contiguous()


def with_nn_only(out: Path, large: Large, more: Sequence[str]) -> None:
    """Finetune with the large network as all of the degradation."""
    given = [f"data={out / 'hq'}", f"start={out / 'base'}", *runs.FINETUNE, *ALONE, *more]
    settings = changed(preset("vsr-final", "paper"), given)
    clips = remembered(find_clips(out / "hq"), settings.memory * 1_000_000)
    samples = DegradedClips(clips, settings.sampling, settings.degradation, settings.seed, [Degrades(large)])
    train_on(samples, settings, out / f"final-{NN_ONLY}", [NN_ONLY])


def networks(out: Path, variants: Sequence[str]) -> dict[str, AnimeSR]:
    """Finetuned ones, and the one that they began as."""
    return {"base": opened(str(out / "base"))} | {name: opened(str(out / f"final-{name}")) for name in variants}


def order(networks: Mapping[str, AnimeSR], hidden: Hidden, clips: Sequence[Clip], lpips: Lpips) -> Iterator[Score]:
    """Measure networks on clips that are degraded by what was hidden, against the HQ that nobody knew.

    It is the middle of the pictures, half as wide and high, that is degraded and repaired: in a quarter of the time.
    """
    for clip in clips:
        hq = _middle(hq_of(clip, range(len(clip))))
        yield from scores_of(networks, clip.name, clip_of(hidden.lq(hq)), hq, lpips, every=EVERY)


def _middle(hq: Tensor) -> Tensor:
    height, width = hq.shape[-2:]
    down, right = height // 2 // MULTIPLE * MULTIPLE, width // 2 // MULTIPLE * MULTIPLE
    top, left = (height - down) // 2, (width - right) // 2
    return hq[..., top : top + down, left : left + right]


def means_of(found: Mapping[str, Sequence[Score]]) -> dict[str, dict[str, Score]]:
    """The means over clips by what was hidden, and over all of it, then by network."""
    together = {**found, ALL: [score for scores in found.values() for score in scores]}
    return {hidden: {score.upscaler: score for score in means(scores)} for hidden, scores in together.items()}
