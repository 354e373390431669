"""`python -m trainer`: the grid of `degrade`, errors and usage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.clips import cartoon_clip
from trainer.cli import main
from trainer.degradation.grid import FRAMES, degradation_grid
from trainer.degradation.settings import PRESETS
from trainer.previews import LABEL, MARGIN, SIDE


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    for n, picture in enumerate(cartoon_clip(FRAMES + 1, 272, 300).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(picture).save(folder / f"{n:08d}.png")
    return folder


def cell(grid: Path, row: int, column: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with Image.open(grid) as picture:
        left, top = column * (SIDE + MARGIN) + MARGIN, row * (SIDE + LABEL + MARGIN) + MARGIN + LABEL
        return np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), np.float64)


def distance(
    a: np.ndarray[tuple[int, ...], np.dtype[np.float64]], b: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> float:
    return float(np.abs(a - b).mean())


def test_degrade_draws_each_operator_from_weak_to_strong(clip: Path, tmp_path: Path) -> None:
    grid = tmp_path / "grid.png"

    assert main(["degrade", str(clip), "--show", str(grid), "--frame", "1", "noise.sigma=[1,20]"]) == 0

    hq = cell(grid, 0, 0)
    shown = cartoon_clip(FRAMES + 1, 272, 300)[1 + FRAMES // 2, :, 8:264, 22:278].permute(1, 2, 0).numpy()
    assert np.array_equal(hq, shown)
    for row in (1, 2, 3, 4, 8, 9, 10, 11, 12):  # all that have a range
        weak, _, strong = (distance(cell(grid, row, column), hq) for column in range(3))
        assert 0 <= weak < strong, f"row {row}"
    for row in (6, 7):
        assert distance(cell(grid, row, 0), cell(grid, row, 2)) > 0.05, f"row {row}"
    for row in (13, 14):
        assert all(5 < distance(cell(grid, row, column), hq) < 60 for column in range(3))
    with Image.open(grid) as picture:
        assert picture.height == 15 * (SIDE + LABEL + MARGIN) + MARGIN


def test_the_same_seed_gives_the_same_grid(clip: Path) -> None:
    from trainer.data.clips import open_clip

    opened = open_clip(clip)
    assert opened is not None
    first, again, other = (
        np.asarray(degradation_grid(opened, PRESETS["paper"], first=0, seed=seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["noise.sgima=1"], "error: 'noise.sgima' is not a setting; did you mean 'noise.sigma'?"),
        (["--frame", "2"], "has 8 frames, and 7 from frame 2 on are needed"),
        (["--frame", "-1"], "has 8 frames, and 7 from frame -1 on are needed"),
    ],
)
def test_wrong_arguments_are_errors(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["degrade", str(clip), "--show", str(tmp_path / "grid.png"), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_files_that_cannot_be_read_or_written_are_errors(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["degrade", str(tmp_path / "nothing"), "--show", str(tmp_path / "grid.png")]) == 1
    assert "nothing is no clip; name a video, or a folder of images" in capsys.readouterr().err
    for name in ("grid.qqq", "no/where/grid.png"):
        assert main(["degrade", str(clip), "--show", str(tmp_path / name)]) == 1
        assert f"{name} cannot be written" in capsys.readouterr().err


def test_unknown_options_and_commands_are_refused(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["degrade", str(clip), "--show", "x.png", "--sed", "3"], ["degrad"], []):
        with pytest.raises(SystemExit) as refused:
            main(arguments)
        assert refused.value.code == 2
    assert "--sed" in capsys.readouterr().err


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "trainer", "--help"], capture_output=True, text=True, check=True)
    assert "degrade" in done.stdout
