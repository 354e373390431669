"""The sdist is complete, one wheel fits every Python, and an editable install can be loaded."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packages import ROOT, Environment, build_sdist, build_wheel, environment, run

PLUGIN = "vapoursynth/plugins/animesr"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist's content."""
    return build_sdist(tmp_path_factory.mktemp("sdist"))


def test_the_sdist_is_complete(sdist: Path) -> None:
    tracked = run("git", "ls-files", cwd=ROOT).splitlines() if (ROOT / ".git").exists() else []
    missing = [
        name
        for name in tracked
        if not (sdist / name).exists() and not name.startswith((".ci/", ".github/", ".gitignore"))
    ]

    assert missing == []
    assert (sdist / "vsanimesr" / "native" / "bridge.h").exists()


def test_the_wheel_of_the_sdist(sdist: Path) -> None:
    wheel, output = build_wheel(sdist)

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


def test_without_a_compiler_the_error_says_what_to_install(sdist: Path) -> None:
    result = subprocess.run(
        [sys.executable, "setup.py", "build_ext"],
        cwd=sdist,
        capture_output=True,
        text=True,
        env={**environment(), "CXX": "no-compiler++"},
    )

    assert result.returncode != 0
    assert "the compiler 'no-compiler++' is not here; install one (Debian, Ubuntu: apt install g++" in result.stderr


def test_an_editable_install_loads(sdist: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.pip("install", "--no-deps", "--no-build-isolation", "-e", sdist)
    program = """
import vapoursynth as vs, vsanimesr
assert not hasattr(vs.core, "animesr")
vsanimesr.load()
vsanimesr.load()
clip = vs.core.std.BlankClip(format=vs.RGBS, width=8, height=8, length=1)
print(vsanimesr.__file__, vs.core.animesr.Upscale(clip, backend="null").get_frame(0).width)
"""
    file, width = environment.run("-c", program).stdout.split()

    assert Path(file).parent == sdist / "vsanimesr"
    assert width == "32"
