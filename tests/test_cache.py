"""Built engines on disk: built once, verified each time, never trusted, never needed."""

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
from vsanimesr.cache import Key, find, load_or_build, packed, path_of
from vsanimesr.errors import EngineError

KEY: Key = {"engine": "test", "library": "1.0", "for": ["sm89"]}
OTHER: Key = {**KEY, "library": "1.1"}
BUILT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


class Builder:
    """Counts what is built, and remembers what was loaded."""

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


def test_it_is_built_once() -> None:
    builder = Builder()
    assert builder.get() == builder.get() == BUILT
    assert builder.built == 1
    assert builder.get(OTHER) == BUILT
    assert builder.built == 2
    assert find(KEY) == path_of(KEY)


def again(content: bytes, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is said when a file with this content lies in the cache: it must be built again, and nothing else loaded."""
    path = path_of(KEY)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    builder = Builder()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert builder.get() == BUILT
    assert builder.built == 1
    assert builder.loaded == [BUILT]
    assert path.read_bytes() == packed(KEY, BUILT)
    return [record.getMessage() for record in caplog.records]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_with_a_flipped_bit_is_built_again(caplog: pytest.LogCaptureFixture, data: st.DataObject) -> None:
    content = bytearray(packed(KEY, BUILT))
    header = len(content) - len(BUILT)
    at = data.draw(st.integers(0, header - 1) | st.integers(0, len(content) - 1), "byte")
    content[at] ^= 1 << data.draw(st.integers(0, 7), "bit")

    (said,) = again(bytes(content), caplog)
    assert said.startswith(f"{path_of(KEY)} ")
    assert said.endswith(": it is built again")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, len(packed(KEY, BUILT)) - 1))
def test_a_file_that_was_cut_off_is_built_again(caplog: pytest.LogCaptureFixture, size: int) -> None:
    assert len(again(packed(KEY, BUILT)[:size], caplog)) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed(OTHER, BUILT), "was built for something else"),
        (b"ftrt" + BUILT, "is not from here"),
        (b"\x7fELF" + bytes(4096), "is not from here"),
        (packed(KEY, BUILT) + b"x", "is damaged"),
        (packed(KEY, b"") + BUILT, "is damaged"),
        (b"", "is not from here"),
    ],
    ids=["stale", "foreign", "program", "longer", "other bytes", "empty"],
)
def test_a_file_that_is_not_ours_is_never_loaded(content: bytes, words: str, caplog: pytest.LogCaptureFixture) -> None:
    (said,) = again(content, caplog)
    assert words in said


def test_what_cannot_be_loaded_is_built_again_once(caplog: pytest.LogCaptureFixture) -> None:
    Builder().get()
    builder = Builder()

    def refuse(data: memoryview) -> bytes:
        builder.load(data)
        raise EngineError("the driver is another")

    with caplog.at_level(logging.INFO), pytest.raises(EngineError, match="the driver is another"):
        load_or_build(KEY, build=builder.build, load=refuse)
    assert builder.built == 1
    assert [r.getMessage() for r in caplog.records] == [
        f"{path_of(KEY)} cannot be loaded (the driver is another): it is built again"
    ]


def test_what_fails_to_build_leaves_nothing() -> None:
    def fail() -> bytes:
        raise EngineError("no")

    with pytest.raises(EngineError, match="no"):
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

assert load_or_build({"engine": "test", "n": 1}, build=build, load=bytes) == b"engine" * 1000
"""


def test_processes_that_need_it_at_once_build_it_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [subprocess.Popen([sys.executable, "-c", PROCESS, log]) for _ in range(4)]

    assert [process.wait(60) for process in processes] == [0] * 4
    assert log.read_text() == "built\n"


ENDLESS = """
import os
from vsanimesr.cache import load_or_build, path_of

key = {"engine": "test", "n": 2}
print("ready", flush=True)
while True:
    assert load_or_build(key, build=lambda: b"engine" * 2_000_000, load=bytes) == b"engine" * 2_000_000
    path_of(key).unlink()
"""


def test_a_kill_at_any_moment_leaves_no_bad_file(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    key: Key = {"engine": "test", "n": 2}
    moments = random.Random(1)
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

        builder = Builder()
        with caplog.at_level(logging.INFO):
            found = load_or_build(key, build=lambda: b"engine" * 2_000_000, load=builder.load)
        assert found == b"engine" * 2_000_000
    assert not caplog.records  # nothing bad was found, and the lock was free


def test_a_cache_that_cannot_be_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "file"))
    builder = Builder()

    assert builder.get() == builder.get() == BUILT
    assert builder.built == 2
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("cannot be kept" in text and "ANIMESR_CACHE" in text for text in said)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), OSError("No space left")])
def test_a_full_disk_is_borne(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: OSError
) -> None:
    builder = Builder()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(error))
        assert builder.get() == BUILT
    assert "cannot be kept (No space left)" in caplog.text
    assert [path.name for path in path_of(KEY).parent.iterdir()] == [f"{path_of(KEY).name}.lock"]

    assert builder.get() == BUILT
    assert builder.built == 2


def test_what_was_used_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_BYTES", 3 * len(packed(KEY, BUILT)) + 500)
    keys: list[Key] = [{"engine": "test", "n": n} for n in range(4)]
    builder = Builder()
    for age, key in zip((300, 200, 100), keys, strict=False):
        builder.get(key)
        os.utime(path_of(key), (time.time() - age,) * 2)
    builder.get(keys[0])  # is in use
    builder.get(keys[3])

    assert [find(key) is not None for key in keys] == [True, False, True, True]


def test_what_was_built_elsewhere_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given_folder = tmp_path / "given"
    given_folder.mkdir()
    monkeypatch.setenv("ANIMESR_ENGINES", str(given_folder))
    (given_folder / "any name").write_bytes(packed(KEY, BUILT))
    (given_folder / "another").write_bytes(packed(OTHER, b"other"))
    (given_folder / "readme.txt").write_text("not an engine")
    builder = Builder()
    assert builder.get() == BUILT
    assert builder.built == 0

    (given_folder / "any name").write_bytes(packed(KEY, BUILT)[:-1])
    assert builder.get() == BUILT
    assert builder.built == 1
    assert builder.loaded == [BUILT] * 2
    assert "any name is damaged: it is not used" in caplog.text

    monkeypatch.setenv("ANIMESR_ENGINES", str(given_folder / "readme.txt"))
    with pytest.raises(EngineError, match=r"ANIMESR_ENGINES=.*readme.txt is not a folder"):
        builder.get()


def test_what_was_built_for_more_may_do(monkeypatch: pytest.MonkeyPatch) -> None:
    more: Key = {**KEY, "for": ["sm75", "sm89"]}
    builder = Builder()
    builder.get(more)

    def also(other: Key) -> bool:
        return "sm89" in str(other.get("for")) and other.get("library") == KEY["library"]

    assert load_or_build(KEY, build=builder.build, load=bytes, also=also) == BUILT
    assert builder.built == 1
    load_or_build(OTHER, build=builder.build, load=bytes, also=lambda _: False)
    assert builder.built == 2
