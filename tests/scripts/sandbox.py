"""A place to run the scripts in tests: few tools on PATH, and a project that builds offline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "flock", "grep", "mkdir", "rm", "tail", "touch", "uname")

# A project of one module. Its requirements are in every new virtual environment, and it is its own build backend. Its
# wheel has a fake of VapourSynth's command that configures vspipe.
PROJECT = """
[build-system]
requires = ["pip"]
build-backend = "backend"
backend-path = ["."]

[project]
name = "vapoursynth-animesr"
version = "0.1.0"

[project.optional-dependencies]
demo = []
dev = ["pip>=1", "pip>=2; python_version >= '3.12'"]
"""
MODULE = """
import os, pathlib
VALUE = 1

def config():
    file = pathlib.Path(os.environ["XDG_CONFIG_HOME"], "vapoursynth", "vapoursynth.toml")
    file.parent.mkdir(parents=True)
    file.write_text("configured")
"""
BACKEND = """
import zipfile, pathlib
INFO = "vapoursynth_animesr-0.1.0.dist-info"
NAME = "vapoursynth_animesr-0.1.0-py3-none-any.whl"

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(pathlib.Path(wheel_directory, NAME), "w") as wheel:
        for file in sorted(pathlib.Path("vsanimesr").glob("*.py")):
            wheel.write(file, file.as_posix())
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\\nName: vapoursynth-animesr\\nVersion: 0.1.0\\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{INFO}/entry_points.txt", "[console_scripts]\\nvapoursynth = vsanimesr:config\\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    return NAME
"""


def executable(path: Path, text: str) -> Path:
    """Write a shell script. Return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def tools(folder: Path) -> Path:
    """Make a folder for PATH with basic Debian tools only: no Python, no compiler, no apt-get."""
    folder.mkdir(parents=True)
    for name in TOOLS:
        if path := shutil.which(name):
            (folder / name).symlink_to(path)
    return folder


class Sandbox:
    """A checkout of the small project in `root`, and an empty home."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "check out"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.tools = tools(folder / "tools")
        executable(self.tools / "c++", "exit 0")
        shutil.copytree(ROOT / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / "vsanimesr").mkdir()
        (self.root / "vsanimesr" / "__init__.py").write_text(MODULE)
        (self.root / "pyproject.toml").write_text(PROJECT)
        (self.root / "backend.py").write_text(BACKEND)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables: no network, no user settings, and the Python that runs the tests."""
        python = os.path.realpath(sys.executable)
        return {"PATH": str(self.tools), "HOME": str(self.home), "PYTHON": python, "PIP_NO_INDEX": "1"}

    def start_setup(self, *arguments: str) -> subprocess.Popen[str]:
        """Start scripts/setup from an unrelated folder."""
        return subprocess.Popen(
            [self.root / "scripts" / "setup", *arguments],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def setup(self, *arguments: str) -> tuple[int, list[str]]:
        """Run scripts/setup. Return its exit code and its output lines."""
        process = self.start_setup(*arguments)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output.splitlines()

    def installed_value(self) -> str:
        """Return `VALUE` of the installed package."""
        program = "import vsanimesr; print(vsanimesr.VALUE)"
        python = self.root / ".venv/bin/python"
        return subprocess.check_output(
            [python, "-P", "-c", program], cwd=self.home, env=self.environment, text=True
        ).strip()
