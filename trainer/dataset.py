"""Training samples: an HQ clip and its LR clip, each a pure function of (seed, epoch, index).

Which process makes a sample, and when, has no part in it: the same run gives the same samples with any number of
workers and ranks, and goes on with them after a resume.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.random import Generator, SeedSequence
from pydantic import Field
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from .clips import Clip, Picture
from .degradation.draw import drawn
from .degradation.pipeline import Operator, degraded
from .degradation.settings import Degradation
from .errors import ClipError
from .sample import Position, Sample
from .settings import Settings
from .turns import drawn_turns, turned


class Sampling(Settings):
    """Which part of a clip is taken, and how it is turned (facts 2.1)."""

    frames: Annotated[int, Field(ge=1, le=1000)] = 15
    strides: Annotated[tuple[Annotated[int, Field(ge=1, le=16)], ...], Field(strict=False, min_length=1)] = (1, 2, 3)
    """Every how manieth frame is taken; one of these is drawn for a clip."""
    size: Annotated[int, Field(ge=16, multiple_of=8)] = 256
    """Sides of the HQ crop, in pixels; the LR one has a quarter."""
    reversed: bool = True
    """Whether half of the clips run backwards."""
    turned: bool = True
    """Whether they are mirrored left to right, upside down, and along the diagonal, each for half of them."""


class DegradedClips(Dataset[Sample]):
    """Samples by (epoch, index); as many as there are frames, each index around another frame.

    Args:
        seed: of everything that is drawn.

    Raises:
        ClipError: a clip has too few frames for the smallest stride.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        sampling: Sampling,
        degradation: Degradation,
        seed: int,
        operators: Sequence[Operator] = (),
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
        """Look at every picture of every clip, without decoding it.

        Raises:
            ClipError: one is damaged, or of another size than others of its clip, or smaller than the crop.
        """
        for clip in self._clips:
            _require_size(clip.name, *clip.check(), self._sampling.size)

    def lengths(self) -> dict[str, int]:
        """How many frames each clip has, by name: what tells whether they are the same clips."""
        return {clip.name: len(clip) for clip in self._clips}

    def __getitem__(self, position: Position) -> Sample:
        epoch, index = position
        generator = np.random.default_rng(SeedSequence((self._seed, epoch, index)))
        number = int(np.searchsorted(self._ends, index, side="right"))
        clip = self._clips[number]
        around = index - (int(self._ends[number - 1]) if number else 0)
        pictures = clip.read(_window(self._sampling, generator, around, len(clip)))
        hq = _cropped(pictures, self._sampling, generator, clip.name)
        hq = turned(hq, drawn_turns(generator, wanted=self._sampling.turned))
        draw = drawn(self._degradation, generator, len(hq), len(self._operators))
        lr, failures = degraded(hq, self._degradation, draw, self._operators)
        return Sample(lr, hq, failures)


class Shuffled(Sampler[Position]):
    """Positions of one rank: every epoch in another order, each index once, to the end of the last whole round.

    Args:
        length: of the dataset.
        seed: of the orders.
        begin: how many positions of all ranks together were taken before: a resumed run goes on there.
    """

    def __init__(self, length: int, seed: int, *, rank: int = 0, ranks: int = 1, begin: int = 0) -> None:
        self._length = length
        self._seed = seed
        self._rank, self._ranks = rank, ranks
        self._begin = begin

    def __iter__(self) -> Iterator[Position]:
        """Without end."""
        taken = self._begin + self._rank
        epoch, order = -1, np.empty(0, np.int64)
        while True:
            if taken // self._length != epoch:
                epoch = taken // self._length
                order = np.random.default_rng(SeedSequence((self._seed, epoch))).permutation(self._length)
            yield epoch, int(order[taken % self._length])
            taken += self._ranks


def _span(frames: int, stride: int) -> int:
    return (frames - 1) * stride + 1


def _window(sampling: Sampling, generator: Generator, around: int, length: int) -> list[int]:
    """Numbers of the frames, around one of them; where it would leave the clip, around another."""
    strides = [stride for stride in sampling.strides if _span(sampling.frames, stride) <= length]
    stride = strides[int(generator.integers(len(strides)))]
    span = _span(sampling.frames, stride)
    first = around - sampling.frames // 2 * stride
    elsewhere = int(generator.integers(length - span + 1))
    if not 0 <= first <= length - span:
        first = elsewhere
    numbers = list(range(first, first + span, stride))
    backwards = generator.random() < 0.5
    return numbers[::-1] if sampling.reversed and backwards else numbers


def _cropped(pictures: Sequence[Picture], sampling: Sampling, generator: Generator, name: str) -> Tensor:
    height, width, _ = pictures[0].shape
    size = sampling.size
    _require_size(name, width, height, size)
    if any(picture.shape != pictures[0].shape for picture in pictures):
        raise ClipError(f"clip {name!r} has pictures of different sizes; leave it out")
    top, left = (int(generator.integers(side - size + 1)) for side in (height, width))
    crop = np.stack([picture[top : top + size, left : left + size] for picture in pictures])
    return torch.from_numpy(crop).permute(0, 3, 1, 2)


def _require_size(name: str, width: int, height: int, size: int) -> None:
    if min(height, width) < size:
        raise ClipError(
            f"clip {name!r} has {width}x{height} pixels, and sampling.size={size} is larger; leave it out, or set less"
        )
