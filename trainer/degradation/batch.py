"""Degradation of a batch of clips on a device: what `pipeline.degrade` does to each of them, up to the codec.

The clips of a batch have different parameters. Blur and noise take those of all clips at once. Where clips take other
ways, those that take the same one go together. Values differ from those of `pipeline.degrade` by rounding only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Self

import torch
from torch import Tensor

from ..data.uint8 import UINT8_MAX
from .blur import blur_clips, blur_passes
from .device import upload
from .noise import add_noise_to_clips, draw_words
from .pipeline import FAULTS, LearnedOperator, scale_down
from .sampling import DegradationSample, DownStage
from .settings import Degradation

CLIPS_AT_ONCE = 4
"""Clips that are degraded together. More would take more memory, and hardly less time."""


@dataclass(frozen=True)
class DrawnClip:
    """An HQ clip, and everything random in its degradation."""

    hq: Tensor
    """uint8 (frames, 3, height, width)."""
    words: Tensor
    """Random bits of the noise, as of `draw_words`."""
    sample: DegradationSample


@dataclass(frozen=True)
class DrawnBatch:
    """Drawn clips of one size."""

    hq: Tensor
    """uint8 (clips, frames, 3, height, width)."""
    words: Tensor
    """int16 (planes, height, width), the planes of all clips in order."""
    planes: tuple[int, ...]
    """Number of planes of each clip."""
    samples: tuple[DegradationSample, ...]

    def pin_memory(self) -> Self:
        """Move the batch to pinned memory. The data loader calls this."""
        return replace(self, hq=self.hq.pin_memory(), words=self.words.pin_memory())

    def to(self, device: torch.device) -> Self:
        """Move the batch to a device."""
        hq, words = (each.to(device, non_blocking=True) for each in (self.hq, self.words))
        return replace(self, hq=hq, words=words)


def draw(hq: Tensor, sample: DegradationSample) -> DrawnClip:
    """Draw what is random in the degradation of a clip, and costs too much to draw on the device's side.

    Args:
        hq: uint8 (frames, 3, height, width).
    """
    return DrawnClip(hq, draw_words(sample.noise_grey, sample.noise_seeds, *hq.shape[-2:]), sample)


def collate(clips: Sequence[DrawnClip]) -> DrawnBatch:
    """Put drawn clips of one size together."""
    return DrawnBatch(
        torch.stack([each.hq for each in clips]),
        torch.cat([each.words for each in clips]),
        tuple(len(each.words) for each in clips),
        tuple(each.sample for each in clips),
    )


def degrade_batch(batch: DrawnBatch, settings: Degradation, operators: Sequence[LearnedOperator] = ()) -> Tensor:
    """Return the LR clips of a batch before they are rounded to 8 bits and encoded.

    Args:
        batch: clips on the device that computes; sides are multiples of 8, above 10.
        settings: the settings that the samples were sampled from.
        operators: the pool of learned operators that the samples refer to, on the same device.

    Returns:
        float32 (clips, frames, 3, height / 4, width / 4), not clamped.
    """
    ends = [0, *accumulate(batch.planes)]
    count = len(batch.samples)
    parts = []
    for first in range(0, count, CLIPS_AT_ONCE):
        last = min(first + CLIPS_AT_ONCE, count)
        words = batch.words[ends[first] : ends[last]]
        parts.append(_degrade_clips(batch.hq[first:last], words, batch.samples[first:last], settings, operators))
    return torch.cat(parts)


def _degrade_clips(
    hq: Tensor,
    words: Tensor,
    samples: Sequence[DegradationSample],
    settings: Degradation,
    operators: Sequence[LearnedOperator],
) -> Tensor:
    passes = [blur_passes(each.sigma_x, each.sigma_y, each.angle) for each in samples]
    clips = hq.float().div_(UINT8_MAX)
    clips = _by_group(clips, passes, len, lambda group, _, kernels: blur_clips(group, kernels))
    sigmas = upload(torch.tensor([each.noise_sigmas for each in samples]), clips.device)
    clips = add_noise_to_clips(clips, words, sigmas, [each.noise_grey for each in samples])

    def scale(group: Tensor, stage: DownStage, _: object) -> Tensor:
        frames = scale_down(group.flatten(0, 1), stage, settings.down.lbo_mode, operators)
        return frames.view(*group.shape[:2], *frames.shape[1:])

    for stages in zip(*(each.stages for each in samples), strict=True):
        clips = _by_group(clips, stages, lambda stage: stage, scale)
    return torch.stack([_add_faults(clip, each) for clip, each in zip(clips, samples, strict=True)])


def _add_faults(clip: Tensor, sample: DegradationSample) -> Tensor:
    for fault in sample.faults:
        clip = FAULTS[fault.name](clip, **fault.arguments)
    return clip


def _by_group[P, K: Hashable](
    clips: Tensor, parameters: Sequence[P], key: Callable[[P], K], apply: Callable[[Tensor, K, list[P]], Tensor]
) -> Tensor:
    """Apply a function to those clips together whose parameters have the same key. The results keep their order.

    Args:
        apply: gets the clips of a group, their key and their parameters.
    """
    groups: dict[K, list[int]] = {}
    for n, each in enumerate(parameters):
        groups.setdefault(key(each), []).append(n)
    results: dict[int, Tensor] = {}
    for name, members in groups.items():
        group = clips if len(groups) == 1 else torch.stack([clips[n] for n in members])
        done = apply(group, name, [parameters[n] for n in members])
        results |= zip(members, done, strict=True)
        if len(groups) == 1:
            return done
    return torch.stack([results[n] for n in range(len(parameters))])
