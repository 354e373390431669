"""A wheel from the package's sources and a library: the same bytes from the same sources, setuptools and zlib."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from scripts.project import source_files

from .compiler import WheelError
from .targets import Target

OLDEST = 315532800
"""1980, the oldest time that a zip can hold, in seconds since 1970."""
_BUILD = """
import sys
from setuptools.build_meta import build_wheel
build_wheel(sys.argv[1], {"--build-option": [f"--plat-name={sys.argv[2]}"]})
"""


def source_date(root: Path) -> int:
    """Return the time that the files of a wheel get: `SOURCE_DATE_EPOCH`, or that of the commit, or 1980."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return OLDEST
    return int(result.stdout) if result.returncode == 0 and result.stdout.strip() else OLDEST


def pack_wheel(root: Path, target: Target, library: Path, work: Path, output: Path) -> Path:
    """Pack a wheel for a target.

    Args:
        root: the checkout.
        library: the compiled plugin.
        work: a folder that is emptied and used.
        output: the folder for the wheel.

    Raises:
        WheelError: setuptools fails.
    """
    shutil.rmtree(work, ignore_errors=True)
    for source in source_files(root):  # setuptools would pack files of an older build in the checkout
        copy = work / "source" / source.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    date = source_date(root)
    environment = {**os.environ, "ANIMESR_LIBRARY": str(library), "SOURCE_DATE_EPOCH": str(date)}
    command = [sys.executable, "-P", "-c", _BUILD, str(work), target.tag]
    result = subprocess.run(command, cwd=work / "source", env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise WheelError(f"setuptools could not pack the wheel:\n{result.stdout}{result.stderr}")
    (built,) = work.glob("*.whl")
    output.mkdir(parents=True, exist_ok=True)
    wheel = output / built.name
    _rewrite(built, wheel, date)
    return wheel


def _rewrite(built: Path, wheel: Path, date: int) -> None:
    """Write a wheel with its files in order, all with one time and mode: setuptools keeps the modes of the checkout."""
    when = time.gmtime(max(date, OLDEST))[:6]
    part = wheel.with_name(f"{wheel.name}.part")
    with zipfile.ZipFile(built) as source, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as result:
        # The folder of metadata comes last, as the format recommends.
        for name in sorted(source.namelist(), key=lambda name: (".dist-info/" in name, name)):
            info = zipfile.ZipInfo(name, when)
            info.create_system, info.external_attr = 3, 0o100644 << 16  # as written by Unix, on every system
            info.compress_type = zipfile.ZIP_DEFLATED
            result.writestr(info, source.read(name))
    part.replace(wheel)
