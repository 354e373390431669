"""Build wheels for all platforms from this one, and check them: python -m scripts.wheelhouse [-o FOLDER] [PLATFORM ...]

`./scripts/wheels` runs this with all that it needs installed.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.project import requirement

from .checks import check_wheel, differing_files
from .compiler import OPERATORS, WheelError, compile_library
from .packing import copy_sources, pack_wheel, source_date
from .targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]


def build(name: str, output: Path) -> Path:
    """Build the wheel for a platform and check it. Raises WheelError."""
    date = source_date(ROOT)  # before minutes of compiling: it may fail
    wheel = _build(ROOT, name, output, date)
    try:
        check(name, wheel)
    except WheelError:
        wheel.unlink()
        raise
    return wheel


def build_again(name: str, wheel: Path) -> None:
    """Build a wheel again in another folder, from a copy of the sources. Raises WheelError if a byte differs."""
    with tempfile.TemporaryDirectory(prefix="animesr-again-") as folder:
        root = Path(folder, "checkout")
        copy_sources(ROOT, root)
        (root / OPERATORS).parent.mkdir(parents=True)
        shutil.copyfile(ROOT / OPERATORS, root / OPERATORS)
        again = _build(root, name, Path(folder, "dist"), source_date(ROOT))
        if again.read_bytes() != wheel.read_bytes():
            files = ", ".join(differing_files(wheel, again)) or "the archive itself"
            raise WheelError(f"{wheel.name} has other bytes when it is built again in another folder: {files}")


def check(name: str, wheel: Path) -> None:
    """Check a wheel for a platform. Raises WheelError."""
    if faults := check_wheel(wheel, TARGETS[name]):
        raise WheelError("".join(f"\n{wheel.name} {fault}" for fault in faults).lstrip())


def find_wheel(name: str, folder: Path) -> Path:
    """Return the wheel of this version for a platform in a folder. Raises WheelError."""
    package, _, version = requirement(ROOT / "pyproject.toml").partition("==")
    wheel = folder / f"{package.replace('-', '_')}-{version}-py3-none-{TARGETS[name].tag}.whl"
    if not wheel.is_file():
        raise WheelError(f"{wheel} is missing; ./scripts/wheels {name} builds it")
    return wheel


def _build(root: Path, name: str, output: Path, date: int) -> Path:
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="animesr-wheel-") as folder:
        library = compile_library(root, target, Path(folder) / "objects")
        return pack_wheel(root, target, library, Path(folder) / "pack", output, date)


def _make(name: str, output: Path, *, twice: bool, only_check: bool) -> Path:
    """Build or find the wheel for a platform, and check it. Raises WheelError."""
    if only_check:
        wheel = find_wheel(name, output)
        check(name, wheel)
        return wheel
    wheel = build(name, output)
    if twice:
        build_again(name, wheel)
    return wheel


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/wheels", description="Build wheels for all platforms, and check them."
    )
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=f"default: all of {', '.join(TARGETS)}")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--twice", action="store_true", help="build each again in another folder, and compare all bytes")
    how.add_argument("--check", action="store_true", help="build nothing; check the wheels of this version in DIR")
    args = parser.parse_args(arguments)
    if unknown := [name for name in args.platforms if name not in TARGETS]:
        parser.error(f"there is no platform {unknown[0]!r}; there are {', '.join(TARGETS)}")
    failed = 0
    for name in args.platforms or TARGETS:
        begin = time.monotonic()
        try:
            wheel = _make(name, args.output, twice=args.twice, only_check=args.check)
        except WheelError as error:
            print(f"wheels: {name}: {error}", file=sys.stderr)
            failed = 1
            continue
        print(f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}", flush=True)
        said = ", the same bytes twice" if args.twice else ""
        size, seconds = wheel.stat().st_size / 1e6, time.monotonic() - begin
        print(f"wheels: {name}: {size:.2f} MB, {seconds:.0f} s{said}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
