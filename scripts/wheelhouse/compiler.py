"""The plugin's library for any platform, compiled by zig: the same sources give the same bytes in any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .targets import ENTRY, EXPORTS, Target

OPERATORS = Path("scripts", "wheelhouse", "operators.cpp")
ZIG = (sys.executable, "-m", "ziglang")


class WheelError(Exception):
    """A wheel cannot be built, or is not fit for its platform."""


def compile_library(root: Path, target: Target, folder: Path) -> Path:
    """Compile the plugin of a checkout.

    Args:
        root: the checkout.
        folder: where objects and the library are written.

    Raises:
        WheelError: a source does not compile without warnings, or the library does not link.
    """
    import vapoursynth

    folder.mkdir(parents=True, exist_ok=True)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    version = project["project"]["version"]
    major, minor, *_ = version.split(".")
    flags = [
        *project["tool"]["animesr"]["compile-flags"],
        "-Werror",
        "-g0",
        f"-ffile-prefix-map={root}=.",
        f"-DANIMESR_VERSION={version}",
        f"-DANIMESR_VERSION_MAJOR={major}",
        f"-DANIMESR_VERSION_MINOR={minor}",
        f"-isystem{vapoursynth.get_include()}",
    ]

    sources = sorted((root / "vsanimesr" / "native").glob("*.cpp"))
    if target.system == "macos":
        flags.append("-fvisibility-global-new-delete=force-hidden")
        sources.append(root / OPERATORS)

    def compile_object(source: Path) -> Path:
        result = folder / f"{source.stem}.o"
        _zig(target, [*flags, "-c", source.relative_to(root), "-o", result], cwd=root, cache=folder / "zig")
        return result

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_object, sources))
    return link_library(target, objects, folder)


def link_library(target: Target, objects: Sequence[Path], folder: Path) -> Path:
    """Link objects to a library, with the C++ library inside. Raises WheelError."""
    library = folder / target.library
    (folder / EXPORTS).write_text(f"{{ global: {ENTRY}; local: *; }};\n")
    _zig(target, ["-shared", "-s", *target.links, "-o", library, *objects], cwd=folder, cache=folder / "zig")
    if target.system == "windows":
        clear_time(library)
    return library


def clear_time(library: Path) -> None:
    """Set the time in a PE file to zero. It stands eight bytes behind the start of the header, whose place is at 60."""
    content = bytearray(library.read_bytes())
    begin = int.from_bytes(content[60:64], "little") + 8
    content[begin : begin + 4] = bytes(4)
    library.write_bytes(content)


def _zig(target: Target, arguments: Sequence[str | Path], *, cwd: Path, cache: Path) -> None:
    environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(cache)}
    command = [*ZIG, "c++", "-target", target.triple, "-mcpu=baseline", *arguments]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise WheelError(f"{' '.join(map(str, command))} failed:\n{result.stderr}")
