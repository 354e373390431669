"""Names of videos, titles and clips."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.dataset.sources import clip_name, find_videos, show


@given(st.lists(st.tuples(st.text(max_size=100), st.integers(0, 10**6)), max_size=6))
def test_names_of_clips_fit_any_file_system_and_differ(videos: list[tuple[str, int]]) -> None:
    taken: set[str] = set()
    for stem, first in videos:
        name = clip_name(stem, first, taken)
        assert name not in taken
        assert len(os.fsencode(name)) < 200
        assert name.replace("-", "").isalnum()
        taken.add(name)


def test_paths_are_shown_in_one_line() -> None:
    assert show("a\nb\t第1話") == "a\\nb\\t第1話"
    if os.name == "posix":
        assert show(os.fsdecode(b"\xe9")) == "\\xe9"


def test_folders_give_their_videos_once_and_sorted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "season 1").mkdir()
    for name in ("season 1/b.mkv", "season 1/a.MP4", "notes.txt", "a.ass", "b.ASS", "._a.mkv", "c.avi"):
        (tmp_path / name).touch()
    (tmp_path / "folder.mkv").mkdir()
    shutil.copy(tmp_path / "notes.txt", tmp_path / "odd.name")

    found = find_videos([tmp_path / "c.avi", tmp_path, tmp_path / "odd.name"])

    assert [str(each.relative_to(tmp_path)) for each in found] == [
        "c.avi",
        str(Path("season 1/a.MP4")),
        str(Path("season 1/b.mkv")),
        "odd.name",
    ]
    assert caplog.messages == [f"{tmp_path}: by their names no videos, and left out: 2 .ass, 1 .name, 1 .txt"]


@pytest.mark.parametrize("suffix", [".m4v", ".mpeg", ".mts", ".wmv", ".ogm", ".rmvb", ".flv", ".MKV"])
def test_videos_of_many_kinds_are_found(suffix: str, tmp_path: Path) -> None:
    video = tmp_path / f"a{suffix}"
    video.touch()

    assert find_videos([tmp_path]) == [video]
