"""Tiles that fit into the memory of a GPU."""

from __future__ import annotations

from math import prod

from hypothesis import given
from hypothesis import strategies as st

from vsanimesr.backends.gpu.memory import fitting_tile
from vsanimesr.network.graph import padded_size
from vsanimesr.options import Options
from vsanimesr.tiling import OVERLAP, split_frame


@given(width=st.integers(1, 4096), height=st.integers(1, 4096), share=st.floats(0, 0.75))
def test_a_tile_fits_and_is_allowed(width: int, height: int, share: float) -> None:
    tile = fitting_tile(width, height, share)
    if tile is None:
        assert fitting_tile(width, height, min(share, 0.02)) is None
        return
    assert prod(tile) <= share * width * height
    Options(tiles=tile)
    assert split_frame(padded_size(width), padded_size(height), tile, OVERLAP)


@given(width=st.integers(200, 4096), height=st.integers(200, 4096))
def test_there_is_a_tile_for_a_share_that_is_large_enough(width: int, height: int) -> None:
    """At most MOST_TILES a side, and no smaller than what `Options` takes."""
    assert fitting_tile(width, height, 0.75) is not None
