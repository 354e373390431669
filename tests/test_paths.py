"""Folders that the environment names, and where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vsanimesr import paths
from vsanimesr.errors import WeightsError


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANIMESR_CACHE", "/somewhere/else")
    assert paths.cache_folder() == Path("/somewhere/else")


@pytest.mark.parametrize("value", [None, ""])
def test_the_cache_is_the_users_own(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANIMESR_CACHE", raising=False)
    if value is not None:
        monkeypatch.setenv("ANIMESR_CACHE", value)
    folder = paths.cache_folder()
    assert folder.is_absolute()
    assert "animesr" in folder.parts
    assert folder.is_relative_to(Path.home())


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the XDG folders are those of Linux and the BSDs")
def test_the_cache_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ANIMESR_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert paths.cache_folder() == tmp_path / "animesr"


def test_no_weights_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANIMESR_WEIGHTS", raising=False)
    assert paths.given_weights_folder() is None
    monkeypatch.setenv("ANIMESR_WEIGHTS", "")
    assert paths.given_weights_folder() is None


def test_a_weights_folder_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("ANIMESR_WEIGHTS", "~/weights")
    assert paths.given_weights_folder() == tmp_path / "weights"


def test_a_weights_folder_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANIMESR_WEIGHTS", str(tmp_path / "missing"))
    with pytest.raises(WeightsError, match=r"ANIMESR_WEIGHTS=.*missing is not a folder; set it to"):
        paths.given_weights_folder()


def test_a_home_that_does_not_exist_is_a_name() -> None:
    assert paths.user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


def test_importing_costs_no_package() -> None:
    code = "import sys, vsanimesr.weights; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
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
