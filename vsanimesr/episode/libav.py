"""PyAV, imported when it is used: its log, and its errors in words."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import MediaError, MissingDependencyError

_lock = threading.Lock()
_silent = False


def load() -> Any:
    """Import PyAV, and send what its libraries have to say to Python's log `libav`, warnings only.

    Raises:
        MissingDependencyError: PyAV is not installed.
    """
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes by itself; 1: errors only. It reads this when it starts.
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            f"whole files need PyAV, which cannot be imported ({error}): pip install 'vapoursynth-animesr[upscale]'"
        ) from error
    global _silent
    with _lock:
        if not _silent:
            # The last messages of an error are its reason. Without a level PyAV throws them away.
            av.logging.set_level(av.logging.WARNING)
            logging.getLogger("libav").setLevel(logging.ERROR)
            _silent = True
    return av


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors while a file is read into a `MediaError` that names it."""
    av = load()
    try:
        yield
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file") from error
    except (av.FFmpegError, OSError) as error:
        raise MediaError(
            f"{path} cannot be read as video ({reason(error)}); try it in a player, or remux it with mkvmerge"
        ) from error


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file to read it. Only what is done while it is opened counts as reading."""
    with reading(path):
        container = load().open(str(path), "r")
    with container:
        yield container


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors while a file is written into a `MediaError` that names it."""
    av = load()
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise MediaError(_cannot_write(path, error)) from error


@contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """Delete a file if the block that writes it fails."""
    try:
        yield
    except BaseException:  # Ctrl-C too
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Return when a file is on the disk.

    Raises:
        MediaError: it cannot be written there.
    """
    with writing(path), path.open("rb+") as file:
        os.fsync(file.fileno())


def fraction(value: Any) -> Fraction:
    """Return a fraction of PyAV's as one of Python's; 0 for one that is not known."""
    return Fraction(value) if value else Fraction(0)


def reason(error: Exception) -> str:
    """Return what libav says of an error, with its last line of log."""
    text = getattr(error, "strerror", None) or str(error)
    log = getattr(error, "log", None)
    return f"{text}: {log[2].strip()}" if log else str(text)


def _cannot_write(path: Path, error: Exception) -> str:
    full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    remedy = "free space there, then run the same command again" if full else "see that the folder can be written"
    return f"{path} cannot be written ({reason(error)}); {remedy}"
