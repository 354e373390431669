"""The search for an interpreter: accepted ones, refused ones and the reasons, the order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.sandbox import ROOT, executable, tools


def python(path: Path, version: str, kind: str = "cpython", library: str = "/lib/libpython.so") -> Path:
    """Write a fake interpreter that answers the script's probe."""
    return executable(path, f"printf '%s\\n' '{version}' '{kind}' '{library}' '{path}'")


class Machine:
    """A machine with an empty home, and only basic tools in `bin`."""

    def __init__(self, folder: Path) -> None:
        self.bin = tools(folder / "bin")
        self.home = folder / "home"
        self.home.mkdir()

    def search(self, **variables: str) -> tuple[str, str]:
        """Run the search. Return its stdout and stderr."""
        environment = {"PATH": str(self.bin), "HOME": str(self.home), **variables}
        result = subprocess.run([ROOT / "scripts" / "find_python"], env=environment, capture_output=True, text=True)
        assert result.returncode == (0 if result.stdout else 1)
        return result.stdout.strip(), result.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_real_interpreter_is_accepted(machine: Machine) -> None:
    assert machine.search(PYTHON=sys.executable) == (os.path.realpath(sys.executable), "")


def test_python3_comes_first(machine: Machine) -> None:
    python(machine.bin / "python3.14", "3.14")
    expected = python(machine.bin / "python3", "3.12")
    assert machine.search() == (str(expected), "")


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_an_old_python3_is_passed_over(machine: Machine, version: str) -> None:
    python(machine.bin / "python3", "3.11")
    expected = python(machine.bin / f"python{version}", version)
    assert machine.search() == (str(expected), "")


def test_every_python3_on_the_path_is_tried(machine: Machine, tmp_path: Path) -> None:
    python(machine.bin / "python3", "3.9")
    expected = python(tmp_path / "later" / "python3", "3.13")
    assert machine.search(PATH=f"{machine.bin}:{expected.parent}") == (str(expected), "")


def test_pyenv_follows_the_version_file(machine: Machine) -> None:
    shim = executable(machine.bin / "python3", 'read -r v <.python-version; printf "%s\\n" "$v" cpython /l.so /"$v"')
    assert shim.exists()
    version = (ROOT / ".python-version").read_text().strip()
    assert machine.search() == (f"/{version}", "")


def test_a_shim_that_does_not_run_is_passed_over(machine: Machine) -> None:
    executable(machine.bin / "python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    expected = python(machine.home / ".pyenv/versions/3.13.0/bin/python3", "3.13")
    python(machine.home / ".pyenv/versions/3.11.7/bin/python3", "3.11")
    assert machine.search() == (str(expected), "")


def test_pyenv_root_is_honoured(machine: Machine, tmp_path: Path) -> None:
    expected = python(tmp_path / "p y" / "versions/3.12.1/bin/python3", "3.12")
    assert machine.search(PYENV_ROOT=str(tmp_path / "p y")) == (str(expected), "")


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
    expected = python(tmp_path / "mine", "3.14")
    assert machine.search(PYTHON=str(expected)) == (str(expected), "")
    refused = python(tmp_path / "old", "3.10")
    path, message = machine.search(PYTHON=str(refused))
    assert not path
    assert message.startswith(f"find_python: PYTHON={refused} cannot be used\n  {refused} is Python 3.10\n")


def test_on_windows_python_has_no_other_name(machine: Machine) -> None:
    expected = python(machine.bin / "python", "3.13")
    assert machine.search(OS="Windows_NT") == (str(expected), "")
    path, message = machine.search()
    assert (path, message.partition("\n")[0]) == ("", "find_python: no usable Python found"), "elsewhere it may be 2.7"


def test_uv_has_a_python(machine: Machine, tmp_path: Path) -> None:
    python(machine.bin / "python3", "3.11")
    expected = python(tmp_path / "uv" / "python3.12", "3.12")
    executable(machine.bin / "uv", f"[ \"$1 $2\" = 'python find' ] && echo {expected}")
    assert machine.search() == (str(expected), "")


def test_uv_downloads_a_python(machine: Machine, tmp_path: Path) -> None:
    fetched = tmp_path / "uv" / "python3.12"
    stored = python(tmp_path / "stored", "3.12")
    executable(
        machine.bin / "uv",
        f"""case "$2" in
        find) [ -e {fetched} ] && echo {fetched} ;;
        install) mkdir -p {fetched.parent} && {shutil.which("cp")} {stored} {fetched} ;;
        esac""",
    )
    assert machine.search() == (str(stored), "find_python: downloading Python 3.12 with uv\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run apt-get install")
def test_apt_get_installs_the_missing_library(machine: Machine, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    executable(
        machine.bin / "python3",
        f"[ -e {installed} ] && l=/l.so || l=-; printf '%s\\n' 3.13 cpython $l /usr/bin/python3.13",
    )
    executable(machine.bin / "apt-get", f'[ "$3" = update ] || echo "$@" >{installed}')
    path, message = machine.search()
    assert (path, message) == ("/usr/bin/python3.13", "find_python: installing libpython3.13 with apt-get\n")
    assert installed.read_text() == "-qq -y install --no-install-recommends libpython3.13\n"
