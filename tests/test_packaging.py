"""The sdist is complete, one wheel fits every Python, and an editable install can be loaded."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

from scripts.compiler import COMPILER
from tests.packages import ROOT, Environment, environment, keep_download, run

PLUGIN = "vapoursynth/plugins/animesr"

# A compiler that links, and takes objects from another build.
LINKER = """#!/bin/sh
for argument; do
    case $previous,$argument in -o,*.o) exec cp "$OBJECTS/${argument##*/}" "$argument" ;; esac
    previous=$argument
done
exec "$COMPILER" "$@"
"""


def test_the_sdist_is_complete(our_sdist: Path) -> None:
    tracked = run("git", "ls-files", cwd=ROOT).splitlines() if (ROOT / ".git").exists() else []
    missing = [
        name
        for name in tracked
        if not (our_sdist / name).exists() and not name.startswith((".ci/", ".github/", ".gitattributes", ".gitignore"))
    ]

    assert missing == []
    assert (our_sdist / "vsanimesr" / "native" / "bridge.h").exists()


def test_the_wheel_of_the_sdist(our_wheel: tuple[Path, str]) -> None:
    wheel, output = our_wheel

    assert "warning:" not in output.lower().replace("warning: location", "")
    assert wheel.name.split("-")[2:4] == ["py3", "none"]
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert archive.read(f"{PLUGIN}/manifest.vs").decode().split("\n") == [
            "[VapourSynth Manifest V1]",
            "libanimesr",
            "",
        ]
    assert any(name.startswith(f"{PLUGIN}/libanimesr.") for name in names)
    assert "vsanimesr/py.typed" in names
    assert "vapoursynth/__init__.py" not in names
    assert {name.split("/")[0] for name in names} == {
        "trainer",
        "vsanimesr",
        "vapoursynth",
        f"{wheel.name.split('-')[0]}-{wheel.name.split('-')[1]}.dist-info",
    }
    assert not [name for name in names if name.endswith((".cpp", ".h"))]


def test_without_a_compiler_the_error_says_what_to_install(our_sdist: Path) -> None:
    result = subprocess.run(
        [sys.executable, "setup.py", "build_ext"],
        cwd=our_sdist,
        capture_output=True,
        text=True,
        env={**environment(), "CXX": "no-compiler++"},
    )

    assert result.returncode != 0
    assert "the compiler 'no-compiler++' is not here; install one (Debian, Ubuntu: apt install g++" in result.stderr


def test_an_editable_install_loads(
    our_sdist: Path, our_wheel: tuple[Path, str], clean_environment: Environment, tmp_path: Path
) -> None:
    """The wheel's objects are linked again: what the compiler makes of each source is the same."""
    linker, (objects,) = tmp_path / "linker", our_sdist.glob("build/temp.*/vsanimesr/native")
    linker.write_text(LINKER)
    linker.chmod(0o755)
    options = ("--no-deps", "--no-build-isolation", "-e", our_sdist)
    clean_environment.pip("install", *options, CXX=str(linker), COMPILER=COMPILER, OBJECTS=str(objects))
    program = """
import vapoursynth as vs, vsanimesr
assert not hasattr(vs.core, "animesr")
vsanimesr.load()
vsanimesr.load()
clip = vs.core.std.BlankClip(format=vs.RGBS, width=8, height=8, length=1)
print(vsanimesr.__file__, vs.core.animesr.Upscale(clip, backend="null").get_frame(0).width)
"""
    file, width = clean_environment.run("-c", program).stdout.split()

    assert Path(file).parent == our_sdist / "vsanimesr"
    assert width == "32"


def test_a_download_is_kept_once_and_whole(tmp_path: Path) -> None:
    """Two processes of pytest ask for the same file; none of them may see a part of it."""
    folder = tmp_path / "kept"
    downloads: list[Path] = []
    sizes: list[list[int]] = []

    def download() -> Path:
        time.sleep(0.2)
        source = tmp_path / f"{len(downloads)}" / "name-1.0.tar.gz"
        source.parent.mkdir()
        source.write_bytes(bytes(1000))
        downloads.append(source)
        return source

    def keep() -> None:
        keep_download(folder, download)
        sizes.append([path.stat().st_size for path in folder.glob("*.tar.gz")])

    threads = [threading.Thread(target=keep) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(downloads) == 1
    assert sizes == [[1000]] * 3
