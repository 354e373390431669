"""The comparison of the paper's table 2: networks finetuned with several degradations, from the same start, for the
same number of steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from trainer.data.clips import Clip
from trainer.data.uint8 import to_float
from trainer.losses.metrics import Lpips
from trainer.settings import override
from trainer.table2.nn_only import train_with_nn_only
from trainer.table2.rows import NN_ONLY
from trainer.vsr.config import preset
from trainer.vsr.evaluation import MULTIPLE, Score, mean_scores, score_clip
from trainer.vsr.weights import load_network
from vsanimesr.network.torch_network import AnimeSR

from . import runs
from .episodes import read_hq
from .synthetic_faults import SyntheticFault

EVERY = 24
"""LPIPS compares one frame in this many."""
ALL = "all"


def finetune_with_nn_only(out: Path, network: nn.Module, more: Sequence[str]) -> None:
    """Finetune the base network with an NN-only network as the whole degradation."""
    assignments = [f"data={out / 'hq'}", f"start={out / 'base'}", *runs.FINETUNE, *more]
    settings = override(preset("vsr-final", "paper"), assignments)
    train_with_nn_only(settings, network, out / f"final-{NN_ONLY}")


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
