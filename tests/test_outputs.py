from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from vsanimesr.errors import OptionError
from vsanimesr.outputs import check_output


def message(output: Path, *inputs: Path, **how: str) -> str:
    """Return what a path is refused with."""
    with pytest.raises(OptionError) as caught:
        check_output(output, inputs, **how)
    return str(caught.value)


def test_a_path_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "clip.mkv").touch()
    check_output(tmp_path / "new.mkv", [tmp_path / "clip.mkv", tmp_path / "frames"])
    check_output(tmp_path / "frames" / "report.html", [tmp_path / "frames"])
    monkeypatch.chdir(tmp_path)
    check_output(Path("new.mkv"), [Path("clip.mkv")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "frames"]


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert message(tmp_path) == f"-o {tmp_path} is a folder; name a file in it"
    assert "the folder" in message(tmp_path / "none" / "a.mkv", argument="--json")
    assert "does not exist; create it" in message(tmp_path / "none" / "a.mkv")
    assert "does not exist" in message(tmp_path / "file" / "a.mkv")
    assert message(tmp_path / "none" / "a.mkv", argument="--json").startswith("--json ")
    assert "cannot be used (File name too long)" in message(tmp_path / ("x" * 300) / "a.mkv")


def test_input_is_not_overwritten(tmp_path: Path) -> None:
    clip, frames = tmp_path / "clip.mkv", tmp_path / "frames"
    frames.mkdir()
    for path in (clip, frames / "0.png"):
        path.touch()
    (tmp_path / "link.mkv").symlink_to(clip)
    assert f"would overwrite {clip}" in message(clip, frames, clip)
    assert f"would overwrite {clip}" in message(tmp_path / "frames" / ".." / "clip.mkv", clip)
    assert f"would overwrite {clip}" in message(tmp_path / "link.mkv", clip)
    assert f"would overwrite a file in {frames}" in message(frames / "0.png", clip, frames)


def test_a_folder_that_is_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere but on a disk that is only read."""
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    assert f"nothing can be written to the folder {tmp_path}; use another path" in message(tmp_path / "a.mkv")


@pytest.mark.skipif(sys.platform == "win32", reason="a name there has no limit in bytes")
def test_the_names_of_files_beside_it_count(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    name = "é" * (longest // 2 - 10)
    fits = "." * (longest - len(name.encode()))
    check_output(tmp_path / name, suffix=fits)
    assert "the name is 1 bytes too long; use a shorter one" in message(tmp_path / name, suffix=fits + ".")
