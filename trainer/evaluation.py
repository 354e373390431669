"""How good networks are on clips that they were not trained on: PSNR of luma and LPIPS, beside bicubic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import SeedSequence
from torch import Tensor
from torch.nn import functional

from vsanimesr.network import SCALE
from vsanimesr.torch_network import AnimeSR

from .clips import Clip
from .degradation.draw import drawn
from .degradation.levels import LEVELS, rounded
from .degradation.pipeline import degraded
from .degradation.settings import Degradation
from .errors import ClipError
from .metrics import Lpips, psnr_y
from .recurrence import Recurrence

BICUBIC = "bicubic"
MULTIPLE = 16
"""HQ is cropped to a multiple of it, so that LR has one of 4."""
LEAST = 64
"""Of an HQ side, in pixels."""

type Upscaler = Callable[[Tensor], Tensor]
"""LR frames, (frames, 3, height, width), to SR frames."""


@dataclass(frozen=True)
class Score:
    """Of one upscaler on one clip: means over its frames."""

    clip: str
    upscaler: str
    psnr_y: float
    """In dB."""
    lpips: float


def scores(
    networks: Mapping[str, AnimeSR],
    clips: Sequence[Clip],
    settings: Degradation,
    lpips: Lpips,
    *,
    seed: int = 0,
    frames: int = 24,
    every: int = 1,
) -> Iterator[Score]:
    """Degrade each clip once, and measure what bicubic and each network make of it.

    Args:
        networks: by the name to call them by.
        clips: HQ.
        settings: of the degradation; what is drawn depends on `seed` and a clip's place among the clips only.
        frames: of a clip, from its start, at most.
        every: LPIPS, which takes longer than the network, is of every so manieth of them, from the middle of the first
            so many on.

    Raises:
        ClipError: a clip is too small, or cannot be read.
    """
    for number, clip in enumerate(clips):
        hq = _whole(clip, frames)
        draw = drawn(settings, np.random.default_rng(SeedSequence((seed, number))), len(hq))
        lr, _ = degraded(hq, settings, draw)
        yield from scores_of(networks, clip.name, lr, hq, lpips, every=every)


def scores_of(
    networks: Mapping[str, AnimeSR], clip: str, lr: Tensor, hq: Tensor, lpips: Lpips, *, every: int = 1
) -> Iterator[Score]:
    """Measure what bicubic and each network make of one clip.

    Args:
        clip: what to call it.
        lr: float32 (frames, 3, height, width) in [0, 1]; sides are multiples of 4.
        hq: uint8 (frames, 3, 4 * height, 4 * width).
        every: as in `scores`.
    """
    upscalers: dict[str, Upscaler] = {BICUBIC: enlarged}
    upscalers |= {name: _runs(network) for name, network in networks.items()}
    device = next(lpips.parameters()).device
    for name, upscale in upscalers.items():
        yield _score(clip, name, upscale(lr.to(device)), hq.to(device), lpips, every)


def means(found: Sequence[Score]) -> list[Score]:
    """Over all clips, each counting the same, by upscaler."""
    names = list(dict.fromkeys(score.upscaler for score in found))
    return [
        Score(
            "all",
            name,
            float(np.mean([score.psnr_y for score in found if score.upscaler == name])),
            float(np.mean([score.lpips for score in found if score.upscaler == name])),
        )
        for name in names
    ]


def enlarged(lr: Tensor) -> Tensor:
    """What a bicubic makes of LR frames: what there is without a network."""
    return functional.interpolate(lr, scale_factor=SCALE, mode="bicubic", align_corners=False)


def _runs(network: AnimeSR) -> Upscaler:
    recurrence = Recurrence(network)

    @torch.no_grad()
    def run(lr: Tensor) -> Tensor:
        sr: Tensor = recurrence(lr[None])[0]
        return sr

    return run


def _whole(clip: Clip, frames: int) -> Tensor:
    """uint8 (frames, 3, height, width), cropped to a multiple of 16."""
    pictures = np.stack(clip.read(range(min(frames, len(clip)))))
    height, width = (side - side % MULTIPLE for side in pictures.shape[1:3])
    if min(height, width) < LEAST:
        raise ClipError(
            f"clip {clip.name!r} has {width}x{height} pixels, and {LEAST}x{LEAST} are the least; leave it out"
        )
    return torch.from_numpy(pictures[:, :height, :width]).permute(0, 3, 1, 2).contiguous()


def _score(clip: str, upscaler: str, sr: Tensor, hq: Tensor, lpips: Lpips, every: int) -> Score:
    """Frame by frame: features of a whole clip would fill the memory."""
    psnrs, distances = [], []
    for n, (own, right) in enumerate(zip(torch.split(sr.clamp(0, 1), 1), torch.split(hq, 1), strict=True)):
        wanted = right.float() / LEVELS
        psnrs.append(psnr_y(own, wanted).item())
        if n % every == min(every, len(hq)) // 2:
            distances.append(lpips(rounded(own), wanted).item())
    return Score(clip, upscaler, float(np.mean(psnrs)), float(np.mean(distances)))
