"""Says in words how long steps take, and when they end."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from vsanimesr.progress import format_time

_log = logging.getLogger(__name__)

SKIPPED = 2
"""First steps, which start processes and choose kernels: they tell nothing of the others."""
AFTER = (15.0, 600.0)
"""Seconds of steps after which a forecast is logged. The later one is more exact."""


class Forecast:
    """Logs how long a run takes, from what its own steps took.

    Args:
        step: the step at which the run begins.
        steps: number of steps of the whole run.
    """

    def __init__(self, name: str, step: int, steps: int) -> None:
        self._name = name
        self._steps = steps
        self._begin = step + SKIPPED
        self._start = time.monotonic()
        self._due = list(AFTER)

    def advance(self, step: int) -> None:
        """Count a step. Log a forecast if it is due."""
        now = time.monotonic()
        if step <= self._begin:
            self._start = now
        elif self._due and now - self._start >= self._due[0] and step < self._steps:
            self._due.pop(0)
            seconds = (now - self._start) / (step - self._begin)
            _log.info("%s: %s", self._name, forecast(seconds, self._steps - step))


def forecast(seconds: float, steps: int, now: datetime | None = None) -> str:
    """Return how long steps take and when they end: "about 5 h 20 min for 10,000 steps, ends about 17:40".

    Args:
        seconds: of a step.
    """
    return f"about {format_time(seconds * steps)} for {steps:,} steps, ends about {clock(seconds * steps, now)}"


def clock(seconds: float, now: datetime | None = None) -> str:
    """Return the time of day after some seconds; on another day with its date."""
    now = now or datetime.now()
    end = now + timedelta(seconds=seconds)
    return f"{end:%H:%M}" if end.date() == now.date() else f"{end:%H:%M} on {end:%Y-%m-%d}"
