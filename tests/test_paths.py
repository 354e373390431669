"""Folders from environment variables, and the defaults."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import vapoursynth as vs

from tests.video import core, numbered_clip
from vsanimesr import paths
from vsanimesr.errors import BackendError, WeightsError


def test_the_variable_sets_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMESR_CACHE", "/somewhere/else")
    assert paths.cache_folder() == Path("/somewhere/else")


@pytest.mark.parametrize("value", [None, ""])
def test_the_default_cache_is_per_user(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANIMESR_CACHE", raising=False)
    if value is not None:
        monkeypatch.setenv("ANIMESR_CACHE", value)
    folder = paths.cache_folder()
    assert folder.is_absolute()
    assert "animesr" in folder.parts
    assert folder.is_relative_to(Path.home())


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="only Linux and the BSDs have XDG folders")
def test_the_cache_follows_the_xdg_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ANIMESR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache_folder() == tmp_path / "animesr"


def test_no_weights_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANIMESR_WEIGHTS", raising=False)
    assert paths.user_weights_folder() is None
    monkeypatch.setenv("ANIMESR_WEIGHTS", "")
    assert paths.user_weights_folder() is None


def test_a_weights_folder_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("ANIMESR_WEIGHTS", "~/weights")
    assert paths.user_weights_folder() == tmp_path / "weights"


def test_a_weights_folder_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(tmp_path / "missing"))
    with pytest.raises(WeightsError, match=r"ANIMESR_WEIGHTS=.*missing is not a folder; set it to"):
        paths.user_weights_folder()


@pytest.mark.parametrize(
    ("variable", "find", "error"),
    [
        ("ANIMESR_WEIGHTS", paths.user_weights_folder, WeightsError),
        ("ANIMESR_ENGINES", paths.user_engines_folder, BackendError),
    ],
)
def test_a_folder_that_cannot_be_reached(
    variable: str, find: Callable[[], Path | None], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "x" * 300)
    with pytest.raises(error, match=rf"{variable}=xxx.* cannot be used \(File name too long\); set it to"):
        find()

    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(error, match=rf"{variable}=xxx.* cannot be used \(Permission denied\)"):
        find()


def test_a_folder_that_cannot_be_reached_is_no_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMESR_WEIGHTS", "x" * 300)
    with pytest.raises(vs.Error, match=r"^Upscale: ANIMESR_WEIGHTS=xxx"):
        core.animesr.Upscale(numbered_clip(1), backend="openvino")


def test_a_home_folder_that_does_not_exist_is_a_file_name() -> None:
    assert paths.user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


def test_importing_loads_no_package() -> None:
    code = "import sys, vsanimesr.weights.load; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "torch",
        "openvino",
        "onnx",
        "onnxruntime",
        "safetensors",
        "filelock",
        "platformdirs",
        "pip",
        "vapoursynth",
    }
    assert not heavy & set(done.stdout.split())
