"""Facts about the project that set-up reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import project
from tests.scripts.sandbox import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "vsanimesr/native").mkdir(parents=True)
    (tmp_path / "vsanimesr/__init__.py").write_text("first")
    (tmp_path / "vsanimesr/native/plugin.cpp").write_text("second")
    (tmp_path / "pyproject.toml").write_text("third")
    return tmp_path


@pytest.mark.parametrize("name", ["vsanimesr/__init__.py", "vsanimesr/native/plugin.cpp", "pyproject.toml"])
def test_a_fingerprint_changes_with_each_source(tree: Path, name: str) -> None:
    before = project.fingerprint(tree)
    (tree / name).write_text("other!")
    assert project.fingerprint(tree) != before


def test_a_fingerprint_changes_with_names(tree: Path) -> None:
    before = project.fingerprint(tree)
    (tree / "vsanimesr/native/plugin.cpp").rename(tree / "vsanimesr/native/filter.cpp")
    renamed = project.fingerprint(tree)
    (tree / "vsanimesr/empty.py").touch()
    assert len({before, renamed, project.fingerprint(tree)}) == 3


def test_a_fingerprint_ignores_build_outputs(tree: Path) -> None:
    before = project.fingerprint(tree)
    (tree / "vsanimesr/__pycache__").mkdir()
    (tree / "vsanimesr/__pycache__/x.pyc").touch()
    (tree / "vsanimesr/native/libanimesr.so").touch()
    (tree / "notes.txt").touch()
    (tree / "pyproject.toml").touch()
    assert project.fingerprint(tree) == before


def test_the_real_sources_are_found() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in project.source_files(ROOT)}
    assert {"setup.py", "pyproject.toml", "vsanimesr/native/plugin.cpp", "vsanimesr/__init__.py", "LICENSE"} <= names


def test_requirements_are_those_of_building_running_and_the_extras() -> None:
    plain = project.requirements(ROOT / "pyproject.toml")
    dev = project.requirements(ROOT / "pyproject.toml", ["dev"])
    assert {"setuptools", "vapoursynth", "numpy"} <= {line.partition(">")[0] for line in plain}
    assert {"pytest", "mypy", "ruff"} <= {line.partition(">")[0] for line in dev} - {
        line.partition(">")[0] for line in plain
    }
    with pytest.raises(KeyError, match="nonesuch"):
        project.requirements(ROOT / "pyproject.toml", ["nonesuch"])
