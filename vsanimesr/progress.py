"""Progress on stderr: one line of a terminal that changes, or a line now and then; and a log file."""

from __future__ import annotations

import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

TERMINAL_INTERVAL = 0.2  # seconds between two updates of one line
INTERVAL = 60.0  # seconds between two lines
SHORT_INTERVAL = 10.0  # the same, for work of minutes
REMOVE_LINE = "\r\033[K"


def is_terminal() -> bool:
    """Return whether stderr is a terminal that obeys codes. One of Windows may do so only when it is told to."""
    if not sys.stderr.isatty():
        return False
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        console, mode = ctypes.c_void_p(msvcrt.get_osfhandle(sys.stderr.fileno())), ctypes.c_uint32()
        known = ctypes.windll.kernel32.GetConsoleMode(console, ctypes.byref(mode))
        return bool(known and ctypes.windll.kernel32.SetConsoleMode(console, mode.value | _OBEY_CODES))
    return True


_OBEY_CODES = 4  # ENABLE_VIRTUAL_TERMINAL_PROCESSING


class Display:
    """What a run shows: lines that stay, and one that is replaced.

    Everything that stays is written to the log file too.

    Args:
        interval: seconds between two lines of progress where stderr is no terminal.
    """

    def __init__(self, label: str = "", interval: float | None = None) -> None:
        self._label = label
        self._terminal = is_terminal()
        self._interval = TERMINAL_INTERVAL if self._terminal else INTERVAL if interval is None else interval
        self._shown = time.monotonic()
        self._logged = float("-inf")
        self._log: TextIO | None = None

    def open_log(self, path: Path) -> None:
        """Append to this log file from now on."""
        self.close_log()
        self._log = path.open("a", encoding="utf-8")

    def close_log(self) -> None:
        """Close the log file, if there is one."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.clear()
        print(f"{self._label}{text}", file=sys.stderr, flush=True)
        self.log(text)

    def show(self, text: Callable[[], str], *, at_once: bool = False) -> None:
        """Replace the line of progress, if it is time to or `at_once`; else `text` is not called."""
        now = time.monotonic()
        if now - self._shown < self._interval and not at_once:
            return
        self._shown = now
        line = text()
        shown = f"\r{_fit(line)}\033[K" if self._terminal else f"{self._label}{line}\n"
        print(shown, end="", file=sys.stderr, flush=True)
        if not self._terminal or now - self._logged >= INTERVAL:
            self._logged = now
            self.log(line)

    def clear(self) -> None:
        """Remove the line of progress from a terminal."""
        if self._terminal:
            print(REMOVE_LINE, end="", file=sys.stderr, flush=True)

    def log(self, text: str) -> None:
        """Write a line to the log file, if there is one."""
        if self._log is not None:
            print(time.strftime("%Y-%m-%d %H:%M:%S"), text, file=self._log, flush=True)


def _fit(line: str) -> str:
    """Return what fits into one line of the terminal: of a longer one only the last part could be replaced."""
    line = " ".join(line.splitlines())  # names of files may hold any character
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return line
    while columns and len(line) > 1 and _columns(line) >= columns:
        line = f"{line[:-2]}…"
    return line


def _columns(line: str) -> int:
    """Return how many columns a line takes: Chinese and Japanese characters take two each."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in line)


class Rate:
    """How fast work of one kind goes on, counted from its start in this run."""

    def __init__(self, total: int, done: int = 0) -> None:
        self._total = total
        self._before = done
        self._started = time.monotonic()

    def describe(self, done: int, what: str = "frames") -> str:
        """Return the work done, its rate, and the time left."""
        return f"{done}/{self._total} {what}, {self._figures(done)}"

    def _figures(self, done: int) -> str:
        rate = (done - self._before) / max(time.monotonic() - self._started, 1e-9)
        if rate <= 0:
            return "starting"
        left = f"{format_time((self._total - done) / rate)} left" if done < self._total else "finishing"
        return f"{format_rate(rate)} frames/s, {left}"


@contextmanager
def show_progress(total: int, label: str = "") -> Iterator[Callable[[int], None]]:
    """Show the progress of work of minutes. The value is called with the number of frames that are done.

    Args:
        label: text before each line.
    """
    display, rate = Display(interval=SHORT_INTERVAL), Rate(total)
    try:
        yield lambda done: display.show(lambda: f"{label}{rate.describe(done)}")
    finally:
        display.clear()


def count(number: int, what: str) -> str:
    """Return a number of things as `1 scene` or `2 scenes`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def format_rate(rate: float) -> str:
    """Return frames a second with two digits that count, or all before the point: `0.031`, `1.2`, `123`."""
    decimals = next((decimals for decimals in range(4) if rate * 10**decimals >= 9.95), 4)
    return f"{rate:.{decimals}f}"


def format_time(seconds: float) -> str:
    """Return a time with two units at most, rounded: `45 s`, `12 min`, `2 h 10 min`, `3 days 4 h`."""
    if seconds < 59.5:
        return f"{max(seconds, 0.51):.0f} s" if seconds else "0 s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return count(days, "day") + (f" {hours} h" if hours else "")


def format_bytes(count: float) -> str:
    """Return a number of bytes as `4.1 GB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"
