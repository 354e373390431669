"""Training samples for the network: an HQ clip and its LR clip, as a pure function of (seed, epoch, index).

It does not matter which process makes a sample, or when. A run gets the same samples with any number of workers and
ranks, and continues with the same samples after it was stopped.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import numpy as np
import torch
from numpy.random import Generator, SeedSequence
from pydantic import Field
from torch import Tensor
from torch.utils.data import Dataset

from ..data.augment import flip, sample_flips
from ..data.clips import Clip, Frame
from ..data.lines import sharpen_lines
from ..data.samples import Encode, Finish, Position, Sample
from ..data.uint8 import round_to_8_bits
from ..data.zoom import zoom_crop
from ..degradation.batch import DrawnBatch, DrawnClip, collate, degrade_batch, draw
from ..degradation.device import download
from ..degradation.learned.degrader import PoolOperator
from ..degradation.pipeline import LearnedOperator, degrade, encode
from ..degradation.sampling import DegradationSample, sample_degradation, use_operator
from ..degradation.settings import Degradation
from ..errors import ClipError
from ..settings import PositiveRange, Settings

_OPERATOR_KEY = 1
"""Key of the seeds for operators of steps. Seeds of samples and of orders have none."""


class Sampling(Settings):
    """The part of a clip that becomes a training sample, and its augmentation (docs/paper-and-release.md, 2.1)."""

    frames: Annotated[int, Field(ge=1, le=1000)] = 15
    """Number of frames in a sample. More frames teach longer memory and take more memory and time."""
    strides: Annotated[tuple[Annotated[int, Field(ge=1, le=16)], ...], Field(strict=False, min_length=1)] = (1, 2, 3)
    """Frame steps, one of which is sampled for each clip: 1 takes every frame, 2 every second one, and so on."""
    size: Annotated[int, Field(ge=16, multiple_of=8)] = 256
    """Height and width of the HQ crop in pixels. The LR crop has a quarter."""
    zoom: PositiveRange = (1, 1)
    """Factor by which HQ is enlarged before it is cropped, sampled for each clip. HQ that is crisper than the material
    to repair teaches a network to draw too crisply; `recipe` says which zoom fits."""
    reverse: bool = True
    """Play half of the samples backwards."""
    flip: bool = True
    """Flip samples horizontally, flip them vertically and transpose them, each with a probability of one half."""
    sharpen_lines: bool = False
    """Sharpen the drawn lines of the frames that the network should return, as APISR does (trainer/data/lines.py). LR
    is made of the frames as they are."""

    def target(self, hq: Tensor) -> Tensor:
        """Return what the network should return of HQ frames, uint8 (..., 3, height, width)."""
        return sharpen_lines(hq) if self.sharpen_lines else hq

    def reach(self, stride: int) -> int:
        """Return the number of frames of a clip that a sample reaches over."""
        return (self.frames - 1) * stride + 1


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
        least = sampling.reach(min(sampling.strides))
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
            _require_size(clip.name, *clip.check(), self._sampling)

    def digests(self) -> dict[str, str]:
        """Return for each clip, by name, a text that tells it from others by its content."""
        return {clip.name: f"{len(clip)} frames, {clip.digest()}" for clip in self._clips}

    def __getitem__(self, position: Position) -> Sample:
        return self.at_step(position, 0)

    def at_step(self, position: Position, step: int) -> Sample:
        """Return a sample for a training step, which matters if the step decides on the operator."""
        hq, degradation = self._draw(position, step)
        lr, failures = degrade(hq, self._degradation_of(position), degradation, self._operators)
        return Sample(lr, self._sampling.target(hq), failures)

    def _degradation_of(self, position: Position) -> Degradation:
        return self._degradation

    def _draw(self, position: Position, step: int) -> tuple[Tensor, DegradationSample]:
        """Return an HQ crop, and what is random in its degradation."""
        epoch, index = position
        generator = np.random.default_rng(SeedSequence((self._seed, epoch, index)))
        number = int(np.searchsorted(self._ends, index, side="right"))
        clip = self._clips[number]
        around = index - (int(self._ends[number - 1]) if number else 0)
        frames = clip.read(_sample_window(self._sampling, generator, around, len(clip)))
        hq = sample_crop(frames, self._sampling, generator, clip.name)
        hq = flip(hq, sample_flips(generator, enabled=self._sampling.flip))
        degradation = sample_degradation(self._degradation_of(position), generator, len(hq), len(self._operators))
        if self._operators and self._degradation.down.lbo_choice == "iteration":
            degradation = use_operator(degradation, self._choose_operator(step))
        return hq, degradation

    def _choose_operator(self, step: int) -> int:
        """Return the operator of a step, the same in all processes that train."""
        seed = SeedSequence((self._seed, step), spawn_key=(_OPERATOR_KEY,))
        return int(np.random.default_rng(seed).integers(len(self._operators)))


class DrawnClips(DegradedClips):
    """The same samples, of which batches are degraded on the device that trains. Only the codec stays on the CPU.

    Args:
        operators: learnable basic operators that degrade clips.
        Otherwise as for `DegradedClips`.
    """

    _operators: Sequence[PoolOperator]

    def draw(self, position: Position, step: int) -> DrawnClip:
        """Draw a sample for a training step."""
        return draw(*self._draw(position, step))

    def collate(self, drawn: Sequence[DrawnClip]) -> DrawnBatch:
        """Put drawn samples together."""
        return collate(drawn)

    def finish_on(self, device: torch.device) -> Finish:
        """Return what degrades batches on a device, in the stream of the thread that calls it."""
        operators = [copy.deepcopy(each.operator).to(device) for each in self._operators]
        codec = self._degradation.codec

        def finish(drawn: DrawnBatch) -> tuple[Tensor, list[Encode]]:
            batch = drawn.to(device)
            lr = round_to_8_bits(degrade_batch(batch, self._degradation, operators), truncate=codec.truncated)
            frames = download(lr).numpy()
            return self._sampling.target(batch.hq), [
                partial(encode, each, codec, sample.encodings)
                for each, sample in zip(frames, batch.samples, strict=True)
            ]

        return finish


def _sample_window(sampling: Sampling, generator: Generator, around: int, length: int) -> list[int]:
    """Return the numbers of the frames of a sample.

    Args:
        around: number of the frame in the middle. If the window would leave the clip, another place is sampled.
        length: number of frames of the clip.
    """
    strides = [stride for stride in sampling.strides if sampling.reach(stride) <= length]
    stride = strides[int(generator.integers(len(strides)))]
    span = sampling.reach(stride)
    first = around - sampling.frames // 2 * stride
    elsewhere = int(generator.integers(length - span + 1))
    if not 0 <= first <= length - span:
        first = elsewhere
    numbers = list(range(first, first + span, stride))
    backwards = generator.random() < 0.5
    return numbers[::-1] if sampling.reverse and backwards else numbers


def sample_crop(frames: Sequence[Frame], sampling: Sampling, generator: Generator, name: str) -> Tensor:
    """Return the same crop of all frames, uint8 (frames, 3, size, size)."""
    height, width, _ = frames[0].shape
    size = sampling.size
    _require_size(name, width, height, sampling)
    if any(frame.shape != frames[0].shape for frame in frames):
        raise ClipError(f"clip {name!r} has frames of different sizes; leave it out")
    if any(zoom != 1 for zoom in sampling.zoom):
        return _sample_zoomed(frames, sampling, generator)
    top, left = (int(generator.integers(side - size + 1)) for side in (height, width))
    crop = np.stack([frame[top : top + size, left : left + size] for frame in frames])
    return torch.from_numpy(crop).permute(0, 3, 1, 2)


def _sample_zoomed(frames: Sequence[Frame], sampling: Sampling, generator: Generator) -> Tensor:
    """Return the same zoomed crop of all frames. It begins at fractions of a pixel."""
    height, width, _ = frames[0].shape
    zoom = float(generator.uniform(*sampling.zoom))
    top, left = (float(generator.uniform(0, side - sampling.size / zoom)) for side in (height, width))
    crop = np.stack([zoom_crop(frame, top, left, sampling.size, zoom) for frame in frames])
    return torch.from_numpy(crop).permute(0, 3, 1, 2)


def _require_size(name: str, width: int, height: int, sampling: Sampling) -> None:
    size, zoom = sampling.size, sampling.zoom[0]
    if min(height, width) * zoom < size:
        zoomed = "" if zoom == 1 else f" at sampling.zoom={zoom:g}"
        raise ClipError(
            f"clip {name!r} has {width}x{height} pixels, and sampling.size={size}{zoomed} is larger; leave it out, or "
            "set less"
        )
