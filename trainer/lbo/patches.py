"""What an operator does to patches, beside basic operators and the episode itself, as in the paper's figure 9."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor
from torch.nn import functional

from ..cells import SIDE, Cell, Row, laid_out
from ..clips import Clip, Picture, find_clips
from ..degradation.blur import blurred
from ..degradation.levels import LEVELS, clip_of
from ..degradation.noise import noisy
from ..degradation.scaling import scaled_down
from ..pictures import most_detailed
from . import folder
from .degrader import Degrader
from .operator import HALVING, Operator

ROWS = 5
PATCH = 64
"""Of an LQ picture, in pixels."""
BLUR, NOISE = 1.2, 8
"""Of the basic operators beside it: pixels and grey levels, the middle of what is common."""
assert SIDE % PATCH == 0


def drawn_patches(operator: Operator, path: Path) -> Image.Image:
    """A page of rows: pseudo-HQ, blurred, with noise, degraded by the operator, as the episode is.

    Args:
        path: the folder of an operator, with its pairs.

    Raises:
        ClipError: a picture of the pairs cannot be read.
    """
    clips = list(zip(find_clips(folder.hq(path)), find_clips(folder.lq(path)), strict=True))
    shown = [clips[n * len(clips) // ROWS] for n in range(min(ROWS, len(clips)))]
    return laid_out([_row(operator, hq, lq) for hq, lq in shown])


def _row(operator: Operator, hq: Clip, lq: Clip) -> Row:
    middle = len(lq) // 2
    (large,), (small,) = hq.read([middle]), lq.read([middle])
    top, left = most_detailed(_tensor(small), PATCH)
    patch = _patch(_tensor(large), HALVING * top, HALVING * left, HALVING * PATCH)
    half = scaled_down(patch, HALVING, "area")
    degrade = Degrader(operator)
    pictures = {
        f"pseudo-HQ of {lq.name}": patch,
        f"blur, sigma {BLUR}": blurred(half, BLUR, BLUR, 0),
        f"noise, sigma {NOISE}": noisy(half, [NOISE / LEVELS], [False], [0]),
        "the operator": degrade(patch if operator.halves else half).clamp(0, 1),
        "the episode": _patch(_tensor(small), top, left, PATCH),
    }
    return [Cell(label, picture[0]) for label, picture in pictures.items()]


def _patch(picture: Tensor, top: int, left: int, side: int) -> Tensor:
    """(1, 3, side, side); what lies beyond the picture's edge repeats it."""
    patch = picture[..., top : top + side, left : left + side]
    below, right = side - patch.shape[-2], side - patch.shape[-1]
    return functional.pad(patch, (0, right, 0, below), mode="replicate")


def _tensor(picture: Picture) -> Tensor:
    """float32 (1, 3, height, width) in [0, 1]."""
    return clip_of(picture[None])
