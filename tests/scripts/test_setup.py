"""scripts/setup, for real, on a small project that needs no network: it does what is missing, and only that."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .sandbox import Sandbox, executable

READY = f"setup: .venv is up to date (Python {sys.version.split()[0]})"
BUILDING = "setup: building the wheel with c++ and installing it"
ANEW = "setup: making .venv anew: the one that is there cannot be used"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(tmp_path_factory.mktemp("setup"))
    code, said = sandbox.setup()
    assert (code, said[-2:]) == (0, [BUILDING, READY])
    return sandbox


def test_it_installs_the_wheel_and_configures_vspipe(sandbox: Sandbox) -> None:
    (package,) = (sandbox.root / ".venv/lib").glob("python3*/site-packages/vsanimesr/__init__.py")
    assert package.read_text() == (sandbox.root / "vsanimesr/__init__.py").read_text()
    assert (sandbox.root / ".venv/config/vapoursynth/vapoursynth.toml").read_text() == "configured"
    assert not (sandbox.home / ".config").exists()


def test_again_it_does_nothing(sandbox: Sandbox) -> None:
    begin = time.monotonic()
    assert sandbox.setup() == (0, [READY])
    assert time.monotonic() - begin < 3


def test_an_extra_adds_to_what_is_there(sandbox: Sandbox) -> None:
    assert sandbox.setup("--dev") == (0, ["setup: installing pip", READY])
    assert sandbox.setup() == (0, [READY])
    assert sandbox.setup("--dev") == (0, [READY])


@pytest.mark.parametrize("apt_get", [False, True])
def test_without_a_compiler_it_says_what_to_install(sandbox: Sandbox, apt_get: bool) -> None:
    source = sandbox.root / "vsanimesr/other.py"
    source.touch()
    compiler = sandbox.tools / "c++"
    compiler.rename(sandbox.home / "hidden")
    if apt_get:  # which is content to install nothing when it takes "g++" for a pattern
        executable(sandbox.tools / "apt-get", "exit 0")
    try:
        code, said = sandbox.setup()
    finally:
        (sandbox.tools / "apt-get").unlink(missing_ok=True)
        (sandbox.home / "hidden").rename(compiler)
        source.unlink()
    assert code == 1
    assert said[-1].startswith("setup: no C++20 compiler found. Install one (Debian, Ubuntu: apt-get install g++;")


def test_a_changed_source_is_built_even_after_a_build_that_failed(sandbox: Sandbox) -> None:
    source = sandbox.root / "vsanimesr/__init__.py"
    source.write_text(source.read_text().replace("VALUE = 1", "VALUE = 2"))
    backend = sandbox.root / "backend.py"
    right = backend.read_text()
    backend.write_text("def build_wheel(*arguments): raise OSError('the disk is full')")
    code, said = sandbox.setup()
    assert code == 1
    assert any("the disk is full" in line for line in said)
    assert said[-1] == "setup: the wheel could not be built: see above"
    assert sandbox.installed_value() == "1"
    backend.write_text(right)
    assert sandbox.setup() == (0, [BUILDING, READY])
    assert sandbox.installed_value() == "2"


def test_two_at_once_wait_for_each_other(sandbox: Sandbox) -> None:
    with (sandbox.root / "scripts/setup").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = sandbox.start_setup()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
    assert process.communicate(timeout=60)[0].splitlines() == [READY]


def test_one_that_was_killed_while_pip_wrote_is_made_anew(sandbox: Sandbox) -> None:
    (sandbox.root / ".venv/setup/busy").touch()
    code, said = sandbox.setup()
    assert (code, said[0], said[-1]) == (0, ANEW, READY)
    assert sandbox.setup() == (0, [READY])


def test_a_checkout_that_moved_is_made_anew(sandbox: Sandbox) -> None:
    moved = Path(f"{sandbox.root} moved")
    sandbox.root.rename(moved)
    sandbox.root = moved
    code, said = sandbox.setup()
    assert (code, said[0], said[-1]) == (0, ANEW, READY)
    vapoursynth = moved / ".venv/bin/vapoursynth"
    assert str(moved) in vapoursynth.read_text()
