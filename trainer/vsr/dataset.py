"""Training samples for the network: an HQ clip and its LR clip, as a pure function of (seed, epoch, index).

It does not matter which process makes a sample, or when. A run gets the same samples with any number of workers and
ranks, and continues with the same samples after it was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.random import Generator, SeedSequence
from pydantic import Field
from torch import Tensor
from torch.utils.data import Dataset

from ..data.augment import flip, sample_flips
from ..data.clips import Clip, Frame
from ..data.samples import Position, Sample
from ..degradation.pipeline import LearnedOperator, degrade
from ..degradation.sampling import sample_degradation
from ..degradation.settings import Degradation
from ..errors import ClipError
from ..settings import Settings


class Sampling(Settings):
    """The part of a clip that becomes a training sample, and its augmentation (docs/paper-and-release.md, 2.1)."""

    frames: Annotated[int, Field(ge=1, le=1000)] = 15
    """Number of frames in a sample. More frames teach longer memory and take more memory and time."""
    strides: Annotated[tuple[Annotated[int, Field(ge=1, le=16)], ...], Field(strict=False, min_length=1)] = (1, 2, 3)
    """Frame steps, one of which is sampled for each clip: 1 takes every frame, 2 every second one, and so on."""
    size: Annotated[int, Field(ge=16, multiple_of=8)] = 256
    """Height and width of the HQ crop in pixels. The LR crop has a quarter."""
    reverse: bool = True
    """Play half of the samples backwards."""
    flip: bool = True
    """Flip samples horizontally, flip them vertically and transpose them, each with a probability of one half."""


class DegradedClips(Dataset[Sample]):
    """Samples by (epoch, index). There is one index for each frame of all clips, and its sample is around that frame.

    Args:
        seed: seed of everything that is sampled.
        operators: learnable basic operators that degrade clips.

    Raises:
        ClipError: a clip has too few frames for the smallest stride.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        sampling: Sampling,
        degradation: Degradation,
        seed: int,
        operators: Sequence[LearnedOperator] = (),
    ) -> None:
        self._clips = clips
        self._sampling = sampling
        self._degradation = degradation
        self._seed = seed
        self._operators = operators
        lengths = [len(clip) for clip in clips]
        least = _span(sampling.frames, min(sampling.strides))
        for clip, length in zip(clips, lengths, strict=True):
            if length < least:
                raise ClipError(
                    f"clip {clip.name!r} has {length} frames, and {sampling.frames} at every {min(sampling.strides)} "
                    f"take {least}; leave it out, or set fewer frames"
                )
        self._ends = np.cumsum(lengths)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def check(self) -> None:
        """Look at every frame of every clip without decoding it.

        Raises:
            ClipError: a frame is damaged, has another size than others of its clip, or is smaller than the crop.
        """
        for clip in self._clips:
            _require_size(clip.name, *clip.check(), self._sampling.size)

    def lengths(self) -> dict[str, int]:
        """Return the number of frames of each clip, by name. It tells whether a resumed run has the same clips."""
        return {clip.name: len(clip) for clip in self._clips}

    def __getitem__(self, position: Position) -> Sample:
        epoch, index = position
        generator = np.random.default_rng(SeedSequence((self._seed, epoch, index)))
        number = int(np.searchsorted(self._ends, index, side="right"))
        clip = self._clips[number]
        around = index - (int(self._ends[number - 1]) if number else 0)
        frames = clip.read(_sample_window(self._sampling, generator, around, len(clip)))
        hq = _sample_crop(frames, self._sampling, generator, clip.name)
        hq = flip(hq, sample_flips(generator, enabled=self._sampling.flip))
        degradation = sample_degradation(self._degradation, generator, len(hq), len(self._operators))
        lr, failures = degrade(hq, self._degradation, degradation, self._operators)
        return Sample(lr, hq, failures)


def _span(frames: int, stride: int) -> int:
    return (frames - 1) * stride + 1


def _sample_window(sampling: Sampling, generator: Generator, around: int, length: int) -> list[int]:
    """Return the numbers of the frames of a sample.

    Args:
        around: number of the frame in the middle. If the window would leave the clip, another place is sampled.
        length: number of frames of the clip.
    """
    strides = [stride for stride in sampling.strides if _span(sampling.frames, stride) <= length]
    stride = strides[int(generator.integers(len(strides)))]
    span = _span(sampling.frames, stride)
    first = around - sampling.frames // 2 * stride
    elsewhere = int(generator.integers(length - span + 1))
    if not 0 <= first <= length - span:
        first = elsewhere
    numbers = list(range(first, first + span, stride))
    backwards = generator.random() < 0.5
    return numbers[::-1] if sampling.reverse and backwards else numbers


def _sample_crop(frames: Sequence[Frame], sampling: Sampling, generator: Generator, name: str) -> Tensor:
    """Return the same crop of all frames, uint8 (frames, 3, size, size)."""
    height, width, _ = frames[0].shape
    size = sampling.size
    _require_size(name, width, height, size)
    if any(frame.shape != frames[0].shape for frame in frames):
        raise ClipError(f"clip {name!r} has frames of different sizes; leave it out")
    top, left = (int(generator.integers(side - size + 1)) for side in (height, width))
    crop = np.stack([frame[top : top + size, left : left + size] for frame in frames])
    return torch.from_numpy(crop).permute(0, 3, 1, 2)


def _require_size(name: str, width: int, height: int, size: int) -> None:
    if min(height, width) < size:
        raise ClipError(
            f"clip {name!r} has {width}x{height} pixels, and sampling.size={size} is larger; leave it out, or set less"
        )
