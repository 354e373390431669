"""A pool of decoded clips: each frame is decoded once, and all processes and later runs read it from one file.

A frame of a pool is a view of the file in memory, so that a crop reads its own pixels only, from the disk if they are
not in memory yet. Clips of a pool return the frames that the clips themselves return: a pool saves time and changes no
result. It lies in the cache folder under a name that is made of the content of the clips, and is made and verified
before the first step. Pools that were not used for the longest time make room for new ones.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, pairwise
from pathlib import Path

import av
import numpy as np
import PIL
from filelock import FileLock, Timeout

from vsanimesr import paths
from vsanimesr.files import file_lock
from vsanimesr.machine import cores
from vsanimesr.progress import count, format_bytes, format_time, show_progress

from ..errors import ClipError
from ..origin import digest_texts
from . import pool_file
from .clips import Clip, Frame, VideoClip
from .pool_file import Piece, Pool, UnusableError, short_hash
from .spans import GB, Span

_log = logging.getLogger(__name__)

FORMAT = "1"
"""Version of what frames are decoded to. Raise it if their pixels can change."""
SUFFIX = ".pool"
DECODERS = f"PyAV {av.__version__}, Pillow {PIL.__version__}"
"""What pixels depend on besides the files."""


def folder() -> Path:
    """Return the folder of all pools."""
    return paths.cache_folder() / "pools"


def pack_clips(clips: Sequence[Clip], memory: float) -> Sequence[Clip]:
    """Return clips that read their frames from a pool, which is made if there is none.

    Clips that do not fit into it stay as they are: the first ones are packed. So do all of them if the pool cannot be
    stored.

    Args:
        memory: size of the pool in GB. 0: there is none.

    Raises:
        ClipError: a frame cannot be read, or files change while they are read.
    """
    places = _place_clips(clips, memory * GB)
    if not memory or not places:
        return clips
    try:
        pool = _open_or_make(places, memory)
    except OSError as error:
        _log.warning(
            "clips cannot be kept decoded in %s (%s), so each frame is decoded each time it is used, which is slow; "
            "make room there, set ANIMESR_CACHE to a folder on another disk, or set a smaller memory",
            *(folder(), error.strerror or error),
        )
        return clips
    if len(places) < len(clips):
        _log.info("memory=%g GB has room for %d of %d clips", memory, len(places), len(clips))
    return [*(PackedClip(place, pool) for place in places), *clips[len(places) :]]


@dataclass(frozen=True)
class _Place:
    """A clip, and where its frames are."""

    clip: Clip
    offset: int
    width: int
    height: int

    @property
    def size(self) -> int:
        """Bytes up to the next clip."""
        return pool_file.pixel_bytes(len(self.clip), self.width, self.height)

    @property
    def packed_size(self) -> int:
        """Bytes that the clip adds to a pool."""
        return pool_file.packed_bytes(len(self.clip), self.width, self.height)


class PackedClip:
    """A clip whose frames are in a pool."""

    def __init__(self, place: _Place, pool: Pool) -> None:
        self.name = place.clip.name
        self._pool = pool
        self._place = place.offset, len(place.clip), place.width, place.height
        self._digest = place.clip.digest()

    def __len__(self) -> int:
        return self._place[1]

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        frames = self._pool.frames(*self._place)
        return [frames[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        _, _, width, height = self._place
        return width, height

    def digest(self) -> str:
        return self._digest


def _place_clips(clips: Sequence[Clip], limit: float) -> list[_Place]:
    """Return the places of the first clips that fit."""
    places: list[_Place] = []
    offset, used = 0, pool_file.FIXED_BYTES
    for clip in clips if used < limit else ():
        width, height = clip.check()
        used += pool_file.packed_bytes(len(clip), width, height)
        if used > limit:
            break
        places.append(_Place(clip, offset, width, height))
        offset += places[-1].size
    return places


def _key(places: Sequence[_Place]) -> str:
    texts = (f"{len(each.clip)} frames, {each.width}x{each.height}, {_content(each.clip)}" for each in places)
    return digest_texts([FORMAT, DECODERS, *texts])


def _content(clip: Clip) -> str:
    """Return what tells the frames of a clip from others. The names of whole clips do not matter."""
    return f"{clip.place}, {clip.digest()}" if isinstance(clip, Span) else clip.digest()


def _open_or_make(places: Sequence[_Place], memory: float) -> Pool:
    """Return the pool of these clips. If two processes need it, one makes it and the other waits.

    Raises:
        OSError: the pool cannot be stored.
        ClipError: as for `pack_clips`.
    """
    key, size = _key(places), sum(place.size for place in places)
    path = folder() / f"{key}{SUFFIX}"
    with suppress(UnusableError):
        return _open(path, key, size)
    folder().mkdir(parents=True, exist_ok=True)
    with _alone():
        try:
            return _open(path, key, size)  # another process may have made it in the meantime
        except UnusableError as reason:
            if str(reason):
                _log.info("%s %s; it is made again", path, reason)
        pool_file.delete_unused(path)
        _make_room(path, sum(place.packed_size for place in places), memory)
        _make(path, key, places, size, memory)
        try:
            return _open(path, key, size)
        except UnusableError as reason:
            raise OSError(errno.EIO, f"{path} {reason} after it was made") from reason


def _open(path: Path, key: str, size: int) -> Pool:
    started = time.monotonic()
    pool = Pool(path, key, size)
    with suppress(OSError):  # a folder that cannot be written
        os.utime(path)
    seconds = time.monotonic() - started
    _log.info("%s holds the clips decoded: %s, verified in %s", path, format_bytes(size), format_time(seconds))
    return pool


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process makes a pool."""
    name = ".lock"
    with suppress(OSError, NotImplementedError):  # no lock is possible: then both decode
        lock = FileLock(folder() / name)
        try:
            lock.acquire(timeout=0)
            lock.release()
        except Timeout:
            _log.info("another run decodes clips into %s; waiting for its end", folder())
    with file_lock(folder(), name):
        yield


def _make_room(path: Path, wanted: int, memory: float) -> None:
    """Delete what killed runs left, and the pools that were not used for the longest time if there is no room.

    All pools together may take the largest `memory` that one of them was made with. Those in use stay.

    Args:
        path: the new pool.
        wanted: its size in bytes.

    Raises:
        OSError: the disk has no room all the same.
    """
    for part in folder().glob(f"*{pool_file.PART}"):
        pool_file.delete_unused(part)
    others = [each for each in folder().glob(f"*{SUFFIX}") if each != path]
    limit = memory * GB
    states: dict[Path, os.stat_result] = {}
    for each in others:
        with suppress(OSError):
            header = pool_file.read_header(each)
            limit = max(limit, header.memory * GB) if header else limit
            states[each] = each.stat()
    taken = sum(state.st_size for state in states.values())
    for each in sorted(states, key=lambda each: (states[each].st_mtime_ns, each)):
        free = shutil.disk_usage(folder()).free
        if (taken + wanted <= limit and free >= wanted) or free + taken < wanted:
            break
        if pool_file.delete_unused(each):
            _log.info("deleted %s, which was not used for the longest time", each)
            taken -= states[each].st_size
    if (free := shutil.disk_usage(folder()).free) < wanted:
        raise OSError(errno.ENOSPC, f"{format_bytes(wanted)} are needed, and {format_bytes(free)} are free")


def _make(path: Path, key: str, places: Sequence[_Place], size: int, memory: float) -> None:
    """Decode clips into a pool.

    Raises:
        OSError: the pool cannot be stored.
        ClipError: as for `pack_clips`.
    """
    frames = sum(len(place.clip) for place in places)
    text = f"{count(len(places), 'clip')}, {count(frames, 'frame')}, {format_bytes(size)}"
    _log.info("decoding %s once into %s", text, path)
    tasks = [task for group in _group_places(places) for task in _split(group)]

    def decode(part: Path, begin: int) -> Iterator[Piece]:
        done = 0
        with (
            show_progress(sum(len(task.numbers) for task in tasks), "decoding: ") as show,
            ThreadPoolExecutor(cores()) as threads,
        ):
            try:
                futures = {threads.submit(task.run, part, begin): len(task.numbers) for task in tasks}
                for future in as_completed(futures):
                    yield from future.result()
                    show(done := done + futures[future])
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        if _key(places) != key:
            raise ClipError("clips changed while they were decoded; start the same command again")

    started = time.monotonic()
    pool_file.write_pool(path, key, memory, sum(len(task.places) for task in tasks), size, decode)
    _log.info("decoded in %s", format_time(time.monotonic() - started))


@dataclass(frozen=True)
class _Task:
    """Frames that are decoded one after the other, and all the clips that have a part of them."""

    clip: Clip
    """The clip to decode."""
    numbers: range
    """The frames of it."""
    first: int
    """Number of the first of them in the clips of `places`."""
    places: Sequence[_Place]

    def run(self, path: Path, begin: int) -> list[Piece]:
        """Decode the frames, and write them to the file of a pool.

        Args:
            begin: place of the first pixel in the file.

        Raises:
            OSError: the file cannot be written.
            ClipError: a frame cannot be read, or has another size.
        """
        digests = [sha256() for _ in self.places]
        offsets = [each.offset + self.first * each.width * each.height * 3 for each in self.places]
        sizes = [each.width * each.height * 3 for each in self.places]
        with path.open("r+b", buffering=0) as file, closing(_scan(self.clip, self.numbers)) as frames:
            for n, frame in enumerate(frames):
                for place, digest, offset, size in zip(self.places, digests, offsets, sizes, strict=True):
                    pixels = np.ascontiguousarray(place.clip.cut(frame) if isinstance(place.clip, Span) else frame)
                    if pixels.shape != (place.height, place.width, 3):
                        raise ClipError(f"clip {self.clip.name!r} has frames of different sizes; leave it out")
                    file.seek(begin + offset + n * size)
                    _write(file.write, pixels)
                    digest.update(pixels)
        total = len(self.numbers)
        return [Piece(o, total * s, short_hash(d)) for o, s, d in zip(offsets, sizes, digests, strict=True)]


def _write(write: Callable[[memoryview], int], pixels: Frame) -> None:
    data = memoryview(pixels).cast("B")
    while data:
        data = data[write(data) :]


def _scan(clip: Clip, numbers: range) -> Generator[Frame]:
    if isinstance(clip, VideoClip):
        yield from clip.scan(numbers)
        return
    for n in numbers:
        yield from clip.read([n])


def _group_places(places: Sequence[_Place]) -> Iterator[list[_Place]]:
    """Yield clips that are parts of the same frames together."""

    def frames(place: _Place) -> tuple[int, range]:
        return (id(place.clip.clip), place.clip.numbers) if isinstance(place.clip, Span) else (id(place.clip), range(0))

    for _, group in groupby(places, key=frames):
        yield list(group)


def _split(places: Sequence[_Place]) -> Iterator[_Task]:
    """Yield tasks for the same frames of some clips. They begin where decoding can begin."""
    first = places[0].clip
    clip, numbers = (first.clip, first.numbers) if isinstance(first, Span) else (first, range(len(first)))
    starts = clip.key_frames() if isinstance(clip, VideoClip) else numbers
    bounds = [numbers.start]
    for start in starts:
        if start - bounds[-1] >= pool_file.PIECE_FRAMES and start < numbers.stop:
            bounds.append(start)
    for begin, end in pairwise([*bounds, numbers.stop]):
        yield _Task(clip, range(begin, end), begin - numbers.start, places)
