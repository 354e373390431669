"""Engines on disk, because building one takes seconds or minutes.

The name of a file is the SHA-256 of its key, which holds everything that the engine depends on. The file begins with a
line that identifies the format, the key as a line of JSON, and the SHA-256 of the engine; then follows the engine. All
of this is verified on the same bytes that are loaded. If a file is not usable, the log says why in one line, and the
engine is built again. The cache is optional: if an engine cannot be stored, it is built each time, with a warning. When
the cache becomes too large, the least recently used engines are deleted.
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
from .errors import BackendError, TooLittleMemoryError
from .files import file_lock, read_at_most, write_atomic
from .network.colour import Colour
from .network.graph import VERSION as GRAPH_VERSION
from .network.graph import GraphPrecision
from .weights.load import WeightsFile

_log = logging.getLogger(__name__)

type Key = Mapping[str, str | int | list[str]]

_MAGIC = b"built by vapoursynth-animesr, format 1\n"
_MAX_FILE_BYTES = 1 << 30  # an engine has 3 to 30 MB
_MAX_CACHE_BYTES = 2 << 30
_MAX_HEADER_BYTES = 1 << 14
_DIGEST_BYTES = 2 * hashlib.sha256().digest_size


def network_key(
    backend: str,
    library: str,
    weights: WeightsFile,
    size: tuple[int, int] | None,
    precision: GraphPrecision,
    colour: Colour,
) -> dict[str, str | int | list[str]]:
    """Return the part of a key that all backends have. A backend adds everything else that its engine depends on.

    Args:
        library: the full version of the library that builds the engine.
        size: width and height of LR frames, or None for any size.
        precision, colour: as in `build_graph`.
    """
    return {
        "backend": backend,
        "library": library,
        "graph": GRAPH_VERSION,
        "weights": weights.digest,
        "size": "any" if size is None else "{}x{}".format(*size),
        "precision": precision,
        "colour": colour,
    }


class _UnusableError(Exception):
    """The reason why a file is not used; empty if there is no file."""


def folder() -> Path:
    """Return the folder of the cache."""
    return paths.cache_folder() / "engines"


def entry_path(key: Key) -> Path:
    """Return the path in the cache of the engine for a key. It may not exist."""
    digest = hashlib.sha256(_text_of(key)).hexdigest()
    return folder() / f"{key['backend']}-{digest[:32]}"


def load_or_build[T](
    key: Key,
    *,
    build: Callable[[], bytes],
    load: Callable[[memoryview], T],
    accepts: Callable[[Key], bool] | None = None,
) -> T:
    """Load the engine for a key; build and store it first if there is none.

    Files in the folder that `ANIMESR_ENGINES` names are tried first, whatever their names, then the cache. If two
    processes need the same engine, one builds it and the other waits.

    Args:
        key: everything that the engine depends on; `backend` is the backend's name.
        build: returns the bytes of the engine. It writes to the log what it does.
        load: makes the result from the bytes of the engine. They are verified: `build` returned them, here or in
            another process. If `load` raises BackendError for bytes from a file, the engine is built again, unless it
            is a TooLittleMemoryError: that passes, since the file may be sound.
        accepts: returns whether an engine with another key may be used too; without it, none is.

    Returns:
        The result of `load`.

    Raises:
        BackendError: from `build`, from `load` for a new engine, or because `ANIMESR_ENGINES` names no folder that can
            be listed.
    """
    path = entry_path(key)
    for candidate, file_key in _candidates(key, accepts):
        try:
            return _load_file(candidate, file_key, load)
        except _UnusableError as reason:
            if candidate != path:
                _log.warning("%s %s; it is not used", candidate, reason)
    with file_lock(path.parent, f"{path.name}.lock"):
        try:
            return _load_file(path, key, load)  # another process may have built it in the meantime
        except _UnusableError as reason:
            if str(reason):
                _log.info("%s %s; it is built again", path, reason)
        data = build()
        _keep(path, key, data)
    return load(memoryview(data))


def store(key: Key, data: bytes) -> Path:
    """Store an engine in the cache and return its path.

    Raises:
        OSError: the file cannot be written.
    """
    path = entry_path(key)
    with file_lock(path.parent, f"{path.name}.lock"):
        _write(path, key, data)
    return path


def keep(key: Key, data: bytes) -> None:
    """Store what is quickly made again, such as kernels. Without a place to store it, the log says so."""
    try:
        store(key, data)
    except OSError as error:
        _log.info("%s cannot be stored (%s); it is made again each time", entry_path(key), error.strerror or error)


def read(key: Key) -> memoryview | None:
    """Return what was stored for a key, verified, or None with a line in the log if it is damaged or not there."""
    path = entry_path(key)
    try:
        data = _read(path, key)
    except _UnusableError as reason:
        if str(reason):
            _log.info("%s %s; it is made again", path, reason)
        return None
    _touch(path)
    return data


def find(key: Key) -> tuple[Path, memoryview] | None:
    """Return the file with the engine for a key, and the engine, or None if there is no valid one."""
    for path, file_key in _candidates(key, None):
        with suppress(_UnusableError):
            return path, _read(path, file_key)
    return None


def pack(key: Key, data: bytes) -> bytes:
    """Return the content of a file: a header to verify it, and the engine."""
    return b"".join((_MAGIC, _text_of(key), b"\n", _digest(data), data))


def files() -> list[Path]:
    """Return all engines in the cache, valid or not."""
    try:
        return sorted(path for path in folder().iterdir() if not path.suffix and path.is_file())
    except OSError:  # the folder does not exist yet, or cannot be read
        return []


def file_states() -> dict[Path, os.stat_result]:
    """Return the states of all engines in the cache, such as their sizes; not of those that are deleted meanwhile."""
    states = {}
    for path in files():
        with suppress(OSError):
            states[path] = path.stat()
    return states


def _candidates(key: Key, accepts: Callable[[Key], bool] | None) -> Iterator[tuple[Path, Key]]:
    """Yield the files that may hold a suitable engine, the best first, each with the key in its header."""
    if folder_of_user := paths.user_engines_folder():
        for path in _list(folder_of_user):
            file_key = _read_key(path)
            if file_key is not None and (file_key == key or (accepts and accepts(file_key))):
                yield path, file_key
    yield entry_path(key), key
    if accepts is None:
        return
    for path in files():
        file_key = _read_key(path)
        if file_key is not None and file_key != key and accepts(file_key):
            yield path, file_key


def _list(folder_of_user: Path) -> list[Path]:
    try:
        return sorted(folder_of_user.iterdir())
    except OSError as error:
        raise BackendError(
            f"ANIMESR_ENGINES={folder_of_user} cannot be listed ({error.strerror or error}); make it readable, or "
            "unset the variable"
        ) from error


def _read_key(path: Path) -> Key | None:
    """Read the key from a file's header; None if the file is not an engine of ours."""
    try:
        magic, _, rest = read_at_most(path, _MAX_HEADER_BYTES).partition(b"\n")
        key = json.loads(rest.partition(b"\n")[0]) if magic + b"\n" == _MAGIC else None
    except (OSError, ValueError, RecursionError):
        return None
    return key if isinstance(key, dict) else None


def _load_file[T](path: Path, key: Key, load: Callable[[memoryview], T]) -> T:
    data = _read(path, key)
    if path == entry_path(key):  # files in the user's folder stay unchanged
        _touch(path)
    try:
        return load(data)
    except TooLittleMemoryError:
        raise
    except BackendError as error:
        raise _UnusableError(f"cannot be loaded ({error})") from error


def _touch(path: Path) -> None:
    """Mark a file as used most recently."""
    with suppress(OSError):
        os.utime(path)


def _read(path: Path, key: Key) -> memoryview:
    """Read and verify the engine for a key."""
    try:
        data = memoryview(read_at_most(path, _MAX_FILE_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        raise _UnusableError("") from None
    except OSError as error:
        raise _UnusableError(f"cannot be read ({error.strerror or error})") from error
    if data[: len(_MAGIC)] != _MAGIC:
        raise _UnusableError("is no engine of this package")
    text = _text_of(key)
    begin = len(_MAGIC) + len(text) + 1 + _DIGEST_BYTES + 1
    header, engine = bytes(data[len(_MAGIC) : begin]), data[begin:]
    if not header.startswith(text + b"\n"):
        raise _UnusableError("was built for something else")
    if header[len(text) + 1 :] != _digest(engine):
        raise _UnusableError("is damaged")
    return engine


def _keep(path: Path, key: Key, data: bytes) -> None:
    try:
        _write(path, key, data)
    except OSError as error:
        _log.warning(
            "%s cannot be stored (%s), so the engine will be built again next time; "
            "set ANIMESR_CACHE to a writable folder",
            path,
            error.strerror or error,
        )


def _write(path: Path, key: Key, data: bytes) -> None:
    _make_room(len(data))
    path.parent.mkdir(parents=True, exist_ok=True)  # if the lock could not create it, this error says why
    write_atomic(path, pack(key, data))


def _make_room(wanted: int) -> None:
    """Delete the least recently used engines until `wanted` more bytes fit into the cache."""
    states = file_states()
    for path in sorted(states, key=lambda path: (states[path].st_mtime, path), reverse=True):
        wanted += states[path].st_size
        if wanted > _MAX_CACHE_BYTES:
            with suppress(OSError):  # another process has deleted it, or on Windows has it open
                path.unlink()


def _text_of(key: Key) -> bytes:
    return json.dumps(key, sort_keys=True).encode()


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).hexdigest().encode() + b"\n"
