"""A session: the backend of one filter, with its outstanding tickets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .backends import open_first, parse_options
from .backends.base import SCALE, Backend, Frame, Planes, Setup, State, Ticket
from .options import Options
from .pixels import RGBS, PixelFormat, Target, sr_target
from .quiet import stdout_to_stderr
from .tiles import open_tiled
from .weights.load import WeightsFile, read_weights


class Size(NamedTuple):
    """Size of a frame, in pixels."""

    height: int
    width: int


class Session:
    """Runs steps of the recurrence on frames of one size. It owns the backend and the tickets that `submit` returns.

    Calls of `step`, `submit`, `save`, `restore` and `drop` must not overlap. `wait` may be called on any thread, also
    during a later step.

    Args:
        source: format of the clip. Frames are submitted in it if the backend takes it, else in RGBS.
        target: what is made of SR frames. Tickets give it under the same condition, else the SR frame in RGBS.

    Raises:
        AnimeSRError: the weights cannot be read, the backend cannot be opened, or `scene_change` has a frame beyond the
            clip's `frames`.
    """

    def __init__(
        self,
        options: Options,
        *,
        width: int,
        height: int,
        frames: int | None = None,
        source: PixelFormat = RGBS,
        target: Target | None = None,
    ) -> None:
        self.lr = Size(height, width)
        """Size of the source frames."""
        self.sr = Size(SCALE * height, SCALE * width)
        """Size of the SR frames."""
        if frames is not None:
            options.check_length(frames)
        self.anchors = np.array(options.anchors or (), np.int32)
        """Frame numbers of `scene_change`; empty if frame properties say where scenes start."""
        self.model = options.model
        """Name of the model and the start of the SHA-256 of its weights; only the name if there is no network."""
        self._tickets: dict[int, Ticket] = {}
        self._states: dict[int, State] = {}
        self._last_number = 0
        with stdout_to_stderr():
            self.backend, self._backend = open_first(
                options.backend, lambda name: self._open_backend(name, options, source, target)
            )
        """Name of the backend."""
        self.precision = self._backend.precision
        """What it computes in."""
        self.depth = self._backend.depth
        """Number of steps that may be unfinished at once, as in `Backend`."""
        self.state_bytes = self._backend.state_bytes
        """Bytes of memory that a snapshot of the state takes, from `save` to `drop`."""
        self.own_formats = self._backend.own_formats
        """Whether frames are in the clip's format and in the target's, else in RGBS."""
        self.source = source if self.own_formats else RGBS
        """Format of the frames that are submitted."""
        self.target = (target if self.own_formats else None) or sr_target(self.sr.width, self.sr.height)
        """What tickets give."""

    def _open_backend(self, name: str, options: Options, source: PixelFormat, target: Target | None) -> Backend:
        setup = Setup(
            width=self.lr.width,
            height=self.lr.height,
            precision=options.precision,
            colour=options.colour,
            device=options.device,
            options=parse_options(name, options.backend_options),
            read_weights=lambda: self._read_weights(options.model),
            source=source,
            target=target,
        )
        return open_tiled(name, setup, options.tiles, options.overlap)

    def _read_weights(self, model: str) -> WeightsFile:
        weights = read_weights(model)
        self.model = f"{Path(model).name} {weights.digest[:12]}"
        return weights

    def step(self, prev: Frame, cur: Frame, next: Frame, *, reset: bool, output: bool) -> Ticket | None:
        """Run one step on the window. With `reset`, set the recurrent state to zero first.

        Returns:
            The caller's ticket, or None without `output`.

        Raises:
            BackendError: as from `Backend.submit`.
        """
        if reset:
            self._backend.reset()
        return self._backend.submit(prev, cur, next, output=output)

    def submit(self, prev: Frame, cur: Frame, next: Frame, *, reset: bool, output: bool) -> int:
        """Run one step as `step` does, and keep its ticket for `wait`.

        Returns:
            The number of the ticket, or 0 without `output`.

        Raises:
            BackendError: as from `Backend.submit`.
        """
        ticket = self.step(prev, cur, next, reset=reset, output=output)
        if ticket is None:
            return 0
        self._last_number += 1
        self._tickets[self._last_number] = ticket
        return self._last_number

    def wait(self, number: int, out: Planes) -> None:
        """Wait for a ticket of `submit`, once, and write its planes into `out`, in the format of `target`.

        Raises:
            BackendError: the step failed.
            NotFiniteError: as from `Ticket.wait`.
        """
        self._tickets.pop(number).wait(out)

    def save(self) -> int:
        """Keep a snapshot of the recurrent state after the last step.

        Returns:
            The number of the snapshot, for `restore` and `drop`.

        Raises:
            BackendError: as from `Backend.save_state`.
        """
        state = self._backend.save_state()
        self._last_number += 1
        self._states[self._last_number] = state
        return self._last_number

    def restore(self, number: int) -> None:
        """Set the recurrent state to a snapshot before the next step. The snapshot stays.

        Raises:
            BackendError: as from `Backend.load_state`.
        """
        self._backend.load_state(self._states[number])

    def drop(self, number: int) -> None:
        """Free a snapshot."""
        del self._states[number]

    def close(self) -> None:
        """Close the backend and drop all snapshots. You may close a session twice.

        The outstanding tickets cannot be waited for any more.
        """
        self._tickets.clear()
        self._states.clear()
        self._backend.close()
