"""The comparison of the paper's table 2: networks finetuned with several degradations, from the same start, for the
same number of steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from trainer.core.train import run_training
from trainer.data.clips import Clip, find_clips
from trainer.data.pool import pack_clips
from trainer.data.uint8 import to_float
from trainer.losses.metrics import Lpips
from trainer.settings import override
from trainer.vsr.config import preset
from trainer.vsr.dataset import DegradedClips
from trainer.vsr.evaluation import MULTIPLE, Score, mean_scores, score_clip
from trainer.vsr.weights import load_network
from vsanimesr.network.torch_network import AnimeSR

from . import runs
from .episodes import read_hq
from .synthetic_faults import SyntheticFault

EVERY = 24
"""LPIPS compares one frame in this many."""
NN_ONLY = "nn-only"
ALL = "all"
OPERATOR_ALONE = (
    *("degradation.down.factors=[4]", "degradation.down.modes.bilinear=0", "degradation.down.modes.bicubic=0"),
    *("degradation.down.lbo=1", "degradation.noise.sigma=[0,0]", "degradation.blur.isotropic=1"),
    *("degradation.blur.sigma=[0.2,0.2]", "degradation.codec.crf=[1,1]"),
)
"""NN-only is the whole degradation: the basic operators around it have no visible effect."""


class NetworkOperator:
    """A network as an operator after scaling down.

    Args:
        bf16: compute in bfloat16, which is slow on processors without it.
    """

    def __init__(self, network: nn.Module, *, bf16: bool = True) -> None:
        self._network = network.to(memory_format=torch.channels_last)
        self._bf16 = bf16

    @torch.inference_mode()
    def __call__(self, clip: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            degraded: Tensor = self._network(clip.contiguous(memory_format=torch.channels_last))
        return degraded.float().contiguous()


def finetune_with_nn_only(out: Path, network: nn.Module, more: Sequence[str]) -> None:
    """Finetune the base network with an NN-only network as the whole degradation."""
    assignments = [f"data={out / 'hq'}", f"start={out / 'base'}", *runs.FINETUNE, *OPERATOR_ALONE, *more]
    settings = override(preset("vsr-final", "paper"), assignments)
    clips = pack_clips(find_clips(out / "hq"), settings.memory)
    operators = [NetworkOperator(network)]
    samples = DegradedClips(clips, settings.sampling, settings.degradation, settings.seed, operators)
    run_training(samples, settings, out / f"final-{NN_ONLY}", [NN_ONLY])


def load_networks(out: Path, variants: Sequence[str]) -> dict[str, AnimeSR]:
    """Load the base network and finetuned ones."""
    return {"base": load_network(str(out / "base"))} | {
        name: load_network(str(out / f"final-{name}")) for name in variants
    }


def score_networks(
    networks: Mapping[str, AnimeSR], fault: SyntheticFault, clips: Sequence[Clip], lpips: Lpips
) -> Iterator[Score]:
    """Measure networks on degraded clips, against their HQ.

    To save time, only the middle of the pictures is degraded and repaired: half of the width and height.
    """
    for clip in clips:
        hq = _crop_middle(read_hq(clip, range(len(clip))))
        yield from score_clip(networks, clip.name, to_float(fault.degrade(hq)), hq, lpips, every=EVERY)


def average(scores: Mapping[str, Sequence[Score]]) -> dict[str, dict[str, Score]]:
    """Return the means over clips, by fault and network. `ALL` has the means over all faults."""
    together = {**scores, ALL: [score for own in scores.values() for score in own]}
    return {fault: {score.upscaler: score for score in mean_scores(own)} for fault, own in together.items()}


def _crop_middle(hq: Tensor) -> Tensor:
    height, width = hq.shape[-2:]
    down, right = height // 2 // MULTIPLE * MULTIPLE, width // 2 // MULTIPLE * MULTIPLE
    top, left = (height - down) // 2, (width - right) // 2
    return hq[..., top : top + down, left : left + right]
