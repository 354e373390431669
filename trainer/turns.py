"""How a clip is turned, so that one shows eight: mirrored left to right, upside down, along the diagonal."""

from __future__ import annotations

from numpy.random import Generator
from torch import Tensor

type Turns = tuple[bool, bool, bool]

NONE: Turns = (False, False, False)


def drawn_turns(generator: Generator, *, wanted: bool = True) -> Turns:
    """Each for half of the clips; none where they are not wanted, with as much drawn from the generator."""
    mirrored, upside_down, transposed = (bool(point < 0.5) for point in generator.random(3))
    return (mirrored, upside_down, transposed) if wanted else NONE


def turned(clip: Tensor, turns: Turns) -> Tensor:
    """A clip (..., height, width), in the order of `turns`."""
    mirrored, upside_down, transposed = turns
    clip = clip.flip(-1) if mirrored else clip
    clip = clip.flip(-2) if upside_down else clip
    return (clip.mT if transposed else clip).contiguous()
