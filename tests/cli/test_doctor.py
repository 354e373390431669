"""`animesr doctor`: the report on backends, and the choice of backend="auto"."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.backends.gpu.test_cuda import FakeRuntime
from tests.video import core
from vsanimesr import backends as backends
from vsanimesr import cache, machine
from vsanimesr.backends.base import Availability
from vsanimesr.backends.gpu import cuda
from vsanimesr.backends.gpu.host_time import YUV420P8, YUV420P10
from vsanimesr.cli import doctor, main

CARD = "(8 GiB, compute capability 8.9)"
NONE = "GPU: none of NVIDIA's"


def rows(out: str) -> dict[str, str]:
    """Return the table's rows by backend, with continued lines joined."""
    table = out.partition("backend ")[2].partition("\n\n")[0].splitlines()[1:]
    found: dict[str, str] = {}
    for line in table:
        if line.startswith(" "):
            found[next(reversed(found))] += f" {line.strip()}"
        else:
            name, _, rest = line.partition(" ")
            found[name] = " ".join(rest.split())
    return found


def test_every_backend_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out

    found = rows(out)
    assert list(found) == list(backends.BACKENDS)
    assert " yes " in f" {found['openvino']} "
    assert found["null"].startswith("yes")
    assert found["tensorrt"].startswith("- no") or "yes" in found["tensorrt"]
    assert 'backend="auto" selects ' in out
    assert "640x480 takes about " in out


def test_the_version_of_vapoursynth_is_the_cores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every wheel of a plugin owns a piece of the package `vapoursynth`."""
    monkeypatch.setattr(machine, "_distributions", lambda: {"vapoursynth": ["pytest", "vapoursynth"]})
    assert main(["doctor"]) == 0

    assert f", VapourSynth R{core.core_version.release_major}, Python " in capsys.readouterr().out


def test_a_missing_package_is_listed_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(backends, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    main(["doctor"])

    row = rows(capsys.readouterr().out)["onnxruntime"]
    assert "no the package onnxruntime is not installed" in row
    assert 'pip install "vapoursynth-animesr[onnxruntime]"' in row


def test_a_broken_package_does_not_break_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str, package: str) -> object:
        raise ImportError("libsomething.so: cannot open shared object file\nand more")

    monkeypatch.setattr(backends, "import_module", broken)
    assert main(["doctor"]) == 0

    assert "ImportError: libsomething.so: cannot open shared object file;" in rows(capsys.readouterr().out)["openvino"]


def test_the_memory_grows_with_the_clip(capsys: pytest.CaptureFixture[str]) -> None:
    needed = []
    for size in ("640x480", "1920x1080"):
        main(["doctor", "--size", size])
        line = next(line for line in capsys.readouterr().out.splitlines() if f"{size} takes about" in line)
        needed.append(float(line.partition("about ")[2].partition(" GB")[0]))

    assert needed[1] == pytest.approx(needed[0] * 1920 * 1080 / (640 * 480), rel=0.15)


def test_it_tells_what_each_frame_moves_and_what_it_costs_the_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[tuple[object, ...]] = []

    def measure(*arguments: object) -> float:
        measured.append(arguments)
        return 0.00234

    monkeypatch.setattr(doctor, "measure_host_time", measure)
    main(["doctor", "--size", "720x480"])

    out = " ".join(capsys.readouterr().out.split())
    up, down = 1.5 * 720 * 480 / 1e6, 2 * 1.5 * 2880 * 1920 / 1e6  # 4:2:0 in 8 and in 10 bits
    assert f"Each frame moves {up:.1f} MB to an NVIDIA GPU and {down:.1f} MB back, from YUV420P8 to YUV420P10" in out
    assert "and takes 2.3 ms of one core" in out
    assert measured == [(720, 480, YUV420P8, YUV420P10)]


def test_each_backend_is_asked_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def availability(name: str) -> Availability:
        asked.append(name)
        return Availability(name == "torch", "a card", gpu=True)

    monkeypatch.setattr(backends, "installed_backends", lambda: list(backends.BACKENDS))
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: True)
    for module in (backends, doctor):
        monkeypatch.setattr(module, "availability", availability)
    main(["doctor"])

    assert asked == list(backends.BACKENDS)
    assert 'backend="auto" selects torch here' in capsys.readouterr().out


def test_an_engine_that_is_deleted_meanwhile_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = tmp_path / "torch-1"
    engine.write_bytes(bytes(3_000_000))
    monkeypatch.setattr(cache, "files", lambda: [engine, tmp_path / "torch-2"])
    assert main(["doctor"]) == 0

    assert capsys.readouterr().out.endswith("holds 1 files of engines, 3 MB.\n")


@pytest.mark.parametrize(
    ("bindings", "driver", "said"),
    [
        (13010, 13020, f"GPU: First {CARD}, Second {CARD}; driver for CUDA 13.2\n"),
        (12060, 12080, "; driver for CUDA 12.8, which is enough for torch only: TensorRT needs driver R580 or newer\n"),
        (12060, 11080, f"{NONE} (the NVIDIA driver is too old: it supports CUDA 11.8, and CUDA 12.0 is needed)\n"),
        (11080, 12080, f"{NONE} (NVIDIA GPUs need the package cuda-bindings for CUDA 12.0 or newer, and "),
    ],
)
def test_gpus_of_cuda_12_are_listed(
    bindings: int, driver: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyTorch has builds for it."""
    cudart = FakeRuntime({"cudaDriverGetVersion": driver, "cudaRuntimeGetVersion": bindings})
    monkeypatch.setattr(cuda, "import_module", lambda _: cudart)
    monkeypatch.setattr(doctor, "availability", lambda _: Availability(False, ""))
    monkeypatch.setattr(doctor, "measure_host_time", lambda *_: 0.0)
    main(["doctor"])

    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("works", "expected"),
    [
        ({}, "openvino"),
        ({"tensorrt_rtx": True, "torch": True}, "tensorrt_rtx"),
        ({"tensorrt": True, "tensorrt_rtx": True}, "tensorrt"),
        ({"torch": True}, "torch"),
        ({"onnxruntime": False}, "openvino"),  # works, but on a CPU
    ],
)
def test_auto_selects_the_first_backend_that_finds_a_gpu(
    works: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def availability(name: str) -> Availability:
        return Availability(name in works, "", gpu=works.get(name, False))

    monkeypatch.setattr(backends, "installed_backends", lambda: list(backends.BACKENDS))
    monkeypatch.setattr(backends, "availability", availability)
    monkeypatch.setattr(backends, "_may_have_gpu", lambda: True)
    assert next(backends.candidates("auto")) == expected
    assert list(backends.candidates("auto"))[-1] == "openvino"

    monkeypatch.setattr(backends, "_may_have_gpu", lambda: False)
    assert list(backends.candidates("auto")) == ["openvino"]  # and no package is imported to find out
    assert list(backends.candidates("null")) == ["null"]


def test_the_doctor_tells_what_auto_tries_in_turn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "candidates", lambda *_: iter(("tensorrt_rtx", "torch", "openvino")))
    main(["doctor"])
    said = 'backend="auto" selects tensorrt_rtx here, and if that cannot be opened, torch, then openvino.'
    assert said in capsys.readouterr().out
