"""The file of a pool: decoded frames of clips, in order, each at its place by number.

It begins with a line that identifies the format, a line of JSON with the key of the pool and a hash of every piece of
its pixels, the SHA-256 of that line, and spaces up to a whole page. Then follow the frames of one clip after the other,
uint8 (height, width, 3), each clip from the start of a page on. The key names all that the pixels are made of.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import mmap
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from vsanimesr.files import flush_to_disk, replace
from vsanimesr.machine import cores

from ..errors import ClipError

if sys.platform != "win32":
    import fcntl

MAGIC = b"decoded clips of vapoursynth-animesr, format 1\n"
PART = ".part"
"""End of the name of a file that is being written."""
PIECE_FRAMES = 32
"""Smallest number of frames in a piece, but for the last one of a clip."""
_PAGE = 4096
_PIECE_TEXT = 64
"""Most bytes that a piece takes in the header."""
FIXED_BYTES = 2 * _PAGE
"""Most bytes of a file besides its pieces."""
_HASH_DIGITS = 16
_LONGEST_LINE = 1 << 28


class UnusableError(Exception):
    """The reason why a file is not used; empty if there is no file."""


class Piece(NamedTuple):
    """Some pixels."""

    offset: int
    """Their place after the header, in bytes."""
    size: int
    digest: str


def packed_bytes(frames: int, width: int, height: int) -> int:
    """Return the most bytes that a clip takes in a pool."""
    return pixel_bytes(frames, width, height) + _PIECE_TEXT * math.ceil(frames / PIECE_FRAMES)


def pixel_bytes(frames: int, width: int, height: int) -> int:
    """Return the bytes of a clip's pixels, up to a whole page."""
    return _align(frames * width * height * 3)


def _align(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


def short_hash(digest: hashlib._Hash) -> str:
    """Return the text of a SHA-256 for the header."""
    return digest.hexdigest()[:_HASH_DIGITS]


def write_pool(
    path: Path, key: str, memory: float, piece_count: int, size: int, decode: Callable[[Path, int], Iterable[Piece]]
) -> None:
    """Write a pool atomically: afterwards it is there as a whole, or not at all, even after a crash or power cut.

    Args:
        key: what its pixels are made of.
        memory: the bound, in GB, that it is made for.
        piece_count: largest number of pieces.
        size: bytes of all pixels.
        decode: writes the pixels to a file, from an offset on, and yields them piece by piece.

    Raises:
        OSError: the file cannot be written. `path` is unchanged, and nothing is left beside it.
    """
    part = path.with_name(path.name + PART)
    begin = _align(len(MAGIC) + 2 * _HASH_DIGITS + len(key) + 256 + _PIECE_TEXT * piece_count)
    try:
        with open_in_use(part, "w+b") as file:
            file.truncate(begin + size)
            pieces = sorted(decode(part, begin))
            header = json.dumps({"key": key, "memory": memory, "begin": begin, "pieces": pieces}).encode()
            digest = hashlib.sha256(header).hexdigest().encode()
            file.write((MAGIC + header + b"\n" + digest + b"\n").ljust(begin))
            file.flush()
            flush_to_disk(file.fileno())
        replace(part, path)
    except BaseException:  # Ctrl-C too
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


class Pool:
    """A pool that is open, and so in use: it is not deleted. Processes that start later open its file again.

    Args:
        key: what its pixels should be made of.
        size: bytes of all pixels.

    Raises:
        UnusableError: there is no file, or it is another or a damaged one. Every byte of it is read and compared.
    """

    def __init__(self, path: Path, key: str, size: int) -> None:
        self.path = path
        try:
            self._map()
            header = read_header(path)
        except (FileNotFoundError, NotADirectoryError):
            raise UnusableError from None
        except OSError as error:
            raise UnusableError(f"cannot be read ({error.strerror or error})") from error
        except ValueError as error:  # an empty file cannot be mapped
            raise UnusableError("is empty") from error
        if header is None or header.key != key:
            raise UnusableError("is no pool of these clips")
        self._begin = header.begin
        if len(self._bytes) != header.begin + size:
            raise UnusableError(f"has {len(self._bytes)} bytes instead of {header.begin + size}")
        with ThreadPoolExecutor(cores()) as threads:
            if not all(threads.map(self._is_sound, header.pieces)):
                raise UnusableError("is damaged")

    def frames(self, offset: int, count: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return the frames of a clip, uint8 (count, height, width, 3), without copying them."""
        shape = count, height, width, 3
        begin = self._begin + offset
        return self._bytes[begin : begin + math.prod(shape)].reshape(shape)

    def _map(self) -> None:
        with open_in_use(self.path, "rb") as file:  # `mmap` keeps the file open, and so in use
            self._bytes = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)

    def _is_sound(self, piece: Piece) -> bool:
        begin = self._begin + piece.offset
        return short_hash(hashlib.sha256(self._bytes[begin : begin + piece.size])) == piece.digest

    def __getstate__(self) -> tuple[Path, int]:
        return self.path, self._begin

    def __setstate__(self, state: tuple[Path, int]) -> None:
        self.path, self._begin = state
        try:
            self._map()
        except (OSError, ValueError) as error:
            raise ClipError(f"{self.path} is gone ({error}); start the same command again, which makes it") from error


class Header(NamedTuple):
    """What a pool says about itself."""

    key: str
    memory: float
    begin: int
    """Place of the first pixel in the file."""
    pieces: list[Piece]


def read_header(path: Path) -> Header | None:
    """Return the header of a pool, or None if the file is no pool of this format, or its header is damaged.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return None
        text, digest = (file.readline(_LONGEST_LINE).removesuffix(b"\n") for _ in range(2))
    if hashlib.sha256(text).hexdigest().encode() != digest:
        return None
    header = Header(**json.loads(text))
    return header._replace(pieces=[Piece(*piece) for piece in header.pieces])


def open_in_use(path: Path, mode: str) -> BinaryIO:
    """Open a file so that `delete_unused` leaves it alone until it is closed. Windows does so with every open file.

    Raises:
        OSError: the file cannot be opened.
    """
    file = cast(BinaryIO, path.open(mode))
    if sys.platform != "win32":
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_SH)
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            file.close()
            raise FileNotFoundError(errno.ENOENT, "it was deleted just now", str(path))
    return file


def delete_unused(path: Path) -> bool:
    """Delete a file unless it is in use. Return whether it is gone."""
    try:
        if sys.platform == "win32":
            path.unlink(missing_ok=True)
        else:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
    except OSError:
        return not path.exists()
    return True
