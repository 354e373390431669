"""Engines on disk: built once, verified each time, and optional."""

from __future__ import annotations

import errno
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsanimesr import cache
from vsanimesr.cache import Key, entry_path, find, load_or_build, pack
from vsanimesr.errors import BackendError, TooLittleMemoryError

KEY: Key = {"backend": "test", "library": "1.0", "for": ["sm89"]}
OTHER: Key = {**KEY, "library": "1.1"}
BUILT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


class Builder:
    """Counts builds and records loads."""

    def __init__(self) -> None:
        self.built = 0
        self.loaded: list[bytes] = []

    def build(self) -> bytes:
        self.built += 1
        return BUILT

    def load(self, data: memoryview) -> bytes:
        self.loaded.append(bytes(data))
        return bytes(data)

    def get(self, key: Key = KEY) -> bytes:
        return load_or_build(key, build=self.build, load=self.load)


def test_an_engine_is_built_once() -> None:
    builder = Builder()
    assert builder.get() == builder.get() == BUILT
    assert builder.built == 1
    assert builder.get(OTHER) == BUILT
    assert builder.built == 2
    found = find(KEY)
    assert found is not None
    assert (found[0], bytes(found[1])) == (entry_path(KEY), BUILT)


def rebuild(content: bytes, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Put a file with this content into the cache, check that the engine is built again, and return the log."""
    path = entry_path(KEY)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    builder = Builder()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert builder.get() == BUILT
    assert builder.built == 1
    assert builder.loaded == [BUILT]
    assert path.read_bytes() == pack(KEY, BUILT)
    return [record.getMessage() for record in caplog.records]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_with_a_flipped_bit_is_built_again(caplog: pytest.LogCaptureFixture, data: st.DataObject) -> None:
    content = bytearray(pack(KEY, BUILT))
    header = len(content) - len(BUILT)
    at = data.draw(st.integers(0, header - 1) | st.integers(0, len(content) - 1), "byte")
    content[at] ^= 1 << data.draw(st.integers(0, 7), "bit")

    (said,) = rebuild(bytes(content), caplog)
    assert said.startswith(f"{entry_path(KEY)} ")
    assert said.endswith("; it is built again")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, len(pack(KEY, BUILT)) - 1))
def test_a_truncated_file_is_built_again(caplog: pytest.LogCaptureFixture, size: int) -> None:
    assert len(rebuild(pack(KEY, BUILT)[:size], caplog)) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pack(OTHER, BUILT), "was built for something else"),
        (b"ftrt" + BUILT, "is no engine of this package"),
        (b"\x7fELF" + bytes(4096), "is no engine of this package"),
        (pack(KEY, BUILT) + b"x", "is damaged"),
        (pack(KEY, b"") + BUILT, "is damaged"),
        (b"", "is no engine of this package"),
    ],
    ids=["stale", "foreign", "program", "longer", "other bytes", "empty"],
)
def test_a_file_that_is_not_ours_is_never_loaded(content: bytes, words: str, caplog: pytest.LogCaptureFixture) -> None:
    (said,) = rebuild(content, caplog)
    assert words in said


def test_an_engine_that_cannot_be_loaded_is_built_again_once(caplog: pytest.LogCaptureFixture) -> None:
    Builder().get()
    builder = Builder()

    def refuse(data: memoryview) -> bytes:
        builder.load(data)
        raise BackendError("the driver is another")

    with caplog.at_level(logging.INFO), pytest.raises(BackendError, match="the driver is another"):
        load_or_build(KEY, build=builder.build, load=refuse)
    assert builder.built == 1
    assert [r.getMessage() for r in caplog.records] == [
        f"{entry_path(KEY)} cannot be loaded (the driver is another); it is built again"
    ]


@pytest.mark.parametrize("where", ["cache", "folder of the user"])
def test_too_little_memory_for_an_engine_is_not_its_fault(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    builder = Builder()
    builder.get()
    path = entry_path(KEY)
    if where != "cache":
        monkeypatch.setenv("ANIMESR_ENGINES", str(tmp_path))
        path = path.rename(tmp_path / "engine")

    def refuse(data: memoryview) -> bytes:
        raise TooLittleMemoryError("no memory left")

    with pytest.raises(TooLittleMemoryError, match="no memory left"):
        load_or_build(KEY, build=builder.build, load=refuse)
    assert builder.built == 1
    assert path.read_bytes() == pack(KEY, BUILT)
    assert not caplog.records
    assert builder.get() == BUILT
    assert builder.built == 1


def test_a_failed_build_leaves_nothing() -> None:
    def fail() -> bytes:
        raise BackendError("no")

    with pytest.raises(BackendError, match="no"):
        load_or_build(KEY, build=fail, load=bytes)
    assert find(KEY) is None
    assert Builder().get() == BUILT


PROCESS = """
import os, sys, time
from pathlib import Path
from vsanimesr.cache import load_or_build

def build():
    with open(sys.argv[1], "a") as file:
        file.write("built\\n")
    time.sleep(0.5)
    return b"engine" * 1000

assert load_or_build({"backend": "test", "n": 1}, build=build, load=bytes) == b"engine" * 1000
"""


def test_concurrent_processes_build_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [subprocess.Popen([sys.executable, "-c", PROCESS, log]) for _ in range(4)]

    assert [process.wait(60) for process in processes] == [0] * 4
    assert log.read_text() == "built\n"


ENDLESS = """
import os
from vsanimesr.cache import load_or_build, entry_path

key = {"backend": "test", "n": 2}
print("ready", flush=True)
while True:
    assert load_or_build(key, build=lambda: b"engine" * 2_000_000, load=bytes) == b"engine" * 2_000_000
    entry_path(key).unlink()
"""


def test_a_kill_at_any_time_leaves_no_bad_file(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    key: Key = {"backend": "test", "n": 2}
    delays = random.Random(1)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delays.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

        builder = Builder()
        with caplog.at_level(logging.INFO):
            found = load_or_build(key, build=lambda: b"engine" * 2_000_000, load=builder.load)
        assert found == b"engine" * 2_000_000
    assert not caplog.records  # no bad file, and the lock was free


def test_without_a_writable_cache_each_call_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "file"))
    builder = Builder()

    assert builder.get() == builder.get() == BUILT
    assert builder.built == 2
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("cannot be stored" in text and "ANIMESR_CACHE" in text for text in said)


def test_a_read_only_file_system_is_the_reason_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: str, mode: int = 0o777) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    builder = Builder()
    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", refuse)
        assert builder.get() == BUILT
    assert f"cannot be stored ({os.strerror(errno.EROFS)})" in caplog.text


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), OSError("No space left")])
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: OSError) -> None:
    builder = Builder()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(error))
        assert builder.get() == BUILT
    assert "cannot be stored (No space left)" in caplog.text
    assert [path.name for path in entry_path(KEY).parent.iterdir()] == [f"{entry_path(KEY).name}.lock"]

    assert builder.get() == BUILT
    assert builder.built == 2


def test_the_least_recently_used_engine_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MAX_CACHE_BYTES", 3 * len(pack(KEY, BUILT)) + 500)
    keys: list[Key] = [{"backend": "test", "n": n} for n in range(4)]
    builder = Builder()
    for age, key in zip((300, 200, 100), keys, strict=False):
        builder.get(key)
        os.utime(entry_path(key), (time.time() - age,) * 2)
    builder.get(keys[0])  # now used most recently
    builder.get(keys[3])

    assert [find(key) is not None for key in keys] == [True, False, True, True]


def test_an_engine_that_cannot_be_deleted_keeps_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows deletes no file that another process has open."""
    monkeypatch.setattr(cache, "_MAX_CACHE_BYTES", 2 * len(pack(KEY, BUILT)))
    builder = Builder()
    builder.get()
    builder.get({**KEY, "n": 1})
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == entry_path(KEY):
            raise PermissionError(errno.EACCES, "it is open")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    builder.get({**KEY, "n": 2})

    assert [find(key) is not None for key in (KEY, {**KEY, "n": 2})] == [True, True]


def test_engines_from_the_users_folder_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    user_folder = tmp_path / "engines of the user"
    user_folder.mkdir()
    monkeypatch.setenv("ANIMESR_ENGINES", str(user_folder))
    (user_folder / "any name").write_bytes(pack(KEY, BUILT))
    (user_folder / "another").write_bytes(pack(OTHER, b"other"))
    (user_folder / "readme.txt").write_text("not an engine")
    builder = Builder()
    assert builder.get() == BUILT
    assert builder.built == 0

    (user_folder / "any name").write_bytes(pack(KEY, BUILT)[:-1])
    assert builder.get() == BUILT
    assert builder.built == 1
    assert builder.loaded == [BUILT] * 2
    assert "any name is damaged; it is not used" in caplog.text

    monkeypatch.setenv("ANIMESR_ENGINES", str(user_folder / "readme.txt"))
    with pytest.raises(BackendError, match=r"ANIMESR_ENGINES=.*readme.txt is not a folder"):
        builder.get()


def test_an_engine_with_another_key_may_be_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    more: Key = {**KEY, "for": ["sm75", "sm89"]}
    builder = Builder()
    builder.get(more)

    def accepts(other: Key) -> bool:
        return "sm89" in str(other.get("for")) and other.get("library") == KEY["library"]

    assert load_or_build(KEY, build=builder.build, load=bytes, accepts=accepts) == BUILT
    assert builder.built == 1
    load_or_build(OTHER, build=builder.build, load=bytes, accepts=lambda _: False)
    assert builder.built == 2


def test_a_users_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setenv("ANIMESR_ENGINES", str(tmp_path))
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BackendError, match=r"ANIMESR_ENGINES=.* cannot be listed \(Permission denied\); make it"):
        Builder().get()
