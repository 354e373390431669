"""Parts of a clip that a user asks for: `1:00-2:30`, `1000-2000`, `30s`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

from ..errors import OptionError

_UNITS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h)")
PREVIEW_PLACE = Fraction(1, 3)
"""Where a preview starts: behind the opening of an episode, and before the middle, where many have a still."""


def parse_range(text: str, times: Sequence[Fraction]) -> tuple[int, int]:
    """Return the frames that `--range` names: the first, and the one behind the last.

    Args:
        text: `A-B` with frame numbers (B is not among them), or with times such as `1:30`, `90s`, `1:02:03.5`.
            Without A the range begins with the clip, without B it ends with it.
        times: when each frame of the clip is shown, in seconds; the first counts as 0.

    Raises:
        OptionError: it is no range, or has no frame of the clip.
    """
    begin, dash, end = text.partition("-")
    if not dash or (not begin and not end):
        raise OptionError(f"--range {text} is no range; write, for example, 1:00-2:30, or 1000-2000 for frames")
    first = _parse_place(begin, times, text) if begin.strip() else 0
    last = _parse_place(end, times, text) if end.strip() else len(times)
    last = min(last, len(times))
    if first >= last:
        raise OptionError(f"--range {text} has no frames; the clip has the frames 0 to {len(times) - 1}")
    return first, last


def parse_preview(text: str, times: Sequence[Fraction], first: int, last: int) -> tuple[int, int]:
    """Return the frames that `--preview` names: so many seconds from a third of the range on.

    Raises:
        OptionError: it is no time.
    """
    seconds = _parse_time(text.strip())
    if not seconds:
        raise OptionError(f"--preview {text} is no time; write, for example, 30s")
    end = times[last - 1]
    start = max(times[first], min(times[first] + (end - times[first]) * PREVIEW_PLACE, end - seconds))
    begin = bisect_left(times, start, first, last - 1)
    return begin, max(begin + 1, bisect_left(times, times[begin] + seconds, begin, last))


def _parse_place(text: str, times: Sequence[Fraction], whole: str) -> int:
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) <= 9:
        return int(text)
    seconds = _parse_time(text)
    if seconds is None:
        raise OptionError(f"--range {whole}: {text!r} is neither a frame number nor a time such as 1:30 or 90s")
    return bisect_left(times, times[0] + seconds)


def _parse_time(text: str) -> Fraction | None:
    """Return seconds, or None."""
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = clock.groups()
        return Fraction(hours or 0) * 3600 + Fraction(minutes) * 60 + Fraction(seconds)
    if number := _NUMBER.fullmatch(text):
        return Fraction(number[1]) * _UNITS[number[2]]
    return None
