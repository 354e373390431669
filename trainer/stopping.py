"""A request to end: SIGTERM, or Ctrl-C, lets the step that runs finish, and what was reached be saved."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Self


class Stopping:
    """Listens for requests, inside a `with`. A second Ctrl-C ends at once.

    Only for the main thread; signals are as before afterwards.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what it gave

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
