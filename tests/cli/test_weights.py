"""`animesr weights`: the list and paths on stdout, errors on stderr, and exit codes."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vsanimesr import __version__
from vsanimesr.cli import main
from vsanimesr.weights.release import RELEASES, SHIPPED_FOLDER


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "vsanimesr", *arguments], capture_output=True, text=True)


def test_fetch_then_list(empty_cache: Path, local_source: None) -> None:
    paths = [str((SHIPPED_FOLDER if r.shipped else empty_cache) / r.file) for r in RELEASES.values()]
    done = run("weights", "fetch")
    assert (done.returncode, done.stdout.split()) == (0, paths)
    assert done.stderr == "animesr: fetching the released weights (11 MB, once)\n"
    done = run("weights")
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows = [line.split() for line in done.stdout.splitlines()]
    assert header == ["model", "file", "bytes", "sha256", "where"]
    assert rows[:2] == [
        ["v1", "AnimeSR_v1.pth", "6000015", "915ef7f0f706", str(empty_cache / "AnimeSR_v1.pth")],
        ["v2", "AnimeSR_v2.pth", "5996559", "d0f29c8966b5", str(empty_cache / "AnimeSR_v2.pth")],
    ]


def test_fetch_one(empty_cache: Path, local_source: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "v2"]) == 0
    assert capsys.readouterr().out == f"{empty_cache / 'AnimeSR_v2.pth'}\n"


def test_list_without_weights(empty_cache: Path, no_source: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.endswith("  missing") for row in rows] == [not r.shipped for r in RELEASES.values()]
    assert not empty_cache.exists()


def test_list_shows_damaged_files(empty_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / "AnimeSR_v2.pth").write_bytes(b"short")
    assert main(["weights"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert rows[0].endswith("  missing")
    assert f"{empty_cache / 'AnimeSR_v2.pth'} (damaged: its size is not the 5996559 bytes" in rows[1]


def test_list_and_fetch_use_the_users_folder(
    empty_cache: Path,
    tmp_path: Path,
    no_source: None,
    released_files: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(tmp_path))
    (tmp_path / "AnimeSR_v1-PaperModel.pth").write_bytes(released_files["v1"])
    assert main(["weights", "fetch", "v1"]) == 0
    assert main(["weights"]) == 0
    fetched, _, first, *_ = capsys.readouterr().out.splitlines()
    assert fetched == str(tmp_path / "AnimeSR_v1-PaperModel.pth")
    assert first.endswith(f"  {tmp_path / 'AnimeSR_v1-PaperModel.pth'}")


def test_errors_go_to_stderr(empty_cache: Path, no_source: None) -> None:
    done = run("weights", "fetch", "v1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("animesr: AnimeSR_v1.pth is not in ")
    assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, empty_cache: Path, local_source: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "file"))
    done = run("weights", "fetch", "v2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "set ANIMESR_CACHE to a writable folder" in done.stderr
    assert done.stderr.splitlines()[-1] == ("animesr: AnimeSR_v2.pth was fetched but not stored; see the warning above")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "the following arguments are required: command"),
        (["enlarge"], "invalid choice: 'enlarge'"),
        (["weights", "burn"], "invalid choice: 'burn'"),
        (["weights", "fetch", "v3"], "'v3' is unknown; use 'v1' or 'v2'"),
        (["weights", "fetch", "v1", "v3"], "'v3' is unknown; use 'v1' or 'v2'"),
    ],
)
def test_wrong_usage(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert reason in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"animesr {__version__}\n"


@pytest.mark.skipif(shutil.which("animesr", path=str(Path(sys.executable).parent)) is None, reason="not installed")
def test_the_command_is_installed() -> None:
    done = subprocess.run([Path(sys.executable).parent / "animesr", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"animesr {__version__}\n")


@pytest.fixture(autouse=True)
def root_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo the logging setup that `main` makes for the whole process."""
    monkeypatch.setattr(logging.root, "handlers", [logging.NullHandler()])
