"""PyAV, imported when it is used: its log, and its errors in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import MediaError, MissingDependencyError
from ..files import flush_to_disk


def load() -> Any:
    """Import PyAV, whose libraries then write nothing to stdout or stderr but errors of SVT-AV1.

    Raises:
        MissingDependencyError: PyAV is not installed.
    """
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 reads this when it is first used; 1: errors only
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            f"whole files need PyAV, which cannot be imported ({error}): pip install 'vapoursynth-animesr[upscale]'"
        ) from error
    return av


@contextmanager
def listening() -> Iterator[list[tuple[int, str, str]]]:
    """Collect the warnings and errors of FFmpeg on this thread, as (level, part of FFmpeg, text).

    Nothing may run in other threads of FFmpeg meanwhile: to say something they would need the GIL, which is held while
    a codec is closed, and that waits for them.
    """
    logging = load().logging
    level, skips = logging.get_level(), logging.get_skip_repeated()
    logging.set_level(logging.WARNING)
    logging.set_skip_repeated(False)
    try:
        with logging.Capture() as logs:
            yield logs
    finally:
        logging.set_skip_repeated(skips)
        logging.set_level(level)


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
        container = load().open(str(path.absolute()), "r")
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


@contextmanager
def same_priority() -> Iterator[None]:
    """Leave this thread the priority that it has, and give it to threads that are started in the block.

    As root on Linux, SVT-AV1 gives the thread that opens it, and its own, the highest real-time priority: whatever else
    runs on the machine then waits for them, and processes that are started later have it too.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        raised = os.sched_getscheduler(0)
        for each in Path("/proc/self/task").iterdir() if raised != policy else ():
            with suppress(ProcessLookupError):  # it has ended
                if os.sched_getscheduler(int(each.name)) == raised:
                    os.sched_setscheduler(int(each.name), policy, parameters)


def sync(path: Path) -> None:
    """Return when a file is on the disk.

    Raises:
        MediaError: it cannot be written there.
    """
    with writing(path), path.open("rb+") as file:
        flush_to_disk(file.fileno())


def fraction(value: Any) -> Fraction:
    """Return a fraction of PyAV's as one of Python's; 0 for one that is not known."""
    return Fraction(value) if value else Fraction(0)


def reason(error: Exception) -> str:
    """Return what is wrong, without the function and the file that PyAV names."""
    return getattr(error, "strerror", None) or str(error)


def _cannot_write(path: Path, error: Exception) -> str:
    full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    remedy = "free space there" if full else "see that the folder can be written"
    shown = str(path).removesuffix(".part")
    return f"{shown} cannot be written ({reason(error)}); {remedy}"
