"""Training samples for an operator: crops of pseudo-HQ and LQ frames (docs/paper-and-release.md, 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator, SeedSequence
from torch import Tensor

from ..data.augment import flip, sample_flips
from ..data.clips import Clip, Frame, find_clips
from ..data.pool import pack_clips
from ..data.samples import Position, Sample
from ..data.uint8 import UINT8_MAX
from ..degradation.learned.operator import LBO_SCALE
from ..degradation.sampling import sample_mode
from ..degradation.scaling import downscale
from ..degradation.settings import HALVING_MODES, Modes
from ..errors import ClipError, PairError
from ..origin import read_origin
from . import folder


class Pairs:
    """Samples by (epoch, index): crops of a pseudo-HQ frame and of its LQ frame at the same place.

    Args:
        path: folder of an operator, with its pairs.
        size: height and width of the pseudo-HQ crop in pixels, even.
        halves: whether the operator halves the size. If not, its input is halved pseudo-HQ.
        flip: flip and transpose crops at random.
        modes: modes that halve pseudo-HQ for an operator that keeps the size.
        memory: size of a pool for decoded frames, in GB.

    Raises:
        PairError: there are no pairs, or frames without a counterpart.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: int,
        halves: bool,
        seed: int,
        flip: bool = False,
        modes: Modes = HALVING_MODES,
        memory: float = 0,
    ) -> None:
        hq, lq = find_pairs(path)
        packed = pack_clips([clip for pair in zip(hq, lq, strict=True) for clip in pair], memory)
        self._hq, self._lq = packed[::2], packed[1::2]
        self._size = size
        self._halves = halves
        self._flip = flip
        self._modes = modes
        self._seed = seed
        self._ends = np.cumsum([len(clip) for clip in self._lq])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def check(self) -> None:
        """Look at every frame without decoding it.

        Raises:
            ClipError: a frame is damaged, or has another size than others of its clip.
            PairError: pseudo-HQ is not exactly twice as large as LQ, or smaller than the crop.
        """
        for hq, lq in zip(self._hq, self._lq, strict=True):
            hq_size, lq_size = hq.check(), lq.check()
            if hq_size != (LBO_SCALE * lq_size[0], LBO_SCALE * lq_size[1]):
                raise PairError(
                    f"clip {lq.name!r} has {lq_size[0]}x{lq_size[1]} pixels, and {hq_size[0]}x{hq_size[1]} as "
                    "pseudo-HQ, which should be twice as large; make the pairs again with lbo pairs"
                )
            if min(hq_size) < self._size:
                raise PairError(
                    f"pseudo-HQ of clip {lq.name!r} has {hq_size[0]}x{hq_size[1]} pixels, and size={self._size} is "
                    "larger; set a smaller one"
                )

    def digests(self) -> dict[str, str]:
        """Return for each clip, by name, a text that tells it from others by its content."""
        return {
            lq.name: f"{len(lq)} frames, {lq.digest()}, pseudo-HQ {hq.digest()}"
            for lq, hq in zip(self._lq, self._hq, strict=True)
        }

    def __getitem__(self, position: Position) -> Sample:
        epoch, index = position
        generator = np.random.default_rng(SeedSequence((self._seed, epoch, index)))
        clip = int(np.searchsorted(self._ends, index, side="right"))
        n = index - (int(self._ends[clip - 1]) if clip else 0)
        (hq,), (lq,) = self._hq[clip].read([n]), self._lq[clip].read([n])
        lq_size = self._size // LBO_SCALE
        top, left = (int(generator.integers(side - lq_size + 1)) for side in lq.shape[:2])
        flips = sample_flips(generator, enabled=self._flip)
        target = flip(_crop(lq, top, left, lq_size), flips)
        pseudo_hq = flip(_crop(hq, LBO_SCALE * top, LBO_SCALE * left, self._size), flips).float() / UINT8_MAX
        return Sample(self._operator_input(pseudo_hq, generator), target)

    def _operator_input(self, pseudo_hq: Tensor, generator: Generator) -> Tensor:
        mode = sample_mode(self._modes, generator)  # sampled even if it is not used
        return pseudo_hq if self._halves else downscale(pseudo_hq, LBO_SCALE, mode).clamp(0, 1)


def _crop(frame: Frame, top: int, left: int, size: int) -> Tensor:
    """Return a crop, uint8 (1, 3, size, size)."""
    return torch.from_numpy(frame[top : top + size, left : left + size].copy()).permute(2, 0, 1)[None]


def find_pairs(path: Path) -> tuple[Sequence[Clip], Sequence[Clip]]:
    """Return the clips of an operator's folder, in the same order: pseudo-HQ and LQ.

    Raises:
        PairError: there are none, or one has no counterpart.
    """
    try:
        hq, lq = find_clips(folder.hq(path)), find_clips(folder.lq(path))
    except ClipError as error:
        raise PairError(f"{path} holds no pairs; make them: python -m trainer lbo pairs EPISODE -o {path}") from error
    complete = read_origin(folder.pairs(path)).get(folder.CLIPS, str(len(lq)))
    if str(len(lq)) != complete:
        raise PairError(f"{path} holds {len(lq)} of {complete} pairs; start lbo pairs again to make the others")
    hq_lengths, lq_lengths = ({clip.name: len(clip) for clip in clips} for clips in (hq, lq))
    if unpaired := sorted(name for name in hq_lengths | lq_lengths if hq_lengths.get(name) != lq_lengths.get(name)):
        name = unpaired[0]
        raise PairError(
            f"clip {name!r} of {path} has {lq_lengths.get(name, 0)} LQ frames and {hq_lengths.get(name, 0)} of "
            "pseudo-HQ; make the pairs again with lbo pairs"
        )
    return hq, lq
