"""The pool: frames are those of the clips to the last byte, its bound is kept, and no fault is taken for frames."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data import pool, pool_file
from trainer.data.clips import Clip, Frame, find_clips
from trainer.data.pool import pack_clips
from trainer.data.spans import GB, Span
from trainer.errors import ClipError
from vsanimesr import paths

from .test_clips import write_images, write_video

ROOM = 0.1
"""GB that all clips here fit into."""


class NoiseClip:
    """A clip of noise that counts how often each frame is read."""

    def __init__(self, name: str, length: int, width: int = 5, height: int = 3, *, seed: int = 0) -> None:
        self.name = name
        self._pixels = np.random.default_rng(seed).integers(0, 256, (length, height, width, 3), np.uint8)
        self._seed = seed
        self.reads = [0] * length

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, numbers: Sequence[int]) -> list[Frame]:
        for n in numbers:
            self.reads[n] += 1
        return [self._pixels[n] for n in numbers]

    def check(self) -> tuple[int, int]:
        return self._pixels.shape[2], self._pixels.shape[1]

    def digest(self) -> str:
        return f"seed {self._seed}"


@pytest.fixture
def pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of pools of one test, empty."""
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pools"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "trainer.data.pool")
    return caplog


def files(pools: Path) -> list[Path]:
    return sorted(path for path in pools.iterdir() if path.name != ".lock")


def read_all(clip: Clip) -> Frame:
    return np.stack(clip.read(range(len(clip))))


def same(clips: Sequence[Clip], others: Sequence[Clip]) -> bool:
    return all(np.array_equal(read_all(a), read_all(b)) for a, b in zip(clips, others, strict=True))


def is_packed(clip: Clip) -> bool:
    return isinstance(clip, pool.PackedClip)


@settings(deadline=None, max_examples=60)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 70), st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=5),
    memory=st.floats(0, 3e6 / GB),
    data=st.data(),
)
def test_any_clips_and_any_bound_give_the_frames_of_the_clips(
    shapes: list[tuple[int, int, int]], memory: float, data: st.DataObject
) -> None:
    clips = [NoiseClip(f"{n}", *shape, seed=n) for n, shape in enumerate(shapes)]
    shutil.rmtree(pool.folder(), ignore_errors=True)

    packed = pack_clips(clips, memory)

    stored = files(pool.folder()) if pool.folder().exists() else []
    assert sum(path.stat().st_size for path in stored) <= memory * GB
    assert [each.name for each in packed] == [each.name for each in clips]
    assert [(len(a), a.check(), a.digest()) for a in packed] == [(len(b), b.check(), b.digest()) for b in clips]
    count = sum(map(is_packed, packed))
    assert list(map(is_packed, packed)) == [n < count for n in range(len(clips))]
    assert all(set(clip.reads) == {1} for clip in clips[:count])
    again = pickle.loads(pickle.dumps(packed))  # as a worker gets them
    for clip, one, other in zip(clips, packed, again, strict=True):
        numbers = data.draw(st.lists(st.integers(0, len(clip) - 1), max_size=5))
        for frames in (one.read(numbers), other.read(numbers)):
            assert all(np.array_equal(a, b) for a, b in zip(frames, clip.read(numbers), strict=True))
    if count < len(clips):  # one more does not fit, even if the header were as small as can be
        assert sum(clip._pixels.nbytes for clip in clips[: count + 1]) > memory * GB - 20_000


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_images(folder / "images", 40)
    write_video(folder / "film.mkv", 50)
    write_video(folder / "tape.m2ts", 50, codec="mpeg2video")
    return folder


def test_files_are_packed_as_they_are_read(real: Path, pools: Path) -> None:
    clips = find_clips(real)

    packed = pack_clips(clips, ROOM)

    assert all(map(is_packed, packed))
    assert same(packed, find_clips(real))
    assert len(files(pools)) == 1


def test_parts_are_packed_as_they_are_read(real: Path, pools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = find_clips(real)
    spans = [
        Span(clip, first, 20, top, left, 16, 24)
        for clip in clips
        for first in (3, 15)
        for top, left in ((0, 40), (9, 1))
    ]
    scans: list[range] = []
    scan = pool._scan

    def note(clip: Clip, numbers: range) -> Iterator[Frame]:
        scans.append(numbers)
        return scan(clip, numbers)

    monkeypatch.setattr(pool, "_scan", note)

    packed = pack_clips(spans, ROOM)

    assert same(packed, spans)
    assert sum(map(len, scans)) == len(clips) * 2 * 20  # parts of the same frames are decoded together


def test_a_later_run_takes_the_pool_that_is_there(pools: Path, log: pytest.LogCaptureFixture) -> None:
    pack_clips([NoiseClip("a", 9), NoiseClip("b", 5, seed=1)], ROOM)
    (made,) = files(pools)
    state = made.stat().st_ino
    renamed = [NoiseClip("c", 9), NoiseClip("d", 5, seed=1)]

    packed = pack_clips(renamed, 2 * ROOM)

    assert not any(map(any, (clip.reads for clip in renamed)))
    assert same(packed, renamed)
    assert [(path, path.stat().st_ino) for path in files(pools)] == [(made, state)]
    assert [line.partition(" ")[0] for line in log.messages] == ["decoding", "decoded", str(made), str(made)]


@pytest.mark.parametrize("change", ["pixel", "order", "length", "part", "decoder"])
def test_other_content_gives_another_pool(change: str, pools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [NoiseClip("a", 9), NoiseClip("b", 9, seed=1)]
    now: list[Clip] = [NoiseClip("a", 9), NoiseClip("b", 9, seed=1)]
    match change:
        case "pixel":
            now[1] = NoiseClip("b", 9, seed=2)
        case "order":
            now.reverse()
        case "length":
            now[1] = NoiseClip("b", 8, seed=1)
        case "part":
            before[1], now[1] = (Span(NoiseClip("b", 9, seed=1), 0, 5, 0, left, 2, 2) for left in (0, 1))  # type: ignore[call-overload]
    pack_clips(before, ROOM)
    if change == "decoder":
        monkeypatch.setattr(pool, "DECODERS", "newer")

    assert same(pack_clips(now, ROOM), now)
    assert len(files(pools)) == 2


def test_changed_files_of_the_same_name_size_and_time_give_another_pool(pools: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "clips", 2)
    clip = find_clips(tmp_path)[-1:]
    assert clip[0].name == "clips"
    before = read_all(pack_clips(clip, ROOM)[0])
    first, second = sorted((tmp_path / "clips").iterdir())
    times = first.stat()
    first.write_bytes(second.read_bytes())
    os.utime(first, ns=(times.st_atime_ns, times.st_mtime_ns))

    (packed,) = pack_clips(find_clips(tmp_path)[-1:], ROOM)

    assert np.array_equal(read_all(packed), before[[1, 1]])


def test_files_that_change_while_they_are_decoded_are_refused(pools: Path) -> None:
    class Changing(NoiseClip):
        def digest(self) -> str:
            return f"{sum(self.reads) > 3}"

    with pytest.raises(ClipError, match="clips changed while they were decoded; start the same command again"):
        pack_clips([Changing("a", 9)], ROOM)
    assert files(pools) == []


def flip_bit(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("pixel", "is damaged"),
        ("last pixel", "is damaged"),
        ("header", "is no pool of these clips"),
        ("short", "bytes instead of"),
        ("long", "bytes instead of"),
        ("empty", "is empty"),
        ("foreign", "is no pool of these clips"),
        ("other", "is no pool of these clips"),
    ],
)
def test_a_faulty_file_is_found_and_made_again(
    fault: str, says: str, pools: Path, log: pytest.LogCaptureFixture
) -> None:
    clips = [NoiseClip("a", 40, 20, 10), NoiseClip("b", 5, seed=1)]
    pack_clips([NoiseClip("c", 5, seed=3)], ROOM)
    (other,) = files(pools)
    pack_clips(clips, ROOM)
    (path,) = (each for each in files(pools) if each != other)
    whole = path.read_bytes()
    begin = len(whole) - 40 * 600 // 4096 * 4096 - 2 * 4096
    match fault:
        case "pixel":
            flip_bit(path, begin + 20_000)
        case "last pixel":
            flip_bit(path, len(whole) - 4096 + 5 * 45 - 1)
        case "header":
            flip_bit(path, 80)
        case "short":
            path.write_bytes(whole[:-1])
        case "long":
            path.write_bytes(whole + b"x")
        case "empty":
            path.write_bytes(b"")
        case "foreign":
            path.write_bytes(os.urandom(len(whole)))
        case "other":
            shutil.copy(other, path)
    log.clear()

    packed = pack_clips(clips, ROOM)

    assert same(packed, clips)
    assert path.read_bytes() == whole
    assert any(str(path) in line and says in line and "it is made again" in line for line in log.messages)
    assert clips[0].reads == [3] * 40  # made twice, and compared


def test_a_frame_of_another_size_and_a_broken_file_are_named(pools: Path, tmp_path: Path) -> None:
    class Growing(NoiseClip):
        def read(self, numbers: Sequence[int]) -> list[Frame]:
            return [np.zeros((3, 5 + (n > 7), 3), np.uint8) for n in numbers]

    with pytest.raises(ClipError, match="clip 'a' has frames of different sizes; leave it out"):
        pack_clips([Growing("a", 9)], ROOM)
    write_images(tmp_path / "clips", 3)
    broken = sorted((tmp_path / "clips").iterdir())[1]
    broken.write_bytes(broken.read_bytes()[:60] + broken.read_bytes()[80:])
    with pytest.raises(ClipError, match=f"{broken.name} cannot be read"):
        pack_clips(find_clips(tmp_path)[-1:], ROOM)
    assert files(pools) == []


MAKER = """
import sys, time
import numpy as np
from trainer.data.pool import pack_clips

class Slow:
    name = "a"
    def __len__(self): return 20
    def check(self): return 5, 3
    def digest(self): return "seed 0"
    def read(self, numbers):
        print("decoding", flush=True)
        time.sleep(float(sys.argv[1]))
        return [np.random.default_rng(0).integers(0, 256, (20, 3, 5, 3), np.uint8)[n] for n in numbers]

pack_clips([Slow()], 1)
"""
"""Makes the pool of `NoiseClip("a", 20)`. The argument is the seconds that it takes for a frame."""


@contextmanager
def making(seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Start a process that makes a pool, and wait until it decodes."""
    with subprocess.Popen([sys.executable, "-c", MAKER, str(seconds)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "decoding\n"
        yield process
        process.communicate()


def test_a_killed_run_leaves_nothing_that_is_taken_for_whole_and_of_two_one_makes_it(
    pools: Path, log: pytest.LogCaptureFixture
) -> None:
    with making(0.5) as killed:
        killed.kill()
    (left,) = files(pools)
    assert left.suffix == pool_file.PART

    clip = NoiseClip("a", 20)
    with making(0.05):
        (packed,) = pack_clips([clip], ROOM)

    assert not any(clip.reads)
    assert np.array_equal(read_all(packed), clip._pixels)
    assert "another run decodes clips into" in log.messages[0]
    assert [path.suffix for path in files(pools)] == [pool.SUFFIX]


@pytest.mark.skipif(sys.platform == "win32", reason="simulates a full disk by a limit on the size of files")
def test_on_a_full_disk_the_run_goes_on_without_a_pool(pools: Path, log: pytest.LogCaptureFixture) -> None:
    import resource

    clips = [NoiseClip("a", 40, 64, 64)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        packed = pack_clips(clips, ROOM)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert packed is clips
    assert files(pools) == []
    (warning,) = (record.getMessage() for record in log.records if record.levelno == logging.WARNING)
    assert all(text in warning for text in (str(pools), os.strerror(errno.EFBIG), "ANIMESR_CACHE", "smaller memory"))


def test_too_little_room_on_the_disk_is_told_in_numbers_before_anything_is_decoded(
    pools: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(pools.parents[1])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    clips = [NoiseClip("a", 40, 64, 64)]

    assert pack_clips(clips, ROOM) is clips

    assert not any(clips[0].reads)
    assert "491.6 kB are needed, and 100.0 kB are free" in log.messages[-1]


def test_a_cache_folder_that_cannot_be_made_is_told(
    tmp_path: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "file"))
    clips = [NoiseClip("a", 4)]

    assert pack_clips(clips, ROOM) is clips
    assert "cannot be kept decoded" in log.messages[-1]


@pytest.fixture
def three(pools: Path) -> Iterator[list[Path]]:
    """Three pools of 90 kB, made with room for three, the oldest first; none is in use."""
    made: list[Path] = []
    for seed in range(3):
        pack_clips([NoiseClip("a", 10, 60, 50, seed=seed)], 0.0003)
        made += [path for path in files(pools) if path not in made]
        os.utime(made[-1], (1000 + seed, 1000 + seed))
    return made  # type: ignore[return-value]


def new_pool(pools: Path, known: Sequence[Path], memory: float = 0.0003) -> set[Path]:
    """Make one more pool. Return what is left of the known ones."""
    pack_clips([NoiseClip("a", 10, 60, 50, seed=9)], memory)
    left = set(files(pools))
    assert len(left - set(known)) == 1
    return left & set(known)


def test_the_pool_that_was_not_used_for_the_longest_time_makes_room(pools: Path, three: list[Path]) -> None:
    pack_clips([NoiseClip("a", 10, 60, 50, seed=0)], 0.0003)  # the oldest is used again

    assert new_pool(pools, three) == {three[0], three[2]}


def test_a_pool_in_use_stays(pools: Path, three: list[Path]) -> None:
    used = pack_clips([NoiseClip("a", 10, 60, 50, seed=0)], 0.0003)
    os.utime(three[0], (1000, 1000))

    assert new_pool(pools, three) == {three[0], three[2]}
    assert same(used, [NoiseClip("a", 10, 60, 50, seed=0)])


def test_a_small_run_does_not_delete_the_pool_of_a_large_one(pools: Path, three: list[Path]) -> None:
    assert new_pool(pools, three, memory=0.0001) == {three[1], three[2]}  # as much as any of them was made with


def test_what_a_killed_run_left_is_deleted(pools: Path, three: list[Path]) -> None:
    part = pools / f"0123{pool.SUFFIX}{pool_file.PART}"
    part.write_bytes(bytes(90_000))

    assert new_pool(pools, three, memory=1) == set(three)
    assert not part.exists()


def test_no_pool_is_deleted_in_vain(pools: Path, three: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(pools)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    clips = [NoiseClip("a", 10, 600, 50)]

    assert pack_clips(clips, 1) is clips
    assert set(files(pools)) == set(three)


def test_a_worker_that_finds_no_pool_says_so(pools: Path) -> None:
    packed = pack_clips([NoiseClip("a", 4)], ROOM)
    state = pickle.dumps(packed)
    files(pools)[0].unlink()

    with pytest.raises(ClipError, match=r"\.pool is gone .*; start the same command again"):
        pickle.loads(state)


def test_pools_lie_in_the_cache_folder() -> None:
    assert pool.folder() == paths.cache_folder() / "pools"
