"""Pairs to learn an operator from: pseudo-HQ pictures, and the LQ ones that they were made from (facts 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator, SeedSequence
from torch import Tensor

from ..clips import Clip, Picture, find_clips
from ..degradation.levels import LEVELS
from ..degradation.scaling import scaled_down
from ..errors import ClipError, PairError
from ..remembered import remembered
from ..sample import Position, Sample
from ..turns import drawn_turns, turned
from . import folder
from .operator import HALVING

MODES = ("area", "bicubic")
"""In which pseudo-HQ is halved for an operator that keeps the size; by 2 bilinear is area."""


class Pairs:
    """Samples by (epoch, index): crops of pseudo-HQ, and of the LQ picture at the same place.

    Args:
        path: the folder of an operator, with its pairs.
        size: sides of the pseudo-HQ crop, in pixels; even.
        halves: whether the operator halves the size itself; else it is given halved pictures.
        turns: whether crops are mirrored in eight ways.
        memory: how many bytes of decoded pictures are kept.

    Raises:
        PairError: there are no pairs, or some lack their other half.
    """

    def __init__(self, path: Path, *, size: int, halves: bool, seed: int, turns: bool = False, memory: int = 0) -> None:
        hq, lq = _matching(path)
        self._hq, self._lq = remembered(hq, memory * 4 // 5), remembered(lq, memory // 5)
        self._size = size
        self._halves = halves
        self._turns = turns
        self._seed = seed
        self._ends = np.cumsum([len(clip) for clip in self._lq])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def check(self) -> None:
        """Look at every picture, without decoding it.

        Raises:
            ClipError: one is damaged, or of another size than others of its clip.
            PairError: pseudo-HQ is not exactly twice as large as LQ, or smaller than the crop.
        """
        for hq, lq in zip(self._hq, self._lq, strict=True):
            large, small = hq.check(), lq.check()
            if large != (HALVING * small[0], HALVING * small[1]):
                raise PairError(
                    f"clip {lq.name!r} has {small[0]}x{small[1]} pixels, and {large[0]}x{large[1]} as pseudo-HQ, which "
                    "should be twice as large; make the pairs again, by lbo pairs"
                )
            if min(large) < self._size:
                raise PairError(
                    f"pseudo-HQ of clip {lq.name!r} has {large[0]}x{large[1]} pixels, and size={self._size} is larger; "
                    "set less"
                )

    def lengths(self) -> dict[str, int]:
        """How many pictures each clip has, by name."""
        return {clip.name: len(clip) for clip in self._lq}

    def __getitem__(self, position: Position) -> Sample:
        epoch, index = position
        generator = np.random.default_rng(SeedSequence((self._seed, epoch, index)))
        number = int(np.searchsorted(self._ends, index, side="right"))
        n = index - (int(self._ends[number - 1]) if number else 0)
        (large,), (small,) = self._hq[number].read([n]), self._lq[number].read([n])
        half = self._size // HALVING
        top, left = (int(generator.integers(side - half + 1)) for side in small.shape[:2])
        turns = drawn_turns(generator, wanted=self._turns)
        target = turned(_crop(small, top, left, half), turns)
        given = turned(_crop(large, HALVING * top, HALVING * left, self._size), turns).float() / LEVELS
        return Sample(self._as_given(given, generator), target)

    def _as_given(self, hq: Tensor, generator: Generator) -> Tensor:
        mode = MODES[int(generator.integers(len(MODES)))]  # drawn whether it is used or not
        return hq if self._halves else scaled_down(hq, HALVING, mode).clamp(0, 1)


def _crop(picture: Picture, top: int, left: int, size: int) -> Tensor:
    """uint8 (1, 3, size, size)."""
    return torch.from_numpy(picture[top : top + size, left : left + size].copy()).permute(2, 0, 1)[None]


def _matching(path: Path) -> tuple[Sequence[Clip], Sequence[Clip]]:
    try:
        hq, lq = find_clips(folder.hq(path)), find_clips(folder.lq(path))
    except ClipError as error:
        raise PairError(f"{path} holds no pairs; make them: python -m trainer lbo pairs EPISODE -o {path}") from error
    lengths = [{clip.name: len(clip) for clip in clips} for clips in (hq, lq)]
    if odd := sorted(name for name in lengths[0] | lengths[1] if lengths[0].get(name) != lengths[1].get(name)):
        raise PairError(
            f"clip {odd[0]!r} of {path} has {lengths[1].get(odd[0], 0)} LQ pictures and {lengths[0].get(odd[0], 0)} of "
            "pseudo-HQ; make the pairs again, by lbo pairs"
        )
    return hq, lq
