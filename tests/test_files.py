"""Writes are atomic even if the writer is killed, locks exclude other processes, and reads are limited."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vsanimesr import files
from vsanimesr.files import file_lock, read_at_most, write_atomic

SIZE = 6_000_000

WRITER = """
import itertools, sys
from pathlib import Path
from vsanimesr.files import file_lock, write_atomic
folder = Path(sys.argv[1])
print("ready", flush=True)
for n in itertools.cycle(range(256)):
    with file_lock(folder):
        write_atomic(folder / "file", bytes([n]) * int(sys.argv[2]))
"""

ADDER = """
import sys, time
from pathlib import Path
from vsanimesr.files import file_lock
folder = Path(sys.argv[1])
for _ in range(20):
    with file_lock(folder):
        count = int((folder / "count").read_text())
        time.sleep(0.002)
        (folder / "count").write_text(str(count + 1))
"""


def test_a_killed_writer_leaves_a_complete_file(tmp_path: Path) -> None:
    delays = random.Random(5)
    for _ in range(15):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(SIZE)], stdout=subprocess.PIPE)
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(delays.uniform(0.0, 0.12))
            child.kill()
        if (tmp_path / "file").exists():
            content = (tmp_path / "file").read_bytes()
            assert len(content) == SIZE
            assert content.count(content[:1]) == SIZE
    with file_lock(tmp_path):  # the lock of a killed process is free, and its temporary file is overwritten
        write_atomic(tmp_path / "file", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "file"]


def test_the_lock_excludes_other_processes(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    children = [subprocess.Popen([sys.executable, "-c", ADDER, str(tmp_path)]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "60"


@pytest.mark.skipif(sys.platform == "win32", reason="simulates a full disk by a limit on the size of files")
def test_a_full_disk_leaves_only_the_old_file(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "file"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_atomic(path, bytes(SIZE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_only_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_who_waits_for_a_lock_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(files, "_SILENCE", 0.01)
    caplog.set_level(logging.INFO)
    done = threading.Event()

    def wait() -> None:
        with file_lock(tmp_path):
            done.set()

    thread = threading.Thread(target=wait)
    with file_lock(tmp_path):
        assert caplog.messages == []
        thread.start()
        end = time.monotonic() + 20
        while not caplog.messages and time.monotonic() < end:
            time.sleep(0.01)
        assert not done.is_set()
    thread.join()

    assert done.is_set()
    assert caplog.messages == [f"waiting for another process, which works on {tmp_path}"]


def test_the_lock_is_optional(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with file_lock(tmp_path / "file" / "folder"):
        pass


def test_reads_at_most_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_at_most(tmp_path / "file", 2) == b"ab"
    assert read_at_most(tmp_path / "file", 5) == b"abc"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            read_at_most(path, 1)


class Windows:
    """Stands for `sys` where the system is asked for."""

    platform = "win32"


def test_on_windows_a_file_that_is_open_elsewhere_is_replaced_once_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, tries = tmp_path / "file", itertools.count(1)
    replace = Path.replace

    def replace_at_third_try(part: Path, target: Path) -> Path:
        if next(tries) < 3:
            raise PermissionError(errno.EACCES, "it is open")
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", replace_at_third_try)
    with pytest.raises(PermissionError):
        write_atomic(path, b"new")  # elsewhere it is an error at once
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(files, "sys", Windows)
    tries = itertools.count(1)
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    monkeypatch.setattr(files, "_PATIENCE", 0.05)
    tries = itertools.count(-1000)
    with pytest.raises(PermissionError):
        write_atomic(path, b"newer")
    assert path.read_bytes() == b"new"


def test_on_windows_no_lock_is_waited_for_in_a_folder_without_write_access(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, mode: str = "r") -> object:
        raise PermissionError(errno.EACCES, f"{path} cannot be made")

    def wait_for_ever(_: object) -> None:
        pytest.fail("it waits for a lock that it cannot have")

    monkeypatch.setattr(files, "sys", Windows)
    with file_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]  # and no probe
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr("filelock.FileLock.acquire", wait_for_ever)
    with caplog.at_level(logging.DEBUG), file_lock(tmp_path):
        pass
    assert "no lock in" in caplog.text
