"""The clips that upscalers are compared on: HQ clips, which are degraded once, or LQ clips with or without HQ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import SeedSequence
from torch import Tensor

from vsanimesr.network.shapes import SCALE

from ..data.clips import Clip, find_clips, open_clip
from ..data.uint8 import round_to_8_bits
from ..degradation.pipeline import degrade
from ..degradation.sampling import sample_degradation
from ..degradation.settings import Degradation
from ..errors import ClipError
from ..origin import Origin, settings_origin
from ..vsr.evaluation import MULTIPLE, SMALLEST_SIDE, read_hq
from .temporal import Reference

SMALLEST = SMALLEST_SIDE // SCALE
"""Smallest side of LR in pixels."""
LQ, HQ = "lq", "hq"
"""Folders of a set that has both."""


@dataclass(frozen=True)
class Frames:
    """The frames of a clip."""

    lr: Tensor
    """uint8 (frames, 3, height, width)."""
    hq: Tensor | None
    """uint8 (frames, 3, 4 * height, 4 * width); None without HQ."""
    reference: Reference
    """What motion is found in."""


@dataclass(frozen=True)
class SetClip:
    """A clip of a set.

    Args:
        clip: HQ, or with `degradation` None LQ.
        number: place in the set, which together with `seed` decides how HQ is degraded.
        length: largest number of frames, from the start.
        hq: with LQ, the same clip in HQ, if there is one.
    """

    clip: Clip
    number: int
    length: int
    degradation: Degradation | None = None
    seed: int = 0
    hq: Clip | None = None

    @property
    def has_hq(self) -> bool:
        return self.degradation is not None or self.hq is not None

    @property
    def name(self) -> str:
        """The name in tables, and of the clip's results in a folder."""
        return self.clip.name

    def __len__(self) -> int:
        return min(len(self.clip), self.length)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of LR."""
        width, height = self.clip.check()
        if self.degradation is None:
            return width, height
        return width // MULTIPLE * MULTIPLE // SCALE, height // MULTIPLE * MULTIPLE // SCALE

    def origin(self) -> Origin:
        """Return what the frames are made of."""
        origin = {"clip": self.clip.digest(), "frames": str(len(self))}
        if self.degradation is None:
            return origin | ({"hq": self.hq.digest()} if self.hq else {})
        return origin | {"draw": f"{self.seed} {self.number}"} | settings_origin(self.degradation)

    def load(self) -> Frames:
        """Read the clip, and degrade it.

        Raises:
            ClipError: it is too small, or cannot be read.
            CodecError: no encoding succeeded.
        """
        if self.degradation is None:
            lr = self._read(self.clip)
            known = self._read(self.hq) if self.hq else None
            return Frames(lr, known, Reference(lr, SCALE) if known is None else Reference(known, 1))
        hq = read_hq(self.clip, len(self))
        generator = np.random.default_rng(SeedSequence((self.seed, self.number)))
        lr, _ = degrade(hq, self.degradation, sample_degradation(self.degradation, generator, len(hq)))
        return Frames(round_to_8_bits(lr, truncate=False).movedim(-1, -3), hq, Reference(hq, 1))

    def _read(self, clip: Clip) -> Tensor:
        return torch.from_numpy(np.stack(clip.read(range(len(self))))).permute(0, 3, 1, 2).contiguous()


def open_set(folder: Path, length: int, degradation: Degradation | None, *, seed: int = 0) -> Sequence[SetClip]:
    """Open a folder of clips; or, without a degradation, one of the folders lq and hq, with clips of the same names.
    See `SetClip` for the arguments.

    Raises:
        ClipError: there are no clips, or a clip is damaged or too small; or LQ and HQ do not fit.
    """
    if degradation is None and all((folder / each).is_dir() and not open_clip(folder / each) for each in (LQ, HQ)):
        clips = [SetClip(lq, number, length, hq=hq) for number, (lq, hq) in enumerate(_pair(folder / LQ, folder / HQ))]
    else:
        clips = [SetClip(clip, number, length, degradation, seed) for number, clip in enumerate(find_clips(folder))]
    for clip in clips:
        if min(clip.size) < SMALLEST:
            width, height = clip.size
            raise ClipError(f"clip {clip.name!r} has LR of {width}x{height}, and {SMALLEST} is the least; leave it out")
    return clips


def _pair(lq: Path, hq: Path) -> Iterator[tuple[Clip, Clip]]:
    """Yield the LQ clips of a folder, each with its HQ."""
    known = {clip.name: clip for clip in find_clips(hq)}
    for clip in find_clips(lq):
        other = known.get(clip.name)
        if other is None:
            raise ClipError(f"{hq} has no clip {clip.name!r}, which {lq} has; add it, or leave both out")
        width, height = clip.check()
        size = other.check()
        if size != (SCALE * width, SCALE * height) or len(other) < len(clip):
            raise ClipError(
                f"clip {clip.name!r} has {len(clip)} LQ frames of {width}x{height} and {len(other)} HQ frames of "
                f"{size[0]}x{size[1]}; HQ has to be {SCALE} times as large and as long"
            )
        yield clip, other
