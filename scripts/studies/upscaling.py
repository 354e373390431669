"""Runs a network on a scene without the filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vsanimesr.backends.base import Frame
from vsanimesr.session import Session


def run_scene(session: Session, frames: Sequence[Frame], preroll: int) -> Iterator[NDArray[np.float32]]:
    """Yield the SR frames of a scene, (3, height, width), not clamped. First, run steps of pre-roll on its first frame.

    Args:
        preroll: number of those steps.
    """
    for n in range(preroll):
        session.step(frames[0], frames[0], frames[0], reset=n == 0, output=False)
    for n, frame in enumerate(frames):
        before, after = frames[max(n - 1, 0)], frames[min(n + 1, len(frames) - 1)]
        ticket = session.step(before, frame, after, reset=n == 0 and not preroll, output=True)
        assert ticket is not None
        out = np.empty((3, *session.sr), np.float32)
        ticket.wait((out[0], out[1], out[2]))
        yield out
