"""Other packages with our import names, `vsanimesr` and `trainer`: they are recognised, and the remedy works."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packages import Environment, write_wheel
from vsanimesr.installation import REINSTALL

UPSCALE = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(format=vs.RGBS, width=8, height=8, length=1)
print(vs.core.animesr.Version()["package"], vs.core.animesr.Upscale(clip, backend="null").get_frame(0).width)
"""
WORKS = "0.1.0 32\n"
# Replaces what vs-animesr imports, so that its import succeeds.
WITH_TORCH = """
import sys
from unittest.mock import MagicMock
sys.modules.update((name, MagicMock()) for name in ("torch", "torch.nn", "torch.nn.functional", "vsanimesr.vsr_arch"))
"""


@pytest.fixture(scope="module")
def ours(our_wheel: tuple[Path, str]) -> Path:
    """Our wheel."""
    return our_wheel[0]


@pytest.fixture(scope="module")
def theirs(wheel_folder: Path) -> Path:
    """The wheel of vs-animesr."""
    return next(wheel_folder.glob("*.whl"))


@pytest.fixture
def environment(clean_environment: Environment) -> Environment:
    """An environment for all tests, without packages of our import names."""
    return clean_environment


def require_remedy(environment: Environment, ours: Path) -> None:
    """Check that the plugin works after what the messages advise."""
    environment.uninstall("vsanimesr")
    environment.install(ours)
    assert environment.run("-c", UPSCALE).stdout == WORKS


def test_theirs_over_ours(environment: Environment, ours: Path, theirs: Path) -> None:
    environment.install(ours)
    environment.install(theirs)

    said = environment.run("-c", UPSCALE).stderr
    assert "cannot import vsanimesr.bridge (No module named 'torch')" in said
    assert "first run: pip uninstall vsanimesr" in said
    require_remedy(environment, ours)


def test_theirs_over_ours_with_torch(environment: Environment, ours: Path, theirs: Path) -> None:
    environment.install(ours)
    environment.install(theirs)

    said = environment.run("-c", WITH_TORCH + UPSCALE).stderr
    assert "vsanimesr/__init__.py is not from vapoursynth-animesr but from another package, probably vsanimesr" in said
    assert f"Run: pip uninstall vsanimesr, then: {REINSTALL}" in said
    command = environment.run("-c", f"{WITH_TORCH}from vsanimesr.cli import main; sys.exit(main(['doctor']))")
    assert (command.returncode, command.stdout) == (1, "")
    assert command.stderr.splitlines()[-1].startswith("animesr: ")
    assert "pip uninstall vsanimesr" in command.stderr


def test_ours_over_theirs(environment: Environment, ours: Path, theirs: Path) -> None:
    environment.install(theirs)
    environment.install(ours)

    assert environment.run("-c", UPSCALE).stdout == WORKS
    assert environment.run("-c", "from vsanimesr import animesr; print(animesr.__module__)").stdout == (
        "vsanimesr.vs_animesr\n"
    )


@pytest.mark.parametrize("ours_first", [True, False])
def test_theirs_is_uninstalled(environment: Environment, ours: Path, theirs: Path, ours_first: bool) -> None:
    for wheel in (ours, theirs) if ours_first else (theirs, ours):
        environment.install(wheel)
    environment.uninstall("vsanimesr")

    said = environment.run("-c", UPSCALE).stderr
    assert "vsanimesr/__init__.py is missing. It is removed when the package vsanimesr" in said
    assert f"Run: {REINSTALL}" in said
    assert "internal error" not in said
    command = environment.run("-m", "vsanimesr", "doctor")
    assert (command.returncode, command.stdout) == (1, "")
    assert command.stderr.startswith("animesr: ")
    assert "vsanimesr/__init__.py is missing" in command.stderr
    require_remedy(environment, ours)


def test_ours_is_uninstalled(environment: Environment, ours: Path, theirs: Path) -> None:
    """The plugin goes with our package, and reinstalling theirs mends it."""
    environment.install(ours)
    environment.install(theirs)
    environment.uninstall("vapoursynth-animesr")

    assert environment.run("-c", "import vapoursynth as vs; print(hasattr(vs.core, 'animesr'))").stdout == "False\n"
    environment.install(theirs)
    assert "No module named 'torch'" in environment.run("-c", "import vsanimesr").stderr


@pytest.fixture
def other_trainer(tmp_path: Path) -> Path:
    """The wheel of another package named trainer, which can be imported."""
    return write_wheel(tmp_path, "trainer", {"trainer/__init__.py": '"""Trains anything."""\n', "trainer/io.py": ""})


COMMANDS = (["-m", "vsanimesr", "train", "debug"], ["-m", "trainer", "debug"])


@pytest.mark.parametrize("command", COMMANDS)
def test_another_trainer_over_ours(
    environment: Environment, ours: Path, other_trainer: Path, command: list[str]
) -> None:
    environment.install(ours)
    environment.install(other_trainer)

    done = environment.run(*command)
    assert (done.returncode, done.stdout) == (1, "")
    assert "trainer/__init__.py is not from vapoursynth-animesr but from another package named trainer" in done.stderr
    assert f"Run: pip uninstall trainer, then: {REINSTALL}" in done.stderr
    assert "Traceback" not in done.stderr

    environment.uninstall("trainer")
    done = environment.run(*command)
    assert done.returncode == 1
    assert "trainer/__init__.py is missing. It is removed when another package named trainer" in done.stderr
    assert "Traceback" not in done.stderr

    environment.install(ours)
    done = environment.run(*command)  # complete, but without torch
    assert done.returncode == 1
    assert 'not installed; pip install "vapoursynth-animesr[train]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_another_trainer_before_ours(environment: Environment, ours: Path) -> None:
    environment.install(ours)
    other = environment.folder / "trainer"
    other.mkdir()
    (other / "__init__.py").touch()
    try:
        done = environment.run("-m", "vsanimesr", "train", "debug")
    finally:
        (other / "__init__.py").unlink()
        other.rmdir()

    assert done.returncode == 1
    assert f"{other.resolve() / '__init__.py'} is another package named trainer, which Python finds before ours" in (
        done.stderr
    )
    assert "start from another folder" in done.stderr


def test_a_missing_part_of_the_trainer(environment: Environment, ours: Path) -> None:
    environment.install(ours)
    installed = next(environment.folder.glob("venv/lib/*/site-packages/trainer"))
    (installed / "cli" / "__init__.py").unlink()
    (installed / "cli").rename(installed / "cli_is_away")

    done = environment.run("-m", "vsanimesr", "train", "debug")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"animesr: the module trainer.cli is missing. Run: {REINSTALL}\n"
