"""Which packages and GPUs the TensorRT backends take, and what they say of the others."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from vsanimesr import backends
from vsanimesr.backends.base import Availability
from vsanimesr.backends.gpu import runtimes, tensorrt
from vsanimesr.backends.gpu.cuda import Gpu
from vsanimesr.backends.gpu.device import DeviceError
from vsanimesr.errors import MissingDependencyError
from vsanimesr.network.graph import GraphPrecision

ROOT = Path(__file__).parents[3]


def make_gpu(capability: tuple[int, int], number: int = 0) -> Gpu:
    return Gpu(number, "A card", capability, 1 << 33, 13010)


def install(monkeypatch: pytest.MonkeyPatch, name: str, version: str) -> None:
    """Install a package with this version."""
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(__version__=version, __spec__=object()))


def see(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
    """Put GPUs with these compute capabilities into the machine."""
    gpus = [make_gpu(capability, number) for number, capability in enumerate(capabilities)]
    monkeypatch.setattr(tensorrt, "load_runtime", lambda: None)
    monkeypatch.setattr(tensorrt, "list_gpus", lambda cudart: gpus)


@pytest.mark.parametrize(
    ("name", "version", "needed"),
    [
        ("tensorrt", "10.16.1.11", "11.0"),
        ("tensorrt", "8.6.1", "11.0"),
        ("tensorrt_rtx", "1.2.0.54", "1.7"),
        ("tensorrt", "11.4.0.106", ""),
        ("tensorrt", "12.0.0.1", ""),
        ("tensorrt_rtx", "1.10.0", ""),
    ],
)
def test_a_version_is_refused_with_what_was_found_and_what_is_needed(
    name: str, version: str, needed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, name, version)
    if not needed:
        assert runtimes.import_package(name).__version__ == version
        return
    with pytest.raises(MissingDependencyError) as caught:
        runtimes.import_package(name)
    remedy = re.escape(backends.BACKENDS[name].install)
    assert re.fullmatch(
        f"backend='{name}' needs {name} {needed} or newer, and {version} is installed; {remedy}", str(caught.value)
    )


def test_the_oldest_versions_are_those_that_pip_is_asked_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name, oldest in runtimes.OLDEST.items():
        package = name.replace("_", "-")
        asked = next(each for each in extras[package] if each.startswith(f"{package}>="))
        parts = tuple(int(part) for part in asked.partition(">=")[2].split("."))
        assert parts == oldest[: len(parts)]


def test_bindings_without_libraries_do_not_count_as_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI has TensorRT's bindings, and not the libraries that they load."""
    (tmp_path / "tensorrt").mkdir()
    text = 'raise ImportError("libnvonnxparser.so.11: cannot open shared object file: No such file or directory")'
    (tmp_path / "tensorrt" / "__init__.py").write_text(text, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    see(monkeypatch, (8, 9))

    found = backends.availability("tensorrt")
    assert not found.usable
    assert "libnvonnxparser.so.11: cannot open shared object file" in found.detail
    assert found.remedy == backends.BACKENDS["tensorrt"].install


@pytest.mark.parametrize(
    ("name", "capability", "precision", "said"),
    [
        ("tensorrt_rtx", (8, 9), "fp16", ""),
        ("tensorrt_rtx", (7, 5), "fp16", ""),
        ("tensorrt_rtx", (7, 5), "bf16", "does not compute precision='bf16' on A card (sm75); use precision='fp16'"),
        (
            "tensorrt_rtx",
            (9, 0),
            "fp16",
            "does not run on A card (sm90), only on sm75, sm80, sm86, sm89, sm120, sm121;",
        ),
        ("tensorrt_rtx", (10, 0), "fp16", "does not run on A card (sm100), only on sm75"),
        ("tensorrt_rtx", (6, 1), "fp16", "use backend='tensorrt', or backend='openvino'"),
        ("tensorrt", (9, 0), "bf16", ""),
        ("tensorrt", (7, 5), "fp32", ""),
        ("tensorrt", (7, 5), "bf16", "does not compute precision='bf16' on A card (sm75); use precision='fp16'"),
        ("tensorrt", (7, 0), "fp16", "only on sm75 and newer; use backend='torch', or backend='openvino'"),
    ],
)
def test_a_card_that_a_package_does_not_know_is_refused(
    name: str, capability: tuple[int, int], precision: GraphPrecision, said: str
) -> None:
    pytest.importorskip("tensorrt_rtx")
    reason = runtimes.refusal(name, make_gpu(capability), precision)

    assert said in reason
    assert bool(reason) == bool(said)


def test_availability_asks_the_package_for_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    see(monkeypatch, (9, 0))
    found = backends.availability("tensorrt_rtx")
    assert not found.usable
    assert found.detail.startswith("backend='tensorrt_rtx' does not run on A card (sm90), only on sm75")
    assert found.remedy == "use backend='tensorrt', or backend='openvino'"

    see(monkeypatch, (9, 0), (8, 6))
    found = backends.availability("tensorrt_rtx")
    assert (found.usable, found.gpu) == (True, True)
    assert found.detail.startswith("A card (8 GiB, compute capability 8.6); backend='tensorrt_rtx' does not run on")

    see(monkeypatch, (8, 9))
    assert backends.availability("tensorrt_rtx") == Availability(
        True, "A card (8 GiB, compute capability 8.9)", gpu=True
    )


def test_a_driver_that_cannot_be_used_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")

    def refuse(_cudart: object) -> list[Gpu]:
        raise DeviceError("the NVIDIA driver is too old: it supports CUDA 12.4; install driver R580 or newer")

    monkeypatch.setattr(tensorrt, "load_runtime", lambda: None)
    monkeypatch.setattr(tensorrt, "list_gpus", refuse)
    assert backends.availability("tensorrt_rtx") == Availability(
        False, "the NVIDIA driver is too old: it supports CUDA 12.4", "install driver R580 or newer"
    )
