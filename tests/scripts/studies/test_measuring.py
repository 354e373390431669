"""The study of what measuring videos takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.studies.measuring import main
from tests.trainer.dataset.shows import write


def test_a_video_has_a_row_with_its_speed_and_the_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write(tmp_path / "a.mkv", [(1, 30)])

    assert main([str(video), "-o", str(tmp_path / "table.md")]) == 0

    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| a.mkv")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["320x180", "30"]
    assert float(cells[3]) > 0
    assert float(cells[4]) == pytest.approx(1000 / float(cells[3]) / 24, rel=0.1)
    assert "at least 4: " in cells[5]
