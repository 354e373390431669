"""The search for an interpreter: what is taken, what is refused and why, in which order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .sandbox import ROOT, executable, tools


def python(path: Path, version: str, kind: str = "cpython", library: str = "/lib/libpython.so") -> Path:
    """A stand-in that answers the script's question as an interpreter of this kind would."""
    return executable(path, f"printf '%s\\n' '{version}' '{kind}' '{library}' '{path}'")


class Machine:
    """A machine with nothing but what a test puts into `bin`."""

    def __init__(self, folder: Path) -> None:
        self.bin = tools(folder / "bin")
        self.home = folder / "home"
        self.home.mkdir()

    def search(self, **variables: str) -> tuple[str, str]:
        """What the search prints, and what it says."""
        environment = {"PATH": str(self.bin), "HOME": str(self.home), **variables}
        done = subprocess.run([ROOT / "scripts" / "find_python"], env=environment, capture_output=True, text=True)
        assert done.returncode == (0 if done.stdout else 1)
        return done.stdout.strip(), done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_real_interpreter_is_taken(machine: Machine) -> None:
    assert machine.search(PYTHON=sys.executable) == (os.path.realpath(sys.executable), "")


def test_python3_comes_first(machine: Machine) -> None:
    python(machine.bin / "python3.14", "3.14")
    wanted = python(machine.bin / "python3", "3.12")
    assert machine.search() == (str(wanted), "")


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_an_old_python3_is_passed_over(machine: Machine, version: str) -> None:
    python(machine.bin / "python3", "3.11")
    wanted = python(machine.bin / f"python{version}", version)
    assert machine.search() == (str(wanted), "")


def test_every_python3_on_the_path_is_tried(machine: Machine, tmp_path: Path) -> None:
    python(machine.bin / "python3", "3.9")
    wanted = python(tmp_path / "later" / "python3", "3.13")
    assert machine.search(PATH=f"{machine.bin}:{wanted.parent}") == (str(wanted), "")


def test_pyenv_follows_the_version_file(machine: Machine) -> None:
    shim = executable(machine.bin / "python3", 'read -r v <.python-version; printf "%s\\n" "$v" cpython /l.so /"$v"')
    assert shim.exists()
    version = (ROOT / ".python-version").read_text().strip()
    assert machine.search() == (f"/{version}", "")


def test_a_shim_that_does_not_run_is_passed_over(machine: Machine) -> None:
    executable(machine.bin / "python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    wanted = python(machine.home / ".pyenv/versions/3.13.0/bin/python3", "3.13")
    python(machine.home / ".pyenv/versions/3.11.7/bin/python3", "3.11")
    assert machine.search() == (str(wanted), "")


def test_pyenv_may_lie_elsewhere(machine: Machine, tmp_path: Path) -> None:
    wanted = python(tmp_path / "p y" / "versions/3.12.1/bin/python3", "3.12")
    assert machine.search(PYENV_ROOT=str(tmp_path / "p y")) == (str(wanted), "")


@pytest.mark.parametrize(
    ("version", "kind", "library", "reason"),
    [
        ("3.11", "cpython", "/l.so", "is Python 3.11"),
        ("2.7", "cpython", "/l.so", "is Python 2.7"),
        ("3.12", "pypy", "/l.so", "is pypy"),
        ("3.13", "cpython without the GIL", "/l.so", "is cpython without the GIL"),
        ("3.12", "cpython", "-", "has no libpython3.12.so, which vspipe needs"),
    ],
)
def test_refusals_are_explained(machine: Machine, version: str, kind: str, library: str, reason: str) -> None:
    refused = python(machine.bin / "python3", version, kind, library)
    path, message = machine.search()
    assert not path
    assert f"  {refused} {reason}\n" in message
    assert "uv python install 3.12" in message


def test_the_named_python_is_the_only_candidate(machine: Machine, tmp_path: Path) -> None:
    python(machine.bin / "python3", "3.12")
    wanted = python(tmp_path / "mine", "3.14")
    assert machine.search(PYTHON=str(wanted)) == (str(wanted), "")
    refused = python(tmp_path / "old", "3.10")
    path, message = machine.search(PYTHON=str(refused))
    assert not path
    assert message.startswith(f"find_python: PYTHON={refused} cannot be used\n  {refused} is Python 3.10\n")


def test_uv_knows_one(machine: Machine, tmp_path: Path) -> None:
    python(machine.bin / "python3", "3.11")
    wanted = python(tmp_path / "uv" / "python3.12", "3.12")
    executable(machine.bin / "uv", f"[ \"$1 $2\" = 'python find' ] && echo {wanted}")
    assert machine.search() == (str(wanted), "")


def test_uv_fetches_one(machine: Machine, tmp_path: Path) -> None:
    fetched = tmp_path / "uv" / "python3.12"
    stored = python(tmp_path / "stored", "3.12")
    executable(
        machine.bin / "uv",
        f"""case "$2" in
        find) [ -e {fetched} ] && echo {fetched} ;;
        install) mkdir -p {fetched.parent} && {shutil.which("cp")} {stored} {fetched} ;;
        esac""",
    )
    assert machine.search() == (str(stored), "find_python: uv fetches Python 3.12\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has apt-get install what is missing")
def test_debian_gets_the_missing_library(machine: Machine, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    executable(
        machine.bin / "python3",
        f"[ -e {installed} ] && l=/l.so || l=-; printf '%s\\n' 3.13 cpython $l /usr/bin/python3.13",
    )
    executable(machine.bin / "apt-get", f'[ "$3" = update ] || echo "$@" >{installed}')
    path, message = machine.search()
    assert (path, message) == ("/usr/bin/python3.13", "find_python: installing libpython3.13 with apt-get\n")
    assert installed.read_text() == "-qq -y install --no-install-recommends libpython3.13\n"
