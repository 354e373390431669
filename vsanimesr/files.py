"""Files that several processes share: read with a limit, written whole or not at all, under a lock."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_log = logging.getLogger(__name__)


def read_at_most(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of a regular file.

    Raises:
        OSError: it cannot be read, or is not a regular file (a pipe or device could block, or never end).
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        return file.read(limit)


def write_whole(path: Path, data: bytes) -> None:
    """Write so that `path` holds what it held before, or all of `data`, even after a crash or a power cut.

    The caller holds a lock, of the folder or of `path`: the part that is not finished has a fixed name, so that a
    leftover of a killed process is overwritten by the next.

    Raises:
        OSError: the file cannot be written; `path` is as before.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:  # Ctrl-C too
        with suppress(OSError):  # the disk may be full: do not add to it
            part.unlink(missing_ok=True)
        raise


@contextmanager
def locked(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold a lock in a folder, which is made if need be; waits for another process that holds it.

    Where there can be no lock (a read-only folder, a file system without locks) go on without: it saves work that would
    be done twice, but what is read is verified all the same.
    """
    from filelock import FileLock  # here: importing it costs as much as numpy

    lock = FileLock(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        _log.debug("no lock in %s: %s", folder, error)
    try:
        yield
    finally:
        lock.release()
