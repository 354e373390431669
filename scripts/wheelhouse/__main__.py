"""Build wheels for all platforms from this one, and check them: python -m scripts.wheelhouse [-o FOLDER] [PLATFORM ...]

`./scripts/wheels` runs this with all that it needs installed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from pathlib import Path

from .checks import check_wheel
from .compiler import WheelError, compile_library
from .packing import pack_wheel
from .targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]


def build(name: str, output: Path) -> Path:
    """Build the wheel for a platform and check it. Raises WheelError."""
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="animesr-wheel-") as folder:
        library = compile_library(ROOT, target, Path(folder) / "objects")
        wheel = pack_wheel(ROOT, target, library, Path(folder) / "pack", output)
    if faults := check_wheel(wheel, target):
        wheel.unlink()
        raise WheelError("".join(f"\n{wheel.name} {fault}" for fault in faults).lstrip())
    return wheel


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/wheels", description="Build wheels for all platforms, and check them."
    )
    parser.add_argument("platforms", nargs="*", metavar="PLATFORM", help=f"default: all of {', '.join(TARGETS)}")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    args = parser.parse_args()
    if unknown := [name for name in args.platforms if name not in TARGETS]:
        parser.error(f"there is no platform {unknown[0]!r}; there are {', '.join(TARGETS)}")
    failed = 0
    for name in args.platforms or TARGETS:
        begin = time.monotonic()
        try:
            wheel = build(name, args.output)
        except WheelError as error:
            print(f"wheels: {name}: {error}", file=sys.stderr)
            failed = 1
            continue
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        print(f"{digest}  {wheel.name}", flush=True)
        print(f"wheels: {name}: {wheel.stat().st_size / 1e6:.2f} MB, {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
