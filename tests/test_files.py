"""Files are whole or as before, whatever happens to the process that writes them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vsanimesr.files import locked, read_at_most, write_whole

SIZE = 6_000_000

WRITER = """
import itertools, sys
from pathlib import Path
from vsanimesr.files import locked, write_whole
folder = Path(sys.argv[1])
print("ready", flush=True)
for n in itertools.cycle(range(256)):
    with locked(folder):
        write_whole(folder / "file", bytes([n]) * int(sys.argv[2]))
"""

ADDER = """
import sys, time
from pathlib import Path
from vsanimesr.files import locked
folder = Path(sys.argv[1])
for _ in range(20):
    with locked(folder):
        count = int((folder / "count").read_text())
        time.sleep(0.002)
        (folder / "count").write_text(str(count + 1))
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(15):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(SIZE)], stdout=subprocess.PIPE)
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.12))
            child.kill()
        if (tmp_path / "file").exists():
            content = (tmp_path / "file").read_bytes()
            assert len(content) == SIZE
            assert content.count(content[:1]) == SIZE
    with locked(tmp_path):  # the lock of a killed process is free, and its leftover is in nobody's way
        write_whole(tmp_path / "file", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "file"]


def test_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    children = [subprocess.Popen([sys.executable, "-c", ADDER, str(tmp_path)]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "60"


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on the size of files, which stands for a full disk")
def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "file"
    path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_whole(path, bytes(SIZE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_lock_can_be_had_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with locked(tmp_path / "file" / "folder"):
        pass


def test_reads_no_more_than_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert read_at_most(tmp_path / "file", 2) == b"ab"
    assert read_at_most(tmp_path / "file", 5) == b"abc"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            read_at_most(path, 1)
