"""Tiles: a frame is run in parts by one backend of a tile's size, so a step's memory is that of a tile.

The recurrent state of the whole frame is in host memory, and all tiles share it. Each reads the part below it, margins
included, and replaces only its core, the part between the cuts in the middle of the overlaps. One step of the released
networks reaches 24 LR pixels. With an overlap of twice that, a core depends on nothing outside of its tile, so the
result is that of the whole frame, but for the order of sums. If each tile kept a state of its own, its margins would go
wrong, and the error would stay and spread.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from .backends import device_memory, open_backend
from .backends.base import SCALE, Availability, Backend, Frame, FrameTicket, Planes, Setup, State, Ticket
from .errors import BackendError
from .network.graph import padded_size
from .pixels import RGBS
from .tiling import Tile, choose_size, split_frame

_log = logging.getLogger(__name__)

BYTES_PER_PIXEL = 4096
"""Memory that a step takes for each LR pixel of a tile, with its SR frame, for `tiles="auto"`. OpenVINO in fp32 takes
about this much (docs/reports/tiles.md), and everything else less."""

SHARE = 2
"""`tiles="auto"` takes one part in this many of the memory, and leaves the others to other programs."""


def open_tiled(name: str, setup: Setup, tiles: str | tuple[int, ...], overlap: int) -> Backend:
    """Open a backend for the tiles of a frame, or for the whole frame if one tile covers it.

    Args:
        name: as for `open_backend`.
        tiles, overlap: as in `Options`.

    Raises:
        AnimeSRError: as from `open_backend`.
    """
    width, height, overlap = padded_size(setup.width), padded_size(setup.height), padded_size(overlap)
    size = (width, height)
    if tiles == "auto":
        memory = device_memory(name, setup.device)
        if memory is not None:
            size = choose_size(width, height, overlap, memory // SHARE // BYTES_PER_PIXEL)
    elif tiles:
        size = (padded_size(int(tiles[0])), padded_size(int(tiles[1])))
    if size[0] >= width and size[1] >= height:
        return open_backend(name, setup)
    return TiledBackend(setup, size, overlap, lambda part: open_backend(name, part))


class TiledBackend(Backend):
    """A backend that runs a frame tile by tile on another one. A step runs inside `submit`.

    Args:
        setup: for the whole frame.
        size: width and height of a tile; multiples of 4, larger than `overlap`.
        overlap: as in `split_side`.
        open_tile: opens the backend for the tiles, which this one owns.
    """

    def __init__(
        self, setup: Setup, size: tuple[int, int], overlap: int, open_tile: Callable[[Setup], Backend]
    ) -> None:
        self._width, self._height = setup.width, setup.height
        width, height = padded_size(setup.width), padded_size(setup.height)
        size = (min(size[0], width), min(size[1], height))
        self.tiles = split_frame(width, height, size, overlap)
        """Places of the tiles, in the order in which they run."""
        self._backend = open_tile(
            dataclasses.replace(setup, width=size[0], height=size[1], source=RGBS, target=None)  # tiles are cut in RGBS
        )
        self.precision = self._backend.precision
        self._failure: BackendError | None = None
        self._tile_frame = np.empty((3, SCALE * size[1], SCALE * size[0]), np.float32)
        zero = self._backend.save_state()
        # A step reads one and writes the other: a tile's margins need the state that its neighbours have replaced.
        self._state, self._next_state = (
            tuple(np.zeros_like(array, shape=(len(array), height, width)) for array in zero) for _ in range(2)
        )
        self.state_bytes = sum(array.nbytes for array in self._state)
        _log.info("a frame is run in %d tiles of %dx%d", len(self.tiles), *size)

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True, "wherever the backend of its tiles works")

    def reset(self) -> None:
        for array in self._state:
            array[:] = 0
        self._failure = None

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, output: bool) -> Ticket | None:
        if self._failure:
            raise self._failure
        self._failure = BackendError("a step was interrupted; start again with a reset")
        sr = np.empty((3, SCALE * self._height, SCALE * self._width), np.float32) if output else None
        window = [Frame(frame.number, self._pad(frame.planes)) for frame in (prev, cur, next)]
        try:
            for number in range(len(self.tiles)):
                self._run_tile(number, window, sr)
        except BackendError as error:
            self._failure = error
            raise
        self._state, self._next_state = self._next_state, self._state
        self._failure = None
        return None if sr is None else FrameTicket(sr)

    def save_state(self) -> State:
        if self._failure:
            raise self._failure
        return tuple(array.copy(order="K") for array in self._state)

    def load_state(self, state: State) -> None:
        for target, array in zip(self._state, state, strict=True):
            target[:] = array
        self._failure = None

    def close(self) -> None:
        self._backend.close()

    def _run_tile(self, number: int, window: Iterable[Frame], sr: NDArray[np.float32] | None) -> None:
        """Run the step of one tile. If there is `sr`, write the tile's part of the SR frame into it."""
        tile = self.tiles[number]
        frames = [Frame(frame.number * len(self.tiles) + number, _cut(frame.planes, tile)) for frame in window]
        self._backend.load_state(self._read_state(number))
        ticket = self._backend.submit(frames[0], frames[1], frames[2], output=sr is not None)
        self._write_state(number, self._backend.save_state())
        if ticket is not None and sr is not None:
            red, green, blue = self._tile_frame
            ticket.wait((red, green, blue))
            self._write_frame(number, sr)

    def _read_state(self, number: int) -> State:
        """Return the state below a tile, margins included."""
        return tuple(array[:, *self.tiles[number].window] for array in self._state)

    def _write_state(self, number: int, state: State) -> None:
        """Copy the core of a tile's new state."""
        tile = self.tiles[number]
        for target, array in zip(self._next_state, state, strict=True):
            target[:, *tile.core()] = array[:, *tile.inner()]

    def _write_frame(self, number: int, sr: NDArray[np.float32]) -> None:
        """Copy the core of a tile's SR frame."""
        tile = self.tiles[number]
        target = sr[:, *tile.core(scale=SCALE)]  # smaller at an edge where the frame is padded
        _, height, width = target.shape
        target[:] = self._tile_frame[:, *tile.inner(scale=SCALE)][:, :height, :width]

    def _pad(self, planes: Planes) -> Planes:
        """Pad to a multiple of 4 by repeating the edge, as the network does with a whole frame."""
        pads = [(0, padded_size(side) - side) for side in (self._height, self._width)]
        if pads == [(0, 0), (0, 0)]:
            return planes
        red, green, blue = (np.pad(plane, pads, "edge") for plane in planes)
        return red, green, blue


def _cut(planes: Planes, tile: Tile) -> Planes:
    """Return views of the part that a tile reads."""
    red, green, blue = (plane[tile.window] for plane in planes)
    return red, green, blue
