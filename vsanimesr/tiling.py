"""Places of tiles in a frame, and their size."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import NamedTuple

from .network.graph import padded_size
from .network.shapes import MULTIPLE

OVERLAP = 68
"""Default of `Options.overlap`."""

MOST_TILES = 32
"""Most tiles along a side that `choose_size` considers."""


class Span(NamedTuple):
    """Place of a tile along one side, in LR pixels. All numbers are from the start of the side."""

    start: int
    stop: int
    """What the tile reads."""
    first: int
    last: int
    """Its core: what the tile gives, from `first` up to and without `last`. The cores of a side leave no gap."""


class Tile(NamedTuple):
    """Place of a tile in a frame."""

    rows: Span
    columns: Span

    @property
    def window(self) -> tuple[slice, slice]:
        """What the tile reads, as the last two indices of an array of LR size."""
        return slice(self.rows.start, self.rows.stop), slice(self.columns.start, self.columns.stop)

    def core(self, *, scale: int = 1) -> tuple[slice, slice]:
        """Return the core as the last two indices of an array of LR size, or of SR size."""
        rows, columns = (slice(scale * side.first, scale * side.last) for side in self)
        return rows, columns

    def inner(self, *, scale: int = 1) -> tuple[slice, slice]:
        """Return the core as the last two indices of an array of the tile's size."""
        rows, columns = (slice(scale * (side.first - side.start), scale * (side.last - side.start)) for side in self)
        return rows, columns


def split_side(side: int, tile: int, overlap: int) -> list[Span]:
    """Place as few tiles along a side as cover it, all of the same length.

    Tiles start at multiples of 4, so that their coarse scales have the phase of those of the whole frame.

    Args:
        side, tile, overlap: multiples of 4; `overlap` is smaller than `tile`. Neighbours overlap at least so much.
    """
    if tile >= side:
        return [Span(0, side, 0, side)]
    count = math.ceil((side - overlap) / (tile - overlap))
    steps = (side - tile) // MULTIPLE
    starts = [MULTIPLE * (i * steps // (count - 1)) for i in range(count)]
    cuts = [0, *((start + tile + later) // 2 for start, later in pairwise(starts)), side]
    return [Span(start, start + tile, *core) for start, core in zip(starts, pairwise(cuts), strict=True)]


def split_frame(width: int, height: int, tile: tuple[int, int], overlap: int) -> list[Tile]:
    """Place tiles over a frame whose sides are multiples of 4, row by row.

    Args:
        tile: width and height.
        overlap: as in `split_side`.
    """
    return [
        Tile(rows, columns)
        for rows in split_side(height, tile[1], overlap)
        for columns in split_side(width, tile[0], overlap)
    ]


def choose_size(width: int, height: int, overlap: int, pixels: int) -> tuple[int, int]:
    """Return width and height of tiles: of all that are small enough, those that run the fewest pixels for a frame.

    Args:
        width, height, overlap: multiples of 4.
        pixels: most LR pixels of a tile. If no tile is so small, the smallest is returned.
    """
    counts = range(1, MOST_TILES + 1)
    wide, high = ([_tile_side(side, count, overlap) for count in counts] for side in (width, height))
    sizes = [(columns * rows, wide[columns - 1], high[rows - 1]) for columns, rows in product(counts, repeat=2)]
    fitting = [each for each in sizes if each[1] * each[2] <= pixels]
    _, *size = min(fitting, key=math.prod) if fitting else min(sizes, key=lambda each: each[1] * each[2])
    return size[0], size[1]


def _tile_side(side: int, count: int, overlap: int) -> int:
    """Return the side of tiles of which `count` cover a side."""
    return min(padded_size(math.ceil((side + (count - 1) * overlap) / count)), side)
