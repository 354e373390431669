"""Compiled kernels are kept in the cache, and compiled again when anything that they depend on has changed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from vsanimesr import cache
from vsanimesr.backends.gpu import nvrtc
from vsanimesr.backends.gpu.device import DeviceError
from vsanimesr.backends.gpu.nvrtc import compile_kernels

SOURCE = 'extern "C" __global__ void nothing() {}'


class CountingCompiler:
    """NVRTC, which counts what it compiles."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.compiled = 0
        self.version: tuple[int, ...] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def nvrtcCompileProgram(self, *arguments: Any) -> Any:  # noqa: N802
        self.compiled += 1
        return self._module.nvrtcCompileProgram(*arguments)

    def nvrtcVersion(self) -> Any:  # noqa: N802
        return (0, *self.version) if self.version else self._module.nvrtcVersion()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CountingCompiler:
    """An empty cache."""
    counting = CountingCompiler(pytest.importorskip("cuda.bindings.nvrtc"))
    monkeypatch.setattr(nvrtc, "import_module", lambda _: counting)
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return counting


def test_kernels_are_compiled_once(compiler: CountingCompiler) -> None:
    first = compile_kernels(SOURCE, (8, 9))
    assert compile_kernels(SOURCE, (8, 9)) == first
    assert compiler.compiled == 1
    assert len(cache.files()) == 1


@pytest.mark.parametrize("change", ["source", "architecture", "version", "options"])
def test_kernels_of_something_else_are_not_used(
    change: str, compiler: CountingCompiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_kernels(SOURCE, (8, 9))
    if change == "version":
        compiler.version = (13, 99)
    if change == "options":
        monkeypatch.setattr(nvrtc, "OPTIONS", ("--std=c++20",))
    compile_kernels(SOURCE + " " * (change == "source"), (8, 6) if change == "architecture" else (8, 9))
    assert compiler.compiled == 2


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_kernels_are_compiled_again(
    damage: str, compiler: CountingCompiler, caplog: pytest.LogCaptureFixture
) -> None:
    first = compile_kernels(SOURCE, (8, 9))
    (path,) = cache.files()
    data = path.read_bytes()
    path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))

    with caplog.at_level(logging.INFO):
        assert compile_kernels(SOURCE, (8, 9)) == first
    assert [record.getMessage() for record in caplog.records] == [f"{path} is damaged; it is made again"]
    assert compile_kernels(SOURCE, (8, 9)) == first
    assert compiler.compiled == 2


def test_without_a_place_to_keep_them_kernels_are_compiled_each_time(
    compiler: CountingCompiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.INFO):
        assert compile_kernels(SOURCE, (8, 9)) == compile_kernels(SOURCE, (8, 9))
    assert compiler.compiled == 2
    assert all("cannot be stored" in record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 2


def test_what_does_not_compile_is_not_kept(compiler: CountingCompiler) -> None:
    for _ in range(2):
        with pytest.raises(DeviceError, match="nvrtcCompileProgram"):
            compile_kernels("nonsense", (8, 9))
    assert compiler.compiled == 2
    assert not cache.files()
