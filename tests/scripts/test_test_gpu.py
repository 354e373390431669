"""The options of scripts/test-gpu that name files: relative to where it is called, and with spaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.scripts.sandbox import ROOT, executable


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose parts print how they were called."""
    root = tmp_path / "check out"
    (root / "scripts").mkdir(parents=True)
    for name in ("test-gpu", "lib.sh"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts" / name)
    report = 'printf "%s|%s|%s|%s\\n" "$*" "$PIP_NO_INDEX" "$PIP_FIND_LINKS" "$ANIMESR_WEIGHTS"'
    executable(root / "scripts" / "setup", report)
    for name in ("python", "animesr"):
        executable(root / ".venv" / "bin" / name, f'echo "{name}: $*"')
    return root


def run(checkout: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder."""
    folder.mkdir(exist_ok=True)
    command: list[str | Path] = [checkout / "scripts" / "test-gpu", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "ANIMESR_"))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_python_in_a_relative_path_with_spaces(checkout: Path, tmp_path: Path) -> None:
    python = executable(tmp_path / "my files" / "an env" / "bin" / "python", 'printf "%s|" "$0" "$PYTHONPATH" "$@"')
    result = run(
        checkout, tmp_path / "my files", "--python", "an env/bin/python", "--section", "machine", "-o", "a b.md"
    )
    assert result.returncode == 0, result.stderr
    here = str(tmp_path / "my files")
    expected = [
        str(python),
        str(checkout),
        "-m",
        "scripts.gpu",
        "--folder",
        here,
        "--section",
        "machine",
        "-o",
        "a b.md",
    ]
    assert result.stdout.split("|")[:-1] == expected


def test_a_python_on_the_path(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = executable(tmp_path / "tools" / "some-python", 'echo "$0"')
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    assert run(checkout, tmp_path, "--python", python.name).stdout == f"{python}\n"


@pytest.mark.parametrize("name", ["no such folder/python", "no-such-python"])
def test_a_python_that_is_not_there_is_named(name: str, checkout: Path, tmp_path: Path) -> None:
    result = run(checkout, tmp_path, "--python", name)
    assert (result.returncode, result.stderr) == (1, f"test-gpu: {name} is not there\n")


def test_wheels_and_weights_in_a_relative_folder_with_spaces(checkout: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "my files" / "100 % #wheels"
    wheels.mkdir(parents=True)
    (wheels / "v2.pth").touch()
    with zipfile.ZipFile(wheels / "thing-1.0-py3-none-any.whl", "w") as wheel:
        info = "thing-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")

    result = run(checkout, tmp_path / "my files", "--wheels", wheels.name, "--minutes", "5")
    assert result.returncode == 0, result.stderr
    first, *_, last = result.stdout.splitlines()
    arguments, no_index, links, weights = first.split("|")
    assert (arguments, no_index, weights) == ("--dev", "1", str(wheels))
    assert last == f"python: -m scripts.gpu --folder {tmp_path / 'my files'} --minutes 5"

    environment = {**os.environ, "PIP_NO_INDEX": no_index, "PIP_FIND_LINKS": links, "PIP_CONFIG_FILE": os.devnull}
    download: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "-d", tmp_path / "found", "thing"]
    subprocess.run(download, env=environment, check=True)
    assert [file.name for file in (tmp_path / "found").iterdir()] == ["thing-1.0-py3-none-any.whl"]
