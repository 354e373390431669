"""How near an operator comes to its episode, beside plain downscaling: whether it has learned anything."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from vsanimesr.files import write_atomic

from ..data.clips import Clip
from ..data.uint8 import UINT8_MAX
from ..degradation.learned.operator import LBO_SCALE, Operator
from ..degradation.scaling import downscale
from . import folder
from .dataset import find_pairs
from .patches import read_frame

_log = logging.getLogger(__name__)

FRAMES = 16
"""Largest number of pairs that are compared: the middle frames of clips all over the episode."""
BLOCK = 8
"""Height and width of the blocks, in LQ pixels."""
UNSEEN = 1.0
"""Grey levels of difference that mean nothing: codecs and 8 bits leave as much."""


@dataclass(frozen=True)
class Effect:
    """Mean absolute differences to LQ frames, of the means of blocks of 8x8 pixels, in grey levels.

    Grain and noise are other ones in each frame, and no operator can repeat them. In the means of blocks they vanish,
    and what is left is what an operator has to get right: colours, contrast, softness.
    """

    operator: float
    """Of pseudo-HQ that the operator degraded."""
    plain: float
    """Of pseudo-HQ that was only halved."""

    @property
    def is_worse(self) -> bool:
        """Whether plain downscaling comes nearer to the episode: the operator needs more steps."""
        return self.operator > max(self.plain, UNSEEN)

    def __str__(self) -> str:
        return f"{self.operator:.1f} grey levels from the episode, plain downscaling {self.plain:.1f}"


def measure_effect(operator: Operator, path: Path) -> Effect:
    """Compare an operator with its pairs.

    Args:
        path: folder of an operator, with its pairs.

    Raises:
        ClipError: a frame of the pairs cannot be read.
        PairError: there are no pairs, or one is not complete.
    """
    clips = list(zip(*find_pairs(path), strict=True))
    count = min(FRAMES, len(clips))
    found = [_compare(operator, *clips[n * len(clips) // count]) for n in range(count)]
    return Effect(*(sum(each) / count for each in zip(*found, strict=True)))


def write_effect(path: Path, effect: Effect) -> None:
    """Write what was found into the folder of the operator."""
    write_atomic(path / folder.EFFECT_FILE, json.dumps(asdict(effect)).encode())


def read_effect(path: Path) -> Effect | None:
    """Read what was found of the operator in a folder. None if nothing is there, or it is damaged."""
    try:
        return Effect(**json.loads((path / folder.EFFECT_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def warn_if_worse(effect: Effect | None, operator: Path) -> None:
    """Log a warning of an operator that is worse than none."""
    if effect and effect.is_worse:
        _log.warning(
            "%s has not learned its episode: it is %s. A network would learn to undo the operator's own faults; train "
            "it for more steps, or with more features (operator.features)",
            *(operator, effect),
        )


def _compare(operator: Operator, hq_clip: Clip, lq_clip: Clip) -> tuple[float, float]:
    middle = len(lq_clip) // 2
    hq, lq = (read_frame(clip, middle) for clip in (hq_clip, lq_clip))
    half = downscale(hq, LBO_SCALE, "area")
    with torch.inference_mode():
        degraded = operator(hq if operator.halves else half).clamp(0, 1)
    return _difference(degraded, lq), _difference(half, lq)


def _difference(one: Tensor, other: Tensor) -> float:
    blocks = functional.avg_pool2d(one, BLOCK) - functional.avg_pool2d(other, BLOCK)
    return UINT8_MAX * float(blocks.abs().mean())
