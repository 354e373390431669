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
    """Return the time that the files of a wheel get, in seconds since 1970.

    It is `SOURCE_DATE_EPOCH`, or that of the commit, or 1980 for sources without a repository.

    Raises:
        WheelError: `SOURCE_DATE_EPOCH` is no such number, or git does not tell the commit's: another time would give
            other bytes.
    """
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        if not given.isdecimal():
            raise WheelError(f"SOURCE_DATE_EPOCH={given!r} is no number of seconds since 1970")
        return int(given)
    if not (root / ".git").exists():
        return OLDEST
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or error
        raise WheelError(f"git does not tell the time of the commit; set SOURCE_DATE_EPOCH to it: {said}") from error


def copy_sources(root: Path, folder: Path) -> None:
    """Copy the sources of a wheel, without what a build leaves among them."""
    for source in source_files(root):
        copy = folder / source.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


def pack_wheel(root: Path, target: Target, library: Path, work: Path, output: Path, date: int) -> Path:
    """Pack a wheel for a target.

    Args:
        root: the checkout.
        library: the compiled plugin.
        work: a folder that is emptied and used.
        output: the folder for the wheel.
        date: the time of its files, as `source_date` returns it.

    Raises:
        WheelError: setuptools fails.
    """
    shutil.rmtree(work, ignore_errors=True)
    copy_sources(root, work / "source")  # setuptools would pack files of an older build in the checkout
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
