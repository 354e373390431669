"""When frames are shown, in the unit of time of a container."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from ..errors import MediaError

MILLISECOND = Fraction(1, 1000)
FINEST = 1_000_000
"""Largest number of ticks a second in MP4."""
GRID = 48_000
"""Smallest number of ticks a second in which the first frame of a steady rate is placed."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each frame is shown, in ticks, and when the last one ends."""

    unit: Fraction
    """Seconds of a tick."""
    ticks: tuple[int, ...]
    rate: Fraction | None
    """Frames per second, where frames are shown at a steady rate."""


def lay_out(
    times: Sequence[Fraction], container: str, rate: Fraction, *, end: Fraction | None = None, later: Fraction
) -> Timeline:
    """Lay out frames in Matroska (rounded to milliseconds) or MP4 (exact, if a million ticks a second suffice).

    Times in MP4 that are a steady rate rounded to milliseconds, as Matroska has them, become that rate.

    Args:
        times: seconds, in the order of showing.
        container: `mkv` or `mp4`.
        rate: frames per second that the times may be steady at.
        end: when the last frame ends. By default, or where this is before it begins, it is shown as long as the one
            before it.
        later: seconds that are added to everything.

    Raises:
        MediaError: two frames are shown at the same time, or not in order.
    """
    is_steady = _is_steady(times, rate)
    last = times[-1] - times[-2] if len(times) > 1 else 1 / rate
    whole = [time + later for time in [*times, end if end is not None and end > times[-1] else times[-1] + last]]
    if is_steady and container == "mp4":
        whole = _on_grid(whole, rate)
    unit = MILLISECOND if container == "mkv" else _common_unit(whole)
    ticks = tuple(to_ticks(time, unit) for time in whole)
    for n, (before, after) in enumerate(pairwise(ticks[:-1]), 1):
        if after <= before:
            raise MediaError(
                f"frame {n} is shown at {float(times[n]):.6f} s, and the frame before it at {float(times[n - 1]):.6f} "
                f"s: .{container} cannot hold this; remux the source with mkvmerge"
            )
    return Timeline(unit, (*ticks[:-1], max(ticks[-1], ticks[-2] + 1)), rate if is_steady else None)


def check_times(times: Sequence[Fraction], container: str) -> None:
    """Check that a container can tell these times of frames apart.

    Raises:
        MediaError: two frames are shown at the same time, or not in order.
    """
    lay_out(times, container, Fraction(25), later=Fraction(0))


def to_ticks(time: Fraction, unit: Fraction) -> int:
    """Round seconds to ticks as FFmpeg does: halves away from zero."""
    ticks = math.floor(abs(time) / unit + Fraction(1, 2))
    return ticks if time >= 0 else -ticks


def _is_steady(times: Sequence[Fraction], rate: Fraction) -> bool:
    """Return whether frames are shown at this rate, up to a rounding to milliseconds."""
    errors = [time - n / rate for n, time in enumerate(times)]
    return max(errors) - min(errors) <= MILLISECOND


def _on_grid(times: Sequence[Fraction], rate: Fraction) -> list[Fraction]:
    """Return exact times at this rate for times that were rounded; the last is the end."""
    errors = [time - n / rate for n, time in enumerate(times[:-1])]
    if max(errors) == min(errors):
        return list(times)
    ticks = rate.numerator * -(-GRID // rate.numerator)
    start = Fraction(round((max(errors) + min(errors)) / 2 * ticks), ticks)
    start = max(start, min(times[0], Fraction(0)))  # MP4 does not show a frame before zero
    return [start + n / rate for n in range(len(times))]


def _common_unit(times: Sequence[Fraction]) -> Fraction:
    common = math.lcm(*{time.denominator for time in times})
    return Fraction(1, common if common <= FINEST else FINEST)
