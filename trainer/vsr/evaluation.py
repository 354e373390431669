"""Measures networks on clips that they were not trained on: PSNR of luma and LPIPS, beside bicubic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import SeedSequence
from torch import Tensor
from torch.nn import functional

from vsanimesr.network.shapes import SCALE
from vsanimesr.network.torch_network import AnimeSR

from ..data.clips import Clip
from ..data.uint8 import UINT8_MAX, quantize
from ..degradation.pipeline import degrade
from ..degradation.sampling import sample_degradation
from ..degradation.settings import Degradation
from ..errors import ClipError
from ..losses.metrics import Lpips, psnr_y
from .recurrence import Recurrence

BICUBIC = "bicubic"
MULTIPLE = 16
"""HQ sides are cropped to a multiple of this, so that LR sides are multiples of 4."""
SMALLEST_SIDE = 64
"""Smallest HQ side in pixels."""

type Upscaler = Callable[[Tensor], Tensor]
"""Maps LR frames, (frames, 3, height, width), to SR frames."""


@dataclass(frozen=True)
class Score:
    """Means over the frames of a clip, for one upscaler."""

    clip: str
    upscaler: str
    psnr_y: float
    """In dB."""
    lpips: float


def score_clips(
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
        networks: networks by name.
        clips: HQ clips.
        settings: degradations to sample from. `seed` and the index of a clip alone decide which one it gets.
        frames: largest number of frames of a clip, from its start.
        every: interval between frames measured with LPIPS, which takes longer than the network. The first one is in
            the middle of the first interval.

    Raises:
        ClipError: a clip is too small, or cannot be read.
    """
    for number, clip in enumerate(clips):
        hq = read_hq(clip, frames)
        degradation = sample_degradation(settings, np.random.default_rng(SeedSequence((seed, number))), len(hq))
        lr, _ = degrade(hq, settings, degradation)
        yield from score_clip(networks, clip.name, lr, hq, lpips, every=every)


def score_clip(
    networks: Mapping[str, AnimeSR], clip: str, lr: Tensor, hq: Tensor, lpips: Lpips, *, every: int = 1
) -> Iterator[Score]:
    """Measure what bicubic and each network make of one clip.

    Args:
        networks: networks by name.
        clip: name of the clip.
        lr: float32 (frames, 3, height, width) in [0, 1]; sides are multiples of 4.
        hq: uint8 (frames, 3, 4 * height, 4 * width).
        every: as for `score_clips`.
    """
    upscalers: dict[str, Upscaler] = {BICUBIC: upscale_bicubic}
    upscalers |= {name: _build_upscaler(network) for name, network in networks.items()}
    device = next(lpips.parameters()).device
    for name, upscale in upscalers.items():
        yield _score(clip, name, upscale(lr.to(device)), hq.to(device), lpips, every)


def mean_scores(scores: Sequence[Score]) -> list[Score]:
    """Return the mean over all clips for each upscaler. Each clip has the same weight, whatever its length."""
    names = list(dict.fromkeys(score.upscaler for score in scores))
    return [
        Score(
            "all",
            name,
            float(np.mean([score.psnr_y for score in scores if score.upscaler == name])),
            float(np.mean([score.lpips for score in scores if score.upscaler == name])),
        )
        for name in names
    ]


def upscale_bicubic(lr: Tensor) -> Tensor:
    """Upscale LR frames without a network, by bicubic interpolation."""
    return functional.interpolate(lr, scale_factor=SCALE, mode="bicubic", align_corners=False)


def _build_upscaler(network: AnimeSR) -> Upscaler:
    recurrence = Recurrence(network)

    @torch.no_grad()
    def upscale(lr: Tensor) -> Tensor:
        sr: Tensor = recurrence(lr[None])[0]
        return sr

    return upscale


def read_hq(clip: Clip, count: int) -> Tensor:
    """Return the first frames of a clip, uint8 (frames, 3, height, width), cropped to a multiple of 16."""
    frames = np.stack(clip.read(range(min(count, len(clip)))))
    height, width = (side - side % MULTIPLE for side in frames.shape[1:3])
    if min(height, width) < SMALLEST_SIDE:
        raise ClipError(
            f"clip {clip.name!r} has {width}x{height} pixels, and {SMALLEST_SIDE}x{SMALLEST_SIDE} are the least; leave "
            "it out"
        )
    return torch.from_numpy(frames[:, :height, :width]).permute(0, 3, 1, 2).contiguous()


def _score(clip: str, upscaler: str, sr: Tensor, hq: Tensor, lpips: Lpips, every: int) -> Score:
    targets = (each.float() / UINT8_MAX for each in torch.split(hq, 1))
    psnr, distance = measure_frames(sr.clamp(0, 1), targets, lpips, every)
    assert distance is not None
    return Score(clip, upscaler, psnr, distance)


def measure_frames(
    sr: Tensor, targets: Iterable[Tensor], lpips: Lpips | None, every: int
) -> tuple[float, float | None]:
    """Return the means of PSNR-Y, in dB, and of LPIPS. Frame by frame: features of a whole clip would fill the memory.

    Args:
        sr: float32 (frames, 3, height, width) in [0, 1].
        targets: the HQ frame of each, float32 (1, 3, height, width).
        lpips: None to leave LPIPS out.
        every: as for `score_clips`.
    """
    psnrs, distances = [], []
    for n, (frame, target) in enumerate(zip(torch.split(sr, 1), targets, strict=True)):
        psnrs.append(psnr_y(frame, target).item())
        if lpips and n % every == min(every, len(sr)) // 2:
            distances.append(lpips(quantize(frame), target).item())
    return float(np.mean(psnrs)), float(np.mean(distances)) if distances else None
