"""What was built for this machine, kept on disk: engines that would take seconds or minutes to build again.

A file is named after the SHA-256 of its key, which says everything that the result depends on. It holds a first line
that says whose it is, the key and the SHA-256 of the rest as a line of JSON, and the rest, which is what was built. All
of this is verified on the very bytes that are handed on; what is wrong with a file is said in one line, and it is built
again. Nothing here is needed: where it cannot be kept, it is built each time, with a warning; and what was used longest
ago goes when all of it becomes too much.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from . import paths
from .errors import EngineError
from .files import locked, read_at_most, write_whole

_log = logging.getLogger(__name__)

type Key = Mapping[str, str | int | list[str]]

_MAGIC = b"built by vapoursynth-animesr, format 1\n"
_MAX_FILE_BYTES = 1 << 30  # an engine has 3 to 30 MB
_MOST_BYTES = 2 << 30  # of all files together
_MAX_HEADER_BYTES = 1 << 14
_DIGEST_BYTES = 2 * hashlib.sha256().digest_size


class _UnusableError(Exception):
    """Why a file in the cache is not used."""


def folder() -> Path:
    """Where built engines are kept."""
    return paths.cache_folder() / "engines"


def path_of(key: Key) -> Path:
    """Where what was built for a key lies, or would lie."""
    digest = hashlib.sha256(_text_of(key)).hexdigest()
    return folder() / f"{key['engine']}-{digest[:32]}"


def load_or_build[T](
    key: Key,
    *,
    build: Callable[[], bytes],
    load: Callable[[memoryview], T],
    also: Callable[[Key], bool] | None = None,
) -> T:
    """What `load` makes of the bytes that were built for a key; they are built where they are not here.

    They may lie in the folder that `ANIMESR_ENGINES` names, under any name, else in the cache. Two processes that need
    the same do not build it twice: one waits for the other.

    Args:
        key: everything that the result depends on; `engine` is the engine's name.
        build: makes the bytes. It says in the log what it does.
        load: is given bytes of which it is known that `build` made them, here or in another process. Where it raises
            EngineError on bytes from a file, they are built again.
        also: whether what was built for another key will do; without it nothing else is looked at.

    Raises:
        EngineError: from `build`, from `load` on what was built just now, or `ANIMESR_ENGINES` names no folder.
    """
    path = path_of(key)
    for candidate, stated in _candidates(key, also):
        try:
            return _loaded(candidate, stated, load)
        except _UnusableError as reason:
            if candidate != path:
                _log.warning("%s %s: it is not used", candidate, reason)
    with locked(path.parent, f"{path.name}.lock"):
        try:
            return _loaded(path, key, load)  # another process may have built it meanwhile
        except _UnusableError as reason:
            if str(reason):
                _log.info("%s %s: it is built again", path, reason)
        data = build()
        _keep(path, key, data)
    return load(memoryview(data))


def store(key: Key, data: bytes) -> Path:
    """Put what was built for a key into the cache.

    Raises:
        OSError: it cannot be written there.
    """
    path = path_of(key)
    with locked(path.parent, f"{path.name}.lock"):
        _write(path, key, data)
    return path


def find(key: Key) -> Path | None:
    """The file with what was built for a key, if it is here and sound."""
    for path, stated in _candidates(key, None):
        with suppress(_UnusableError):
            _read(path, stated)
            return path
    return None


def packed(key: Key, data: bytes) -> bytes:
    """What a file holds: `data`, and what it takes to verify it."""
    return b"".join((_MAGIC, _text_of(key), b"\n", _digest(data), data))


def files() -> list[Path]:
    """What was built and is kept, of any engine, sound or not."""
    try:
        return sorted(path for path in folder().iterdir() if not path.suffix and path.is_file())
    except OSError:  # there is no such folder yet, or it cannot be read
        return []


def _candidates(key: Key, also: Callable[[Key], bool] | None) -> Iterator[tuple[Path, Key]]:
    """The files that may do, the best first, each with the key that it says it was built for."""
    if given := paths.given_engines_folder():
        for path in sorted(given.iterdir()):
            stated = _stated_key(path)
            if stated is not None and (stated == key or (also and also(stated))):
                yield path, stated
    yield path_of(key), key
    if also is None:
        return
    for path in files():
        stated = _stated_key(path)
        if stated is not None and stated != key and also(stated):
            yield path, stated


def _stated_key(path: Path) -> Key | None:
    """The key in a file's first lines; None if it is not one of ours."""
    try:
        magic, _, rest = read_at_most(path, _MAX_HEADER_BYTES).partition(b"\n")
        stated = json.loads(rest.partition(b"\n")[0]) if magic + b"\n" == _MAGIC else None
    except (OSError, ValueError, RecursionError):
        return None
    return stated if isinstance(stated, dict) else None


def _loaded[T](path: Path, key: Key, load: Callable[[memoryview], T]) -> T:
    data = _read(path, key)
    if path == path_of(key):  # not one that was given: nothing is written there
        with suppress(OSError):
            os.utime(path)  # it is in use
    try:
        return load(data)
    except EngineError as error:
        raise _UnusableError(f"cannot be loaded ({error})") from error


def _read(path: Path, key: Key) -> memoryview:
    """The verified bytes that were built for a key."""
    try:
        data = memoryview(read_at_most(path, _MAX_FILE_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        raise _UnusableError("") from None
    except OSError as error:
        raise _UnusableError(f"cannot be read ({error.strerror or error})") from error
    if data[: len(_MAGIC)] != _MAGIC:
        raise _UnusableError("is not from here")
    text = _text_of(key)
    begin = len(_MAGIC) + len(text) + 1 + _DIGEST_BYTES + 1
    header, built = bytes(data[len(_MAGIC) : begin]), data[begin:]
    if not header.startswith(text + b"\n"):
        raise _UnusableError("was built for something else")
    if header[len(text) + 1 :] != _digest(built):
        raise _UnusableError("is damaged")
    return built


def _keep(path: Path, key: Key, data: bytes) -> None:
    try:
        _write(path, key, data)
    except OSError as error:
        _log.warning(
            "%s cannot be kept (%s) and will be built again next time; "
            "set ANIMESR_CACHE to a folder that can be written",
            path,
            error.strerror or error,
        )


def _write(path: Path, key: Key, data: bytes) -> None:
    _make_room(len(data))
    write_whole(path, packed(key, data))


def _make_room(wanted: int) -> None:
    """Delete what was used longest ago, as far as the cache would be too large with `wanted` bytes more."""
    for path in sorted(files(), key=lambda path: path.stat().st_mtime, reverse=True):
        wanted += path.stat().st_size
        if wanted > _MOST_BYTES:
            path.unlink(missing_ok=True)


def _text_of(key: Key) -> bytes:
    return json.dumps(key, sort_keys=True).encode()


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).hexdigest().encode() + b"\n"
