"""Facts about the project that set-up needs, one item per line.

    python scripts/project.py requirements [EXTRA ...]   packages to install before the wheel: to build it, to run it,
                                                         and those of the extras
    python scripts/project.py fingerprint                a hash of the wheel's sources
    python scripts/project.py version                    the requirement NAME==VERSION that this checkout meets

Runs before anything is installed: standard library only.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "NOTICE", "vsanimesr", "trainer")
BUILD_OUTPUTS = {".pyc", ".so", ".dll", ".dylib"}


def requirements(pyproject: Path, extras: Sequence[str] = ()) -> list[str]:
    """Return the requirements in `pyproject` for building, running and `extras`: sorted, each once."""
    content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project = content["project"]
    names = {*content["build-system"]["requires"], *project.get("dependencies", ())}
    for extra in extras:
        names.update(project["optional-dependencies"][extra])
    return sorted(names)


def requirement(pyproject: Path) -> str:
    """Return the requirement that the project in `pyproject` meets, and no other version of it."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return f"{project['name']}=={project['version']}"


def source_files(root: Path) -> Iterator[Path]:
    """Yield every source file of the wheel under `root`, in a fixed order."""
    for source in (root / name for name in SOURCES):
        files = sorted(source.rglob("*")) if source.is_dir() else [source]
        yield from (file for file in files if file.is_file() and file.suffix not in BUILD_OUTPUTS)


def fingerprint(root: Path) -> str:
    """Return a SHA-256 over the names and contents of `source_files`."""
    total = hashlib.sha256()
    for file in source_files(root):
        total.update(hashlib.sha256(file.relative_to(root).as_posix().encode()).digest())
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def main(arguments: Sequence[str]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(newline="\n")  # bash reads it, on Windows too
    match arguments:
        case ["requirements", *extras]:
            print(*requirements(ROOT / "pyproject.toml", extras), sep="\n")
        case ["fingerprint"]:
            print(fingerprint(ROOT))
        case ["version"]:
            print(requirement(ROOT / "pyproject.toml"))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
