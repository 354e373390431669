"""Progress: lines, and figures in words."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
import types

import pytest

from vsanimesr import progress
from vsanimesr.progress import Display, Rate, format_bytes, format_rate, format_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3569, "59 min"),
        (3599, "1 h"),
        (7800, "2 h 10 min"),
        (86399, "1 day"),
        (2 * 86400 + 3 * 3600, "2 days 3 h"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


def test_sizes() -> None:
    assert [format_bytes(size) for size in (4.1e9, 12e6, 1500, 3)] == ["4.1 GB", "12.0 MB", "1.5 kB", "3 bytes"]


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (123.4, "123"),
        (9.96, "10"),
        (9.94, "9.9"),
        (0.996, "1.0"),
        (0.994, "0.99"),
        (0.0996, "0.10"),
        (0.031, "0.031"),
        (0.0052, "0.0052"),
        (0.00052, "0.0005"),
    ],
)
def test_a_rate_has_the_digits_that_count(rate: float, text: str) -> None:
    assert format_rate(rate) == text


def test_a_line_is_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display(interval=math.inf)
    display.show(lambda: "later")
    display.show(lambda: "now", at_once=True)
    display.show(lambda: "later")

    assert capsys.readouterr().err == "now\n"


def test_work_that_is_not_over_when_all_frames_are_done_is_not_0_s_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder still has frames, and a chunk is decoded to check it."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rate = Rate(100)
    now = 5.0
    assert rate.describe(50) == "50/100 frames, 10 frames/s, 5 s left"
    now = 20.0
    assert rate.describe(100) == "100/100 frames, 5.0 frames/s, finishing"


@pytest.mark.parametrize(
    ("columns", "line", "shown"),
    [
        (12, "12 frames", "12 frames"),
        (9, "12 frames", "12 fram…"),
        (10, "12 frames", "12 frames"),
        (12, "第01話.mkv: 3", "第01話.mkv…"),
        (16, "a\nb", "a b"),
        (0, "the size is not known", "the size is not known"),
        (1, "narrow", "…"),
    ],
)
def test_a_line_of_progress_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, line: str, shown: str
) -> None:
    """A line that goes on in the next one could not be replaced."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, 24)))

    Display().show(lambda: line, at_once=True)

    assert capsys.readouterr().err == f"\r{shown}\033[K"


class Console:
    """Stands for `sys` and for the library kernel32 of Windows, with stderr as a console."""

    platform = "win32"
    stderr = types.SimpleNamespace(isatty=lambda: True, fileno=lambda: 2)

    def __init__(self, mode: int | None, *, old: bool = False) -> None:
        self.mode = mode
        self.old = old

    def GetConsoleMode(self, console: ctypes.c_void_p, mode: object) -> int:  # noqa: N802
        assert console.value == 44
        if self.mode is None:
            return 0
        mode._obj.value = self.mode  # type: ignore[attr-defined]
        return 1

    def SetConsoleMode(self, console: ctypes.c_void_p, mode: int) -> int:  # noqa: N802
        assert console.value == 44
        if self.old:
            return 0
        self.mode = mode
        return 1


def test_a_console_of_windows_is_told_to_obey_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_terminal(console: Console) -> bool:
        monkeypatch.setattr(progress, "sys", console)
        monkeypatch.setattr(ctypes, "windll", types.SimpleNamespace(kernel32=console), raising=False)
        monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(get_osfhandle=lambda file: 42 + file))
        return progress.is_terminal()

    console = Console(3)
    assert is_terminal(console)
    assert console.mode == 7
    assert not is_terminal(Console(3, old=True)), "one that would show the codes gets lines"
    assert not is_terminal(Console(None)), "NUL says that it is a terminal"
