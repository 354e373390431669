"""A session: the backend of one filter, with its outstanding tickets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .backends import open_backend, parse_options, resolve_backend
from .backends.base import SCALE, Frame, Planes, Setup, Ticket
from .options import Options
from .quiet import stdout_to_stderr
from .weights.load import read_weights


class Size(NamedTuple):
    """Size of a frame, in pixels."""

    height: int
    width: int


class Session:
    """Runs steps of the recurrence on frames of one size. It owns the backend and the tickets that `submit` returns.

    Calls of `step` and `submit` must not overlap. `wait` may be called on any thread, also during a later step.

    Raises:
        AnimeSRError: the weights cannot be read, or the backend cannot be opened.
    """

    def __init__(self, options: Options, *, width: int, height: int) -> None:
        self.lr = Size(height, width)
        """Size of the source frames."""
        self.sr = Size(SCALE * height, SCALE * width)
        """Size of the output frames."""
        frames = () if isinstance(options.scene_change, str) else options.scene_change
        self.anchors = np.array(frames, np.int32)
        """Frame numbers of `scene_change`; empty unless it is a list."""
        self._tickets: dict[int, Ticket] = {}
        self._last_number = 0
        with stdout_to_stderr():
            backend = resolve_backend(options.backend)
            setup = Setup(
                width=width,
                height=height,
                precision=options.precision,
                device=options.device,
                options=parse_options(backend, options.backend_options),
                read_weights=lambda: read_weights(options.model),
            )
            self._backend = open_backend(backend, setup)
        self.depth = self._backend.depth
        """Number of steps that may be unfinished at once, as in `Backend`."""

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
        """Wait for a ticket of `submit`, once, and write its SR planes into `out`.

        Raises:
            BackendError: the step failed.
        """
        self._tickets.pop(number).wait(out)

    def close(self) -> None:
        """Close the backend. The outstanding tickets cannot be waited for any more. You may close a session twice."""
        self._tickets.clear()
        self._backend.close()
