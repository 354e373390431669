"""`animesr build`: what it prints where, what it leaves behind, and how it is stopped."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from vsanimesr import cache
from vsanimesr.cli import main
from vsanimesr.engine_options import TensorRTRTXOptions
from vsanimesr.engines import tensorrt_build as builder
from vsanimesr.weights import read_weights

pytest.importorskip("tensorrt_rtx")

SMALL = ("--size", "16x16")


@pytest.fixture(autouse=True)
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of engines."""
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


def key(size: tuple[int, int] | None = (16, 16), targets: tuple[str, ...] = ()) -> cache.Key:
    """What a filter looks for."""
    request = builder.BuildRequest(
        engine="tensorrt_rtx",
        size=size,
        precision="fp16",
        targets=builder.targets_of(targets, "fp16"),
        options=TensorRTRTXOptions(),
    )
    return builder.key_of(request, read_weights("v2"))


def never() -> bytes:
    raise AssertionError("it was to be here already")


def test_what_was_built_is_what_a_filter_finds(engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", *SMALL]) == 0

    said = capsys.readouterr()
    assert said.out == f"{cache.path_of(key())}\n"
    assert re.search(r"v2, 16x16, fp16: \d+\.\d MB in \d+\.\d s, runs on sm75, sm80, sm86, sm89, sm120", said.err)
    assert cache.load_or_build(key(), build=never, load=len) > 1_000_000


def test_nothing_is_built_twice(engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["build", *SMALL])
    before = cache.path_of(key()).stat()
    capsys.readouterr()

    assert main(["build", *SMALL]) == 0
    assert "is here already" in capsys.readouterr().err
    assert cache.path_of(key()).stat() == before


def test_several_sizes_and_any_size(engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--size", "16x16", "20x12", "--gpu", "sm89,sm75"]) == 0
    assert main(["build"]) == 0

    said = capsys.readouterr()
    expected = [
        cache.path_of(wanted) for wanted in (key(targets=("sm75", "sm89")), key((20, 12), ("sm75", "sm89")), key(None))
    ]
    assert said.out.splitlines() == [str(path) for path in expected]
    assert "shapes=dynamic" in said.err.splitlines()[-1]


def test_an_engine_is_shipped_as_a_file(
    tmp_path: Path, engines: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shipped"
    folder.mkdir()
    assert main(["build", *SMALL, "-o", str(folder / "mine.engine")]) == 0
    assert main(["build", "--size", "20x12", "16x20", "-o", str(folder)]) == 0
    assert len(list(folder.iterdir())) == 3  # and no lock or part among them
    assert not engines.exists()

    monkeypatch.setenv("ANIMESR_ENGINES", str(folder))
    assert cache.load_or_build(key(), build=never, load=len) > 1_000_000
    assert cache.load_or_build(key((20, 12)), build=never, load=len) > 1_000_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gpu", "sm90"], ["gpu='sm90'", "use sm75"]),
        (["--gpu", "sm75", "--precision", "bf16"], ["gpu='sm75'", "use 'fp16'"]),
        (["--size", "16x16", "20x12", "-o", "file"], ["-o file is not a folder"]),
        (["--option", "level=3"], ["'level'", "'tensorrt_rtx'"]),
        (["--engine", "tensorrt"], ["needs the package tensorrt", "pip install"]),
        (["--engine", "tensorrt", "--gpu", "sm89"], ["--gpu sm89", "tensorrt_rtx"]),
        (["--model", "v3"], ["model='v3'", "'v1', 'v2'"]),
        (["-o", "/nowhere/at/all"], ["/nowhere/at/all", "cannot be written", "-o"]),
    ],
)
def test_bad_input(arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", *arguments]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert all(word in said.err for word in words), said.err


@pytest.mark.parametrize("size", ["16", "0x16", "16x-1", "axb", "99999x16"])
def test_a_size_that_is_none(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["build", f"--size={size}"])
    assert caught.value.code == 2
    assert repr(size) in capsys.readouterr().err


def test_a_terminal_is_shown_how_far_it_is(engines: Path) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "vsanimesr", "build", *SMALL]
    with subprocess.Popen(command, stderr=end, stdout=subprocess.PIPE, text=True) as process:
        os.close(end)
        shown = b""
        with suppress(OSError):  # how a terminal ends
            while part := os.read(terminal, 1 << 16):
                shown += part
        os.close(terminal)
        assert process.stdout is not None
        out = process.stdout.read()

    shares = [int(share) for share in re.findall(rb"\] +(\d+) %", shown)]
    assert shares == sorted(shares)
    assert len(set(shares)) > 3
    assert shown.rpartition(b"\r\x1b[K")[2].startswith(b"AnimeSR_v2, 16x16, fp16: ")  # the bar is gone
    assert out == f"{cache.path_of(key())}\n"


PRESSED = """
import os, signal, sys
from vsanimesr.cli import main
from vsanimesr.engines import tensorrt_build as builder

build = builder.build

def pressed(request, weights, progress):
    def press(done, phase):
        if done >= float(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGINT)
        return progress(done, phase)

    return build(request, weights, press)

builder.build = pressed
code = main(["build", "--size", "16x16"])
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
sys.exit(code)
"""


@pytest.mark.parametrize("after", ["0", "0.3", "0.8"])
def test_ctrl_c_ends_a_build_and_leaves_nothing(engines: Path, after: str) -> None:
    # In a process of its own, as it is for a user.
    result = subprocess.run([sys.executable, "-c", PRESSED, after], capture_output=True, text=True, timeout=60)

    assert result.returncode == 130, result.stderr
    assert result.stderr.endswith("animesr: cancelled\n")
    assert result.stdout == ""
    assert not engines.exists() or not [path for path in engines.iterdir() if path.suffix != ".lock"]
