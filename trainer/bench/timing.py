"""Times work within a budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch


def seconds_each(work: Callable[[], object], budget: float, device: torch.device | None = None) -> float:
    """Return the median time of calls, after one that is not counted. At least one is.

    Args:
        budget: seconds for all calls. A call that has begun is finished.
        device: device whose work is waited for.
    """
    end = time.monotonic() + budget
    _time(work, device)
    found = [_time(work, device)]
    while time.monotonic() + found[-1] < end:
        found.append(_time(work, device))
    return median(found)


def _time(work: Callable[[], object], device: torch.device | None) -> float:
    begin = time.perf_counter()
    work()
    if device and device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
