"""Wheels for other systems: what their libraries need and give is checked, and the same sources give the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.compiler import COMPILER
from scripts.project import source_files
from scripts.wheelhouse import __main__ as wheelhouse
from scripts.wheelhouse import tryout, wine
from scripts.wheelhouse.checks import check_library, check_wheel, differing_files
from scripts.wheelhouse.compiler import WheelError, clear_time
from scripts.wheelhouse.packing import OLDEST, pack_wheel, source_date
from scripts.wheelhouse.targets import TARGETS, Target
from tests.scripts.sandbox import ROOT
from tests.weights.stand_in import make_stand_in, ship

PLUGIN = 'extern "C" __attribute__((visibility("default"))) void VapourSynthPluginInit2() {}\n'
STAYS = ("-fvisibility=hidden", "-static-libstdc++", "-static-libgcc", "-Wl,-z,nodelete")
HERE = TARGETS["linux-x86_64"]
STAND_IN = make_stand_in()[0]

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
        ship(folder / "vsanimesr", *make_stand_in())
    return folders


@only_linux
def test_the_same_sources_give_the_same_wheel(
    checkouts: list[Path], library: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000001")
    library()
    built = tmp_path / "libanimesr.so"
    wheels = [
        pack_wheel(checkout, HERE, built, tmp_path / f"work {n}", tmp_path / f"dist {n}", source_date(checkout))
        for n, checkout in enumerate(checkouts)
    ]
    assert wheels[0].name.endswith("-py3-none-manylinux_2_28_x86_64.whl")
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2017, 7, 14, 2, 40, 0)}
        assert archive.read("vapoursynth/plugins/animesr/manifest.vs").decode().split("\n")[1] == "libanimesr"
        assert archive.testzip() is None
        assert archive.read(f"vsanimesr/weights/shipped/{STAND_IN.file}") == make_stand_in()[1]
    assert check_wheel(wheels[0], HERE) == []
    renamed = wheels[0].rename(tmp_path / wheels[0].name.replace("x86_64", "aarch64"))
    faults = check_wheel(renamed, TARGETS["linux-aarch64"])
    assert faults[0].startswith("has the tags ['py3-none-manylinux_2_28_x86_64'] and not ")


@only_linux
def test_weights_that_are_not_those_of_the_table_are_found(
    checkouts: list[Path], library: Callable[..., bytes], tmp_path: Path
) -> None:
    library()
    wheel = pack_wheel(checkouts[0], HERE, tmp_path / "libanimesr.so", tmp_path / "work", tmp_path / "dist", OLDEST)
    name = f"vsanimesr/weights/shipped/{STAND_IN.file}"
    other = "vsanimesr/weights/shipped/other.safetensors"

    def faults_with(change: dict[str, bytes | None]) -> list[str]:
        changed = tmp_path / wheel.name
        with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(changed, "w") as result:
            contents = {**{each: source.read(each) for each in source.namelist()}, **change}
            for each in sorted(contents, key=lambda each: (".dist-info/" in each, each)):
                if (content := contents[each]) is not None:
                    result.writestr(each, content)
        return check_wheel(changed, HERE)

    assert faults_with({}) == []
    assert faults_with({name: None}) == [f"lacks {name}"]
    assert faults_with({name: make_stand_in(seed=1)[1]}) == [f"holds another {name} than its table says"]
    assert faults_with({other: b""}) == [f"holds {other}, which is not in its table"]


@only_linux
def test_weights_that_are_shipped_are_in_the_sdist(checkouts: list[Path], tmp_path: Path) -> None:
    program = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-P", "-c", program], cwd=checkouts[1], check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        names = sdist.getnames()
    assert f"{archive.name.removesuffix('.tar.gz')}/vsanimesr/weights/shipped/{STAND_IN.file}" in names


def fake_wheel(folder: Path, library: bytes, name: str) -> Path:
    """Write a wheel of two files."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr(zipfile.ZipInfo("vsanimesr/__init__.py"), b"same")
        wheel.writestr(zipfile.ZipInfo("vapoursynth/plugins/animesr/libanimesr.so"), library)
    return folder / name


@pytest.mark.parametrize("faulty", [False, True])
def test_a_wheel_that_is_built_again_has_the_same_bytes(
    faulty: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `faulty`, the folder gets into the library, as the name of an object did on Windows."""

    def compile_library(root: Path, target: Target, folder: Path) -> Path:
        assert target == HERE
        for part in ("pyproject.toml", "vsanimesr/native/plugin.cpp", "scripts/wheelhouse/operators.cpp"):
            assert (root / part).read_bytes() == (ROOT / part).read_bytes()
        library = tmp_path / "libanimesr.so"
        library.write_bytes(str(root).encode() if faulty else b"library")
        return library

    def pack_wheel(root: Path, target: Target, library: Path, work: Path, output: Path, date: int) -> Path:
        assert ROOT not in (root, *root.parents)
        assert date == source_date(ROOT)
        return fake_wheel(output, library.read_bytes(), "a.whl")

    monkeypatch.setattr(wheelhouse, "compile_library", compile_library)
    monkeypatch.setattr(wheelhouse, "pack_wheel", pack_wheel)
    wheel = fake_wheel(tmp_path, b"library", "a.whl")
    if not faulty:
        wheelhouse.build_again("linux-x86_64", wheel)
        return
    said = "a.whl has other bytes when it is built again in another folder: vapoursynth/plugins/animesr/libanimesr.so$"
    with pytest.raises(WheelError, match=said):
        wheelhouse.build_again("linux-x86_64", wheel)


def test_what_differs_in_two_wheels(tmp_path: Path) -> None:
    one, other = (fake_wheel(tmp_path / name, b"library", "a.whl") for name in ("one", "other"))
    assert differing_files(one, other) == []
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("more", b"")
    assert differing_files(one, other) == differing_files(other, one) == ["more"]


@only_linux
def test_wheels_are_checked_again_before_they_are_published(
    library: Callable[..., bytes], checkouts: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def check() -> tuple[int, str, str]:
        code = wheelhouse.main(["--check", "-o", str(tmp_path / "dist"), "linux-x86_64"])
        return code, *capsys.readouterr()

    (built := tmp_path / "libanimesr.so").write_bytes(library())
    code, out, err = check()
    assert (code, out) == (1, "")
    assert err.endswith("-py3-none-manylinux_2_28_x86_64.whl is missing; ./scripts/wheels linux-x86_64 builds it\n")
    wheel = pack_wheel(checkouts[0], HERE, built, tmp_path / "work", tmp_path / "dist", 1500000001)
    code, out, err = check()
    assert (code, out) == (0, f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("vapoursynth/__init__.py", b"")
    code, out, err = check()
    assert (code, out) == (1, "")
    assert f"{wheel.name} holds a file of VapourSynth" in err
    assert wheel.exists(), "a wheel that was found is not removed"


def test_the_date_of_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert source_date(tmp_path) == 315532800, "no commit is known there"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert source_date(tmp_path) == 1700000000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(WheelError, match="SOURCE_DATE_EPOCH='yesterday' is no number of seconds since 1970"):
        source_date(tmp_path)


def test_a_date_that_git_does_not_tell_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    (tmp_path / ".git").write_text("gitdir: no such folder\n")
    with pytest.raises(WheelError, match="set SOURCE_DATE_EPOCH to it: fatal: "):
        source_date(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WheelError, match=r"set SOURCE_DATE_EPOCH to it: .*No such file"):
        source_date(tmp_path)


def test_a_try_out_counts_the_bytes_of_the_video() -> None:
    frame = b"FRAME\n" + bytes(256 * 192 * 3 // 2)
    header = b"YUV4MPEG2 C420 W256 H192 F24:1 Ip A0:0 XLENGTH=8\n"
    tryout.check_video(header + 8 * frame)
    for wrong in (header + 7 * frame, header + 8 * frame + b"x", header.replace(b"256", b"064") + 8 * frame, b""):
        with pytest.raises(tryout.TryoutError, match=f"^vspipe wrote {len(wrong)} bytes: "):
            tryout.check_video(wrong)


def test_the_windows_wheel_runs_under_wine(tmp_path: Path) -> None:
    if shutil.which("wine") is None:
        pytest.skip("wine is not here (Debian: apt-get install wine64 wine)")
    wheel = next((ROOT / "dist").glob("*-win_amd64.whl"), None)
    if wheel is None:
        pytest.skip("no Windows wheel in dist/: ./scripts/wheels windows-x86_64 builds it")
    done = list(wine.try_wheel(wheel, tmp_path))
    assert done[0].endswith("40 frames in two orders")
    assert done[1] == "null: 8 frames through vspipe.exe"
