"""What is installed: one wheel for every Python, an sdist that is complete, an editable install that loads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_SOURCES = shutil.ignore_patterns(".*", "out", "build", "dist", "*.egg-info", "__pycache__", "*.so")
PLUGIN = "vapoursynth/plugins/animesr"


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "checkout", ignore=NOT_SOURCES)
    shutil.copy(ROOT / ".python-version", folder / "checkout")
    build = "from setuptools.build_meta import build_sdist; build_sdist('..')"
    run(sys.executable, "-c", build, cwd=folder / "checkout")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir() and path.name.startswith("vapoursynth_animesr"))


def test_the_sdist_is_complete(sdist: Path) -> None:
    tracked = run("git", "ls-files", cwd=ROOT).splitlines() if (ROOT / ".git").exists() else []
    missing = [name for name in tracked if not (sdist / name).exists() and not name.startswith((".ci/", ".gitignore"))]

    assert missing == []
    assert (sdist / "vsanimesr" / "native" / "bridge.h").exists()


def test_the_wheel_of_the_sdist(sdist: Path) -> None:
    output = run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "dist", "-v", ".", cwd=sdist
    )
    wheel = next((sdist / "dist").glob("*.whl"))

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


def test_an_editable_install_loads(sdist: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "numpy", "setuptools", "vapoursynth", "filelock", cwd=tmp_path)
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", sdist, cwd=tmp_path)
    program = """
import vapoursynth as vs, vsanimesr
assert not hasattr(vs.core, "animesr")
vsanimesr.load()
vsanimesr.load()
clip = vs.core.std.BlankClip(format=vs.RGBS, width=8, height=8, length=1)
print(vsanimesr.__file__, vs.core.animesr.Upscale(clip, engine="null").get_frame(0).width)
"""
    file, width = run(python, "-c", program, cwd=tmp_path).split()

    assert Path(file).parent == sdist / "vsanimesr"
    assert width == "32"
