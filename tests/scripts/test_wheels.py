"""Wheels for other systems: what their libraries need and give is checked, and the same sources give the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.compiler import COMPILER
from scripts.project import source_files
from scripts.wheelhouse import wine
from scripts.wheelhouse.checks import check_library, check_wheel
from scripts.wheelhouse.compiler import clear_time
from scripts.wheelhouse.packing import pack_wheel, source_date
from scripts.wheelhouse.targets import TARGETS, Target
from tests.scripts.sandbox import ROOT

PLUGIN = 'extern "C" __attribute__((visibility("default"))) void VapourSynthPluginInit2() {}\n'
STAYS = ("-fvisibility=hidden", "-static-libstdc++", "-static-libgcc", "-Wl,-z,nodelete")
HERE = TARGETS["linux-x86_64"]

pytest.importorskip("lief")
only_linux = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine != "x86_64", reason="compiles for Linux x86-64"
)


@pytest.fixture
def library(tmp_path: Path) -> Callable[..., bytes]:
    """Compile a library of the plugin's entry and more. Return its bytes."""

    def compile_source(more: str = "", *, flags: tuple[str, ...] = STAYS) -> bytes:
        source, result = tmp_path / "plugin.cpp", tmp_path / "libanimesr.so"
        source.write_text(PLUGIN + more)
        subprocess.run([COMPILER, "-shared", "-fPIC", *flags, "-o", result, source], check=True)
        return result.read_bytes()

    return compile_source


@only_linux
def test_a_library_that_needs_little_is_accepted(library: Callable[..., bytes]) -> None:
    assert check_library(library(), HERE) == []


THROWS = '#include <stdexcept>\nvoid *fail() { throw std::runtime_error(""); }\nvoid *(*used)() = fail;\n'
THREAD = "#include <pthread.h>\nauto *start = pthread_create;\n"


@only_linux
@pytest.mark.parametrize(
    ("more", "flags", "fault"),
    [
        (THROWS, ("-fvisibility=hidden", "-Wl,-z,nodelete"), "links libstdc++.so.6, which a system may lack"),
        (THREAD, STAYS, "needs GLIBC_2.34 of libc.so.6, newer than glibc 2.28"),
        ('extern "C" void other() {}', ("-Wl,-z,nodelete",), "exports 1 more symbols: other"),
        ("", STAYS[:-1], "can be unloaded, and then crashes at exit"),
        ("", (*STAYS, "-Wl,-rpath,/opt/lib"), "has a path to look for libraries in"),
        ('const char *used = "/home/somebody/plugin.cpp";', STAYS, "holds a path of the machine that built it: /home/"),
        ("", (*STAYS, "-g"), "holds debug information"),
        ("#define VapourSynthPluginInit2 VapourSynthPluginInit", STAYS, "does not export VapourSynthPluginInit2"),
    ],
)
def test_a_fault_of_a_library_is_found(
    library: Callable[..., bytes], more: str, flags: tuple[str, ...], fault: str
) -> None:
    if fault.startswith("does not export"):
        content = library(flags=(*flags, "-DVapourSynthPluginInit2=VapourSynthPluginInit"))
    else:
        content = library(more, flags=flags)
    assert any(found.startswith(fault) for found in check_library(content, HERE)), check_library(content, HERE)


@only_linux
def test_a_library_of_another_platform_is_refused(library: Callable[..., bytes]) -> None:
    content = library()
    assert check_library(content, TARGETS["linux-aarch64"])[0] == "is for X86_64"
    assert check_library(content, TARGETS["windows-x86_64"])[0] == "is no PE file"
    assert check_library(content, TARGETS["macos-arm64"])[0] == "is no Mach-O file of one processor"


def zig(folder: Path, target: Target, source: str, *flags: str) -> bytes:
    """Compile a library of C with zig, without a C library. Return its bytes."""
    pytest.importorskip("ziglang")
    (folder / "plugin.c").write_text(source)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, "-shared", "-s", *flags]
    subprocess.run([*command, "-o", folder / target.library, folder / "plugin.c"], check=True, cwd=folder)
    return (folder / target.library).read_bytes()


IMPORTS = """
__attribute__((dllimport)) int MessageBoxA(void *, const char *, const char *, unsigned);
__declspec(dllexport) int VapourSynthPluginInit2(void) { return MessageBoxA(0, "", "", 0); }
int DllMainCRTStartup(void *a, unsigned b, void *c) { return 1; }
"""


def test_a_library_of_windows_may_link_only_what_every_windows_has(tmp_path: Path) -> None:
    target = TARGETS["windows-x86_64"]
    plain = "__declspec(dllexport) int VapourSynthPluginInit2(void) { return 1; }\n"
    entry = "int DllMainCRTStartup(void *a, unsigned b, void *c) { return 1; }\n"
    content = zig(tmp_path, target, plain + entry, "-nostdlib")
    assert check_library(content, target) == ["holds the time at which it was linked"]
    clear_time(tmp_path / target.library)
    assert check_library((tmp_path / target.library).read_bytes(), target) == []
    content = zig(tmp_path, target, IMPORTS, "-nostdlib", "-luser32")
    assert "links USER32.dll, which not every Windows has" in check_library(content, target)


@pytest.mark.parametrize("name", ["macos-arm64", "macos-x86_64"])
def test_a_library_of_macos_exports_the_entry_only(tmp_path: Path, name: str) -> None:
    target = TARGETS[name]
    plain = "int VapourSynthPluginInit2(void) { return 1; }\n"
    assert check_library(zig(tmp_path, target, plain, *target.links, "-nostdlib"), target) == []
    newer = target._replace(triple=target.triple.replace("11.0", "14.0"))
    content = zig(tmp_path, newer, plain + "int other(void) { return 2; }\n", "-nostdlib")
    assert check_library(content, target) == [
        "runs from macOS 14.0 on, and not from 11.0",
        "exports 1 more symbols: other",
        f"holds a path of the machine that built it: {tmp_path / target.library}",
    ]


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two copies of the sources, whose files have other times and modes, and the order in the folder is another."""
    folders = [tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("another")]
    sources = list(source_files(ROOT))
    for folder, mode, files in zip(folders, (0o644, 0o755), (sources, sources[::-1]), strict=True):
        for source in files:
            copy = folder / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            copy.chmod(mode)
            os.utime(copy, (1e9 + mode, 1e9 + mode))
    return folders


@only_linux
def test_the_same_sources_give_the_same_wheel(
    checkouts: list[Path], library: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000001")
    library()
    wheels = [
        pack_wheel(checkout, HERE, tmp_path / "libanimesr.so", tmp_path / f"work {n}", tmp_path / f"dist {n}")
        for n, checkout in enumerate(checkouts)
    ]
    assert wheels[0].name.endswith("-py3-none-manylinux_2_28_x86_64.whl")
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2017, 7, 14, 2, 40, 0)}
        assert archive.read("vapoursynth/plugins/animesr/manifest.vs").decode().split("\n")[1] == "libanimesr"
        assert archive.testzip() is None
    assert check_wheel(wheels[0], HERE) == []
    renamed = wheels[0].rename(tmp_path / wheels[0].name.replace("x86_64", "aarch64"))
    faults = check_wheel(renamed, TARGETS["linux-aarch64"])
    assert faults[0].startswith("has the tags ['py3-none-manylinux_2_28_x86_64'] and not ")


def test_the_date_of_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert source_date(tmp_path) == 315532800, "no commit is known there"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert source_date(tmp_path) == 1700000000


def test_the_windows_wheel_runs_under_wine(tmp_path: Path) -> None:
    if shutil.which("wine") is None:
        pytest.skip("wine is not here (Debian: apt-get install wine64 wine)")
    wheel = next((ROOT / "dist").glob("*-win_amd64.whl"), None)
    if wheel is None:
        pytest.skip("no Windows wheel in dist/: ./scripts/wheels windows-x86_64 builds it")
    done = list(wine.try_wheel(wheel, tmp_path))
    assert done[0].endswith("40 frames in two orders")
    assert done[1].startswith("vspipe.exe wrote 8 frames")
