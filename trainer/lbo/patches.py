"""A page of patches that shows an operator's effect, as in the paper's figure 9."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from torch import Tensor
from torch.nn import functional

from ..data.clips import Clip
from ..data.uint8 import UINT8_MAX, to_float
from ..degradation.blur import blur
from ..degradation.learned.degrader import Degrader
from ..degradation.learned.operator import LBO_SCALE, Operator
from ..degradation.noise import add_noise
from ..degradation.scaling import downscale
from ..previews import SIDE, Cell, Row, draw_page, find_most_detailed
from .dataset import find_pairs

ROWS = 5
PATCH_SIDE = 64
"""Height and width of a patch of an LQ frame, in pixels."""
BLUR_SIGMA, NOISE_SIGMA = 1.2, 8
"""Strength of the basic operators for comparison, in pixels and grey levels: the middle of usual ranges."""
assert SIDE % PATCH_SIDE == 0


def render_patches(operator: Operator, path: Path) -> Image.Image:
    """Render rows of patches: pseudo-HQ, with blur, with noise, degraded by the operator, and the episode itself.

    Args:
        path: folder of an operator, with its pairs.

    Raises:
        ClipError: a frame of the pairs cannot be read.
        PairError: there are no pairs, or one is not complete.
    """
    clips = list(zip(*find_pairs(path), strict=True))
    rows = [clips[n * len(clips) // ROWS] for n in range(min(ROWS, len(clips)))]
    return draw_page([_draw_row(operator, hq, lq) for hq, lq in rows])


def _draw_row(operator: Operator, hq_clip: Clip, lq_clip: Clip) -> Row:
    middle = len(lq_clip) // 2
    hq, lq = (read_frame(clip, middle) for clip in (hq_clip, lq_clip))
    top, left = find_most_detailed(lq, PATCH_SIDE)
    patch = _cut_patch(hq, LBO_SCALE * top, LBO_SCALE * left, LBO_SCALE * PATCH_SIDE)
    half = downscale(patch, LBO_SCALE, "area")
    degrade = Degrader(operator)
    patches = {
        f"pseudo-HQ of {lq_clip.name}": patch,
        f"blur, sigma {BLUR_SIGMA}": blur(half, BLUR_SIGMA, BLUR_SIGMA, 0),
        f"noise, sigma {NOISE_SIGMA}": add_noise(half, [NOISE_SIGMA / UINT8_MAX], [False], [0]),
        "the operator": degrade(patch if operator.halves else half).clamp(0, 1),
        "the episode": _cut_patch(lq, top, left, PATCH_SIDE),
    }
    return [Cell(label, picture[0]) for label, picture in patches.items()]


def _cut_patch(frame: Tensor, top: int, left: int, side: int) -> Tensor:
    """Cut a patch, (1, 3, side, side). Edge pixels are repeated beyond the frame."""
    patch = frame[..., top : top + side, left : left + side]
    below, right = side - patch.shape[-2], side - patch.shape[-1]
    return functional.pad(patch, (0, right, 0, below), mode="replicate")


def read_frame(clip: Clip, number: int) -> Tensor:
    """Read a frame as float32 (1, 3, height, width) in [0, 1]."""
    (frame,) = clip.read([number])
    return to_float(frame[None])
