"""scripts/test: its two parts are the whole suite, and it fails if one of them does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import parts
from tests.scripts.sandbox import ROOT, executable, tools

pytest_plugins = ("pytester",)

HOOKS = "from tests.conftest import pytest_addoption, pytest_collection_modifyitems, pytest_ignore_collect"


@pytest.mark.parametrize(
    "named", [[], ["."], ["folder"], ["test_shared.py"], ["test_alone.py"], ["test_alone.py::test_a", "test_shared.py"]]
)
def test_each_test_is_in_one_part(named: list[str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "FOLDER", pytester.path)
    monkeypatch.setattr(parts, "ALONE", {"test_alone.py": "", "folder": ""})
    (pytester.path / "folder").mkdir()
    pytester.makeconftest(HOOKS)
    for name in ("test_shared.py", "test_alone.py", "folder/test_alone_too.py"):
        (pytester.path / name).write_text("def test_a(): pass\ndef test_b(): pass\n")

    def collect(*arguments: str) -> list[str]:
        run = pytester.inline_run("--collect-only", *arguments, *named)
        return [item.nodeid for item in run.getcalls("pytest_collection_finish")[0].session.items]

    shared, alone = (collect(f"--part={part}") for part in parts.PARTS)
    assert sorted(shared + alone) == sorted(collect())
    assert {name.partition("::")[0] for name in shared} <= {"test_shared.py"}


def test_files_that_run_alone_exist() -> None:
    assert [name for name in parts.ALONE if not (parts.FOLDER / name).exists()] == []
    assert parts.part_of(parts.FOLDER / "scripts" / "benchmarks" / "test_benchmarks.py") == "alone"
    assert parts.part_of(Path(__file__)) == "shared"


@pytest.mark.parametrize(
    ("shared", "alone", "expected"),
    [(0, 0, 0), (1, 0, 1), (0, 1, 1), (2, 1, 2), (5, 0, 0), (0, 5, 0), (5, 5, 5), (1, 5, 1), (5, 1, 1)],
)
def test_a_failure_of_either_part_is_one(shared: int, alone: int, expected: int, tmp_path: Path) -> None:
    """pytest ends with 5 if it has no tests: a part may have none."""
    root, path = tmp_path / "check out", tools(tmp_path / "tools")
    (root / "scripts").mkdir(parents=True)
    for name in ("test", "lib.sh"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts" / name)
    for name in ("chromium", "ffmpeg", "mkvmerge", "SvtAv1EncApp", "x265"):
        executable(path / name, "")
    for file in ("scripts/check", ".venv/bin/animesr"):
        executable(root / file, "")
    codes = f"case $* in *--part=shared*) exit {shared} ;; *--part=alone*) exit {alone} ;; esac"
    executable(root / ".venv/bin/python", f'for each; do printf "%s|" "$each"; done; echo; {codes}')

    command: list[str | Path] = [root / "scripts" / "test", "tests/a b.py", "-k", "x and y"]
    done = subprocess.run(command, env={"PATH": str(path), "HOME": str(tmp_path)}, capture_output=True, text=True)

    assert done.returncode == expected, done.stderr
    runs = [line for line in done.stdout.splitlines() if "|pytest|" in line]
    assert ["--part=shared" in run for run in runs] == [True, False]
    assert ["--part=alone" in run for run in runs] == [False, True]
    assert all("|--durations=40|" in run and run.endswith("|tests/a b.py|-k|x and y|") for run in runs)
