"""Files that several processes share: reads with a size limit, atomic writes, locks."""

from __future__ import annotations

import errno
import logging
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_log = logging.getLogger(__name__)

_PATIENCE = 2.0
"""Seconds for which a file that is open elsewhere is tried to be replaced."""
_SILENCE = 1.0
"""Seconds for which a lock is waited for without a word."""


def read_at_most(path: Path, limit: int) -> bytes:
    """Read the first `limit` bytes of a regular file.

    Raises:
        OSError: the file cannot be read, or is not a regular file (a pipe or device could block, or never end).
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        return file.read(limit)


def is_hidden(path: Path) -> bool:
    """Return whether a file is not for users: macOS keeps its own beside each file on a foreign disk, `._NAME`."""
    return path.name.startswith(".")


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file atomically: afterwards it holds its old content or all of `data`, even after a crash or power cut.

    The caller must hold a lock on the folder or on `path`: the temporary file has a fixed name, so that the next writer
    overwrites what a killed process has left.

    Raises:
        OSError: the file cannot be written; `path` is unchanged.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            flush_to_disk(file.fileno())
        replace(part, path)
    except BaseException:  # Ctrl-C too
        with suppress(OSError):  # for example on a full disk
            part.unlink(missing_ok=True)
        raise


def flush_to_disk(file: int) -> None:
    """Wait until a file is on the disk. fsync of macOS leaves it in the cache of the disk, which may lose power too."""
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):  # a file system of the network may not know it
            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
            return
    os.fsync(file)


def replace(part: Path, path: Path) -> None:
    """Rename `part` to `path`. Windows refuses this while another process, such as a virus scanner, has one open."""
    end = time.monotonic() + (_PATIENCE if sys.platform == "win32" else 0)
    while True:
        try:
            part.replace(path)
            return
        except PermissionError:
            if time.monotonic() >= end:
                raise
        time.sleep(0.02)


@contextmanager
def file_lock(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold a lock in a folder, which is created if missing. Waits while another process holds the lock, and says so.

    Without the possibility of a lock (a read-only folder, a file system without locks) this does nothing. The lock only
    avoids duplicate work; readers verify the files anyway.
    """
    from filelock import FileLock, Timeout  # not at the top: importing it takes as long as importing numpy

    lock = FileLock(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if sys.platform == "win32":
            _require_writable(folder)
        try:
            lock.acquire(timeout=_SILENCE)
        except Timeout:
            _log.info("waiting for another process, which works on %s", folder)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        _log.debug("no lock in %s: %s", folder, error)
    try:
        yield
    finally:
        lock.release()


def _require_writable(folder: Path) -> None:
    """Raise OSError if no file can be made in a folder. There, on Windows, filelock would wait for ever."""
    probe = folder / f".{os.getpid()}-{threading.get_ident()}.probe"
    probe.open("wb").close()
    with suppress(OSError):
        probe.unlink()
