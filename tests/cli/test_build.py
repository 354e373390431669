"""`animesr build`: output, files, errors, progress and Ctrl-C."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.backends.gpu.test_plan import FAKE, LAYERS, FakeInspectedEngine
from tests.cli.terminal import run_in_terminal
from vsanimesr import cache, files
from vsanimesr.backends.gpu import runtimes
from vsanimesr.backends.gpu import tensorrt_build as builder
from vsanimesr.backends.gpu.cuda import Gpu
from vsanimesr.cli import build as build_command
from vsanimesr.cli import main
from vsanimesr.network.colour import Colour
from vsanimesr.options import Options
from vsanimesr.weights.load import read_weights

pytest.importorskip("tensorrt_rtx")

SMALL = ("--size", "16x16")


@pytest.fixture(autouse=True)
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of engines."""
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


def key(
    size: tuple[int, int] | None = (16, 16), targets: tuple[str, ...] = (), colour: Colour = Options.colour
) -> cache.Key:
    """Return the key that a filter looks for."""
    request = builder.BuildRequest(
        backend="tensorrt_rtx",
        size=size,
        precision="fp16",
        colour=colour,
        targets=runtimes.select_targets(targets, "fp16"),
        options=builder.TensorRTRTXOptions(),
    )
    return builder.engine_key(request, read_weights("v2"))


def fail() -> bytes:
    raise AssertionError("the engine should exist already")


def test_a_filter_finds_the_engine(engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", *SMALL]) == 0

    said = capsys.readouterr()
    assert said.out == f"{cache.entry_path(key())}\n"
    assert re.search(r"v2, 16x16, fp16: \d+\.\d MB in \d+\.\d s, runs on sm80, sm86, sm89, sm120", said.err)
    assert cache.load_or_build(key(), build=fail, load=len) > 1_000_000


@pytest.mark.parametrize("colour", ["source", "network"])
def test_an_engine_is_for_one_choice_of_colours(colour: Colour, engines: Path) -> None:
    assert main(["build", *SMALL, "--colour", colour]) == 0

    assert [path for path in engines.iterdir() if not path.suffix] == [cache.entry_path(key(colour=colour))]


def test_nothing_is_built_twice(engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["build", *SMALL])
    before = cache.entry_path(key()).stat()
    capsys.readouterr()

    assert main(["build", *SMALL]) == 0
    assert "exists already" in capsys.readouterr().err
    after = cache.entry_path(key()).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)  # it was read, which changes atime


def test_a_report_tells_what_an_engine_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    reports = []
    for _ in range(2):  # built, and from the cache
        assert main(["build", *SMALL, "--report"]) == 0
        reports.append([line for line in capsys.readouterr().err.splitlines() if line.startswith("  ")])

    kernels, layouts, memory, traffic, graphs = reports[0]
    assert re.search(r"kernels: \d+ convolutions, \d+ convolutions with what follows, \d+ other kernels", kernels)
    assert "prev planar, cur planar, next planar" in layouts
    assert re.search(r"memory: \d\d MB of intermediate results, \d+\.\d MB of constants", memory)
    assert re.search(r"read and written in a step: \d+ MB", traffic)
    assert graphs == "  CUDA graphs: yes"
    assert reports[1] == reports[0]


def test_a_report_tells_of_an_engine_in_the_folder_of_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine" / "engine"
    file.parent.mkdir()
    assert main(["build", *SMALL, "-o", str(file)]) == 0
    monkeypatch.setenv("ANIMESR_ENGINES", str(file.parent))
    capsys.readouterr()

    assert main(["build", *SMALL, "--report"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{file}\n"
    assert "exists already" in said.err
    assert "  kernels: " in said.err


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """TensorRT and a GPU that it supports, and the engines that are loaded."""
    loaded: list[str] = []

    class Runtime:
        def __init__(self, logger: object) -> None:
            pass

        def deserialize_cuda_engine(self, data: memoryview) -> FakeInspectedEngine:
            loaded.append(bytes(data).decode())
            return FakeInspectedEngine(LAYERS)

    class Logger:
        pass

    fake = SimpleNamespace(
        __version__="11.1.0",
        __spec__=object(),
        Runtime=Runtime,
        ILogger=Logger,
        LayerInformationFormat=FAKE.LayerInformationFormat,
    )
    monkeypatch.setitem(sys.modules, "tensorrt", fake)
    monkeypatch.setattr(build_command, "_gpu", lambda: Gpu(0, "A card", (9, 0), 1 << 33, 13010))
    monkeypatch.setattr(builder, "build", lambda request, *_: f"{request.size} {request.precision}".encode())
    return loaded


def test_a_report_of_tensorrt_is_of_the_engine_that_was_built(
    tensorrt: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # built, and from the cache
        assert main(["build", *SMALL, "--backend", "tensorrt", "--precision", "fp8", "--report"]) == 0
        said = capsys.readouterr().err
        assert "\n  kernels: 2 CaskConvolution, 1 Reformat\n  layouts: prev CHW32, cur planar, " in said
        assert "\n  memory: 28 MB of intermediate results\n" in said
        assert ("exists already" in said) == (tensorrt == ["(16, 16) fp8"] * 2)
    assert tensorrt == ["(16, 16) fp8"] * 2


@pytest.mark.parametrize(
    ("capability", "precision", "said"),
    [
        ((7, 0), "fp16", "does not run on A card (sm70), only on sm75 and newer; use backend='torch'"),
        ((8, 6), "fp8", "does not compute precision='fp8' on A card (sm86); use precision='fp16'"),
    ],
)
def test_tensorrt_refuses_a_gpu_that_it_does_not_support(
    capability: tuple[int, int],
    precision: str,
    said: str,
    tensorrt: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(build_command, "_gpu", lambda: Gpu(0, "A card", capability, 1 << 33, 13010))

    assert main(["build", *SMALL, "--backend", "tensorrt", "--precision", precision]) == 1
    assert said in capsys.readouterr().err


def test_the_gpu_of_this_machine_must_be_one_that_tensorrt_rtx_builds_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build_command, "_gpu", lambda: Gpu(0, "A card", (9, 0), 1 << 33, 13010))

    assert main(["build", *SMALL, "--gpu", "current"]) == 1
    assert "gpu='sm90' is not known to TensorRT-RTX; use sm75, " in capsys.readouterr().err


def test_several_sizes_and_any_size(engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--size", "16x16", "20x12", "--gpu", "sm89,sm75"]) == 0
    assert main(["build"]) == 0

    said = capsys.readouterr()
    expected = [
        cache.entry_path(wanted)
        for wanted in (key(targets=("sm75", "sm89")), key((20, 12), ("sm75", "sm89")), key(None))
    ]
    assert said.out.splitlines() == [str(path) for path in expected]
    assert "shapes=dynamic" in said.err.splitlines()[-1]


def test_engines_can_be_written_to_files(
    tmp_path: Path, engines: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shipped"
    folder.mkdir()
    assert main(["build", *SMALL, "-o", str(folder / "mine.engine")]) == 0
    assert main(["build", "--size", "20x12", "16x20", "-o", str(folder)]) == 0
    assert len(list(folder.iterdir())) == 3  # no lock and no temporary file
    assert not engines.exists()

    monkeypatch.setenv("ANIMESR_ENGINES", str(folder))
    assert cache.load_or_build(key(), build=fail, load=len) > 1_000_000
    assert cache.load_or_build(key((20, 12)), build=fail, load=len) > 1_000_000


@pytest.mark.parametrize("sizes", [("16x16",), ("16x16", "20x12")])
def test_a_folder_that_cannot_be_looked_into(
    sizes: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def build(*_: object) -> bytes:
        raise AssertionError("nothing should be built for a path that cannot be used")

    monkeypatch.setattr(Path, "is_dir", refuse)
    monkeypatch.setattr(builder, "build", build)

    assert main(["build", "--size", *sizes, "-o", "locked/engine"]) == 1
    assert "-o locked/engine cannot be used (Permission denied); use another path" in capsys.readouterr().err


def test_two_runs_that_write_one_file_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run begins and ends while the first one is writing."""
    file = tmp_path / "engine"
    write = files.write_atomic
    monkeypatch.setattr(builder, "build", lambda request, *_: repr(request.size).encode() * 1000)

    def write_meanwhile(path: Path, data: bytes) -> None:
        monkeypatch.setattr(build_command, "write_atomic", write)
        path.write_bytes(data[:100])
        assert main(["build", "--size", "20x12", "-o", str(file)]) == 0
        assert path.read_bytes() == data[:100]
        write(path, data)

    monkeypatch.setattr(build_command, "write_atomic", write_meanwhile)
    assert main(["build", *SMALL, "-o", str(file)]) == 0

    assert capsys.readouterr().out == f"{file}\n" * 2
    assert file.read_bytes() == cache.pack(key(), b"(16, 16)" * 1000)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gpu", "sm90"], ["gpu='sm90'", "use sm75"]),
        (["--gpu", "sm75", "--precision", "bf16"], ["gpu='sm75'", "use 'fp16'"]),
        (["--gpu", "sm86,sm89", "--precision", "fp8"], ["gpu='sm86'", "precision='fp8'", "use 'fp16'"]),
        (["--size", "16x16", "20x12", "-o", "file"], ["-o file is not a folder"]),
        (["--option", "level=3"], ["'level'", "'tensorrt_rtx'"]),
        (["--backend", "tensorrt"], ["needs the package tensorrt", "pip install"]),
        (["--backend", "tensorrt", "--gpu", "sm89"], ["--gpu sm89", "tensorrt_rtx"]),
        (["--model", "v3"], ["model='v3'", "'v1', 'v2'"]),
        (["-o", "/nowhere/at/all"], ["/nowhere/at/all", "cannot be written", "-o"]),
        (["-o", "x" * 5000], ["-o xxx", "cannot be used", "use another path"]),
        (["-o", f"{__file__}/engine"], ["test_build.py/engine cannot be written", "use another path for -o"]),
    ],
)
def test_bad_input(arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", *arguments]) == 1

    said = capsys.readouterr()
    assert said.out == ""
    assert all(word in said.err for word in words), said.err


@pytest.mark.parametrize("size", ["16", "0x16", "16x-1", "axb", "99999x16"])
def test_an_invalid_size(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["build", f"--size={size}"])
    assert caught.value.code == 2
    assert repr(size) in capsys.readouterr().err


def test_a_terminal_shows_the_progress(engines: Path) -> None:
    _, out, shown = run_in_terminal("build", *SMALL)

    percents = [int(percent) for percent in re.findall(rb"\] +(\d+) %", shown)]
    assert percents == sorted(percents)
    assert len(set(percents)) > 3
    assert shown.rpartition(b"\r\x1b[K")[2].startswith(b"AnimeSR_v2, 16x16, fp16: ")  # the bar was removed
    assert out == f"{cache.entry_path(key())}\n"


PRESS_CTRL_C = """
import os, signal, sys
from vsanimesr.cli import main
from vsanimesr.backends.gpu import runtimes
from vsanimesr.backends.gpu import tensorrt_build as builder

build = builder.build

def build_and_press(request, weights, progress):
    def press(done, phase):
        if done >= float(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGINT)
        return progress(done, phase)

    return build(request, weights, press)

builder.build = build_and_press
code = main(["build", "--size", "16x16"])
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
sys.exit(code)
"""


@pytest.mark.parametrize("after", ["0", "0.3", "0.8"])
def test_ctrl_c_stops_a_build_and_leaves_nothing(engines: Path, after: str) -> None:
    # In a separate process, as for a user.
    result = subprocess.run([sys.executable, "-c", PRESS_CTRL_C, after], capture_output=True, text=True, timeout=60)

    assert result.returncode == 130, result.stderr
    assert result.stderr.endswith("animesr: cancelled\n")
    assert result.stdout == ""
    assert not engines.exists() or not [path for path in engines.iterdir() if path.suffix != ".lock"]
